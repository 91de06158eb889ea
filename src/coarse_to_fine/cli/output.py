"""How results look on a terminal and as JSON: hits, times, progress."""

from __future__ import annotations

import codecs
import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coarse_to_fine.hits.times import clock as clock
from coarse_to_fine.hits.times import clock_range as clock_range
from coarse_to_fine.hits.times import clocks as clocks

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from coarse_to_fine.evaluation.report import Report
    from coarse_to_fine.types import MomentHit

SCORE_DIGITS = 6
"""Decimals of a score as it is shown; a least score is compared with what was shown."""
SALIENCY_DIGITS = 4

WIDEST = 5000
"""Columns of a table that nobody's terminal has to show."""

Advance = Callable[[int, int, str], None]
"""progress(done, total, what): called after each finished item."""


UNDECODED = ("\udc80", "\udcff")
"""First and last of the letters that stand for bytes of a path which are none in the encoding of the file system."""


def _write_anyhow(error: UnicodeError) -> tuple[str | bytes, int]:
    """Undecoded bytes as they were, letters that an encoding lacks as their numbers; an error handler of codecs."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letter = UnicodeEncodeError(error.encoding, error.object, error.start, error.start + 1, error.reason)
    undecoded = UNDECODED[0] <= error.object[error.start] <= UNDECODED[1]
    return codecs.lookup_error("surrogateescape" if undecoded else "backslashreplace")(letter)


def write_any_letter() -> None:
    """Let stdout and stderr take every text, whatever encoding the terminal or pipe has."""
    codecs.register_error("write-anyhow", _write_anyhow)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="write-anyhow")


def stdout_has(letters: str) -> bool:
    """Whether the encoding of stdout knows these letters."""
    try:
        letters.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def print_json(value: Any) -> None:
    """One JSON document on one line of stdout; in ASCII where stdout knows less than all of its letters."""
    text = json.dumps(value, ensure_ascii=False)
    sys.stdout.write((text if stdout_has(text) else json.dumps(value)) + "\n")
    sys.stdout.flush()


def hit_as_json(hit: MomentHit) -> dict[str, Any]:
    """The public JSON form of a moment."""
    return {
        "video_id": hit.video_id,
        "path": hit.path,
        "start_s": round(hit.start_s, 3),
        "end_s": round(hit.end_s, 3),
        "score": round(hit.score, SCORE_DIGITS),
        "moment_score": round(hit.moment_score, SCORE_DIGITS),
        "coarse_score": round(hit.coarse_score, SCORE_DIGITS),
        "coarse_rank": hit.coarse_rank,
        "segment": [round(hit.segment_s[0], 3), round(hit.segment_s[1], 3)],
    }


def result_as_json(
    query: str, moment: str | None, hits: Sequence[MomentHit], timing_ms: dict[str, float], **more: Any
) -> dict[str, Any]:
    """The public JSON form of one search."""
    return {
        "query": query,
        "moment": moment,
        "hits": [hit_as_json(hit) for hit in hits],
        "timing_ms": {name: round(value, 2) for name, value in timing_ms.items()},
        **more,
    }


def warn(message: str) -> None:
    """One line on stderr."""
    print(f"ctf: {message}", file=sys.stderr)


@contextmanager
def progress_bar(what: str, quiet: bool = False) -> Iterator[Advance]:
    """A bar with time left on stderr; nothing at all where stderr is no terminal or `quiet`.

    Work of several pieces, each counted from the start, shows the time of the piece.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[item]}", markup=False),
    )
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as bar:
        task = bar.add_task(what, total=None, item="")

        def advance(done: int, total: int, item: str) -> None:
            if bar.tasks[0].finished and done < total:
                bar.reset(task)
            bar.update(task, completed=done, total=total, item=item[-40:])

        yield advance


def one_line(text: str) -> str:
    """A path or message with control characters shown, so that it stays on one line."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def linked_path(path: str) -> Text:
    """A path as a table shows it: on one line; on a terminal short, and a link to the file if it knows links."""
    from rich.style import Style
    from rich.text import Text

    shown = path
    for folder, short in ((Path.cwd(), ""), (Path.home(), "~/")) if sys.stdout.isatty() else ():
        if Path(path).is_relative_to(folder) and folder != Path(folder.anchor):
            shown = f"{short}{Path(path).relative_to(folder)}"
            break
    try:
        link = Path(path).as_uri()
    except UnicodeEncodeError:  # a file system without such letters, by the locale
        link = None
    return Text(one_line(shown), style=Style(link=link))


def print_table(table: Table) -> None:
    """A table as wide as the terminal; in a file or pipe each row on one line, however long it is."""
    from rich.console import Console

    if sys.stdout.isatty():
        Console(highlight=False).print(table)
        return
    console = Console(highlight=False, width=WIDEST, force_terminal=False, color_system=None)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        print(line.rstrip())


def print_report(report: Report, as_json: bool, html: Path | None = None) -> None:
    """A report of metrics as a table or JSON, and as a page where asked for."""
    if html is not None:
        from coarse_to_fine.evaluation.html_report import write_html

        write_html(html, report)
    if as_json:
        print_json(report.to_json())
    else:
        from rich.console import Console

        Console(highlight=False).print(report.to_table())
