"""What is asked for on the command line: the arguments that `search`, `clip` and `plot` share, and their search."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec, get_type_hints

import typer

from coarse_to_fine.cli import output
from coarse_to_fine.cli.options import (
    CoarseOption,
    DeviceOption,
    FineOption,
    FusionOption,
    LibraryOption,
    SeedOption,
    find_library,
    stored_fusion,
)
from coarse_to_fine.cli.output import SCORE_DIGITS
from coarse_to_fine.errors import UserError
from coarse_to_fine.wording import why

if TYPE_CHECKING:
    from coarse_to_fine.main_pipeline import Pipeline, Query
    from coarse_to_fine.types import MomentHit

STDIN = "-"
P = ParamSpec("P")


@dataclass(frozen=True)
class Question:
    """The shared arguments; each field is one of the command line."""

    sentence: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SENTENCE",
            help="What to look for; ranks the videos, and finds the moment too. Others are added or taken away: "
            '"a dog" + "snow" - "night". `-` alone reads sentences from stdin, one a line. May be left out with '
            "--image or --queries.",
        ),
    ] = None
    moment: Annotated[
        str | None,
        typer.Option("--moment", "-m", metavar="SENTENCE", help="A finer sentence for the moment inside the video."),
    ] = None
    plus: Annotated[
        list[str] | None, typer.Option("--plus", metavar="TEXT", help="Add this to the sentence; repeatable.")
    ] = None
    minus: Annotated[
        list[str] | None, typer.Option("--minus", metavar="TEXT", help="Take this out of the sentence; repeatable.")
    ] = None
    image: Annotated[
        Path | None, typer.Option("--image", metavar="FILE", help="Look for this picture, alone or with a sentence.")
    ] = None
    queries: Annotated[
        Path | None, typer.Option("--queries", metavar="FILE", help="Sentences from a text file, one a line.")
    ] = None
    library: LibraryOption = None
    count: Annotated[int, typer.Option("-k", "--count", min=1, help="How many moments a sentence.")] = 5
    top_videos: Annotated[int, typer.Option(min=1, help="How many videos the fine stage looks into.")] = 10
    path: Annotated[
        str | None, typer.Option("--path", metavar="GLOB", help="Only videos whose name or whole path matches.")
    ] = None
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="DATE", help="Only files changed since 2024-05-31, say, or in the last 7d."),
    ] = None
    min_score: Annotated[float, typer.Option(min=0, max=1, help="Only moments with at least this score.")] = 0.0
    coarse: CoarseOption = None
    fine: FineOption = None
    fusion: FusionOption = None
    device: DeviceOption = "auto"
    seed: SeedOption = 0

    def asked(self) -> list[Query]:
        """The queries: one, or as many as there are lines.

        Raises:
            UserError: nothing is asked for, a sentence comes from two places or is not in quotes.
        """
        from coarse_to_fine.main_pipeline import Query

        sentence, added, taken = read_terms(self.sentence or ())
        plus, minus = (*added, *(self.plus or ())), (*taken, *(self.minus or ()))

        def query(text: str) -> Query:
            return Query(text, self.moment, plus, minus, self.image)

        if self.queries is not None and sentence is not None:
            raise UserError("there is a sentence and --queries; expected one of them; leave one out")
        if self.queries is not None or sentence == STDIN:
            return [query(line) for line in self._lines()]
        if sentence is None and self.image is None and not plus:
            raise UserError('nothing is asked for; expected a sentence or --image; try "a dog jumps into the water"')
        return [query(sentence or "")]

    def ready(self) -> tuple[list[Query], Pipeline]:
        """The queries, and the library with the models of both stages, which are loaded last: mistakes come at once."""
        from coarse_to_fine.main_pipeline import Pipeline

        asked, library = self.asked(), find_library(self.library)
        for query in asked:
            query.check()
        return asked, Pipeline.load(library, self.coarse, self.fine, self.device, stored_fusion(self.fusion))

    def search(self, pipeline: Pipeline, asked: list[Query]) -> list[list[MomentHit]]:
        """Hits for each query after the filters; notes go to stderr."""
        hits = pipeline.search_many(
            asked, top_videos=self.top_videos, top_moments=self.count, seed=self.seed, among=self._among(pipeline)
        )
        scope = pipeline.library.encoder.warning
        for line in pipeline.notes(*asked):
            output.warn(line.partition(";")[0] if line == scope else line)  # `ctf index` says the rest, once
        return [[hit for hit in own if round(hit.score, SCORE_DIGITS) >= self.min_score] for own in hits]

    def _among(self, pipeline: Pipeline) -> list[str] | None:
        from coarse_to_fine.main_pipeline.choosing import chosen_videos, read_since

        if self.path is None and self.since is None:
            return None
        since = read_since(self.since) if self.since is not None else None
        among = chosen_videos(pipeline.library.videos(), self.path, since)
        if not among:
            given = f"--path {self.path} " * (self.path is not None) + f"--since {self.since}" * (since is not None)
            output.warn(f"no video fulfils {given.strip()}; see the paths with: ctf library list")
        return among

    def _lines(self) -> list[str]:
        given = self.queries is None or str(self.queries) == STDIN
        name = "stdin" if given else str(self.queries)
        try:
            text = sys.stdin.read() if given else Path(name).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{name} cannot be read ({why(error)}); expected text in UTF-8; check it") from error
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if not lines:
            raise UserError(f"no sentence in {name}; expected one a line; write some")
        return lines


def read_terms(words: Sequence[str]) -> tuple[str | None, tuple[str, ...], tuple[str, ...]]:
    """A sentence, what is added to it, and what is taken away.

    Raises:
        UserError: words that neither quotes nor signs join.

    Example:
        >>> read_terms(["a dog", "+", "snow", "-", "night"])
        ('a dog', ('snow',), ('night',))
    """
    if not words:
        return None, (), ()
    signs, terms = words[1::2], words[2::2]
    if len(words) % 2 == 0 or not set(signs) <= {"+", "-"}:
        raise UserError(
            f"the sentence comes in {len(words)} parts; expected one, or several with + and - between them; put each "
            'into quotes, as in: "a dog runs" + "snow" - "night"'
        )
    pairs = list(zip(signs, terms, strict=True))
    added = tuple(term for sign, term in pairs if sign == "+")
    return words[0], added, tuple(term for sign, term in pairs if sign == "-")


def with_question(command: Callable[Concatenate[Question, P], None]) -> Callable[..., None]:
    """A command for typer whose first parameters are the fields of `Question`, handed on as one value."""
    shared = get_type_hints(Question, include_extras=True)
    own = list(inspect.signature(command).parameters.values())[1:]
    types = shared | get_type_hints(command, include_extras=True)
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(one.name, keyword, default=one.default) for one in fields(Question)]
    parameters += [one.replace(kind=keyword) for one in own]

    def run(**given: Any) -> None:
        question = Question(**{name: given.pop(name) for name in shared})
        command(question, **given)  # type: ignore[call-arg]

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    signature = inspect.Signature([one.replace(annotation=types[one.name]) for one in parameters])
    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: types[one.name] for one in parameters}
    return run
