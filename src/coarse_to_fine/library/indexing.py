"""Adds files to a library: sort, decode in threads, encode, store."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from jaxtyping import UInt8
from torch import Tensor

from coarse_to_fine.encoders.base import ImageTextEncoder
from coarse_to_fine.errors import CtfError, LibraryError, VideoError
from coarse_to_fine.features.files import FilePictures
from coarse_to_fine.features.pictures import Outcome, embed_videos
from coarse_to_fine.features.sampling import Sampling
from coarse_to_fine.file_hashes import sha256_of
from coarse_to_fine.library.catalogue import Catalogue
from coarse_to_fine.library.changes import FileState
from coarse_to_fine.library.planning import Plan, Work
from coarse_to_fine.library.records import AddReport, FileNote
from coarse_to_fine.library.scan import file_state
from coarse_to_fine.library.storing import FinishedVideo, Storer, finished_video

Progress = Callable[[int, int, str], None]
"""progress(done, total, path): called after each decoded file."""


class IndexedFile(FilePictures):
    """A file with the hash of its content, read while nobody changes it."""

    def __init__(self, work: Work, encoder: ImageTextEncoder, sampling: Sampling) -> None:
        """Probe, plan and hash.

        Raises:
            VideoError: no frame can be had from the file.
            OSError: the file is not there or not readable.
        """
        super().__init__(work.file.path, encoder, sampling)
        self.sha256 = work.sha256 or sha256_of(Path(work.file.path))
        self._file = work.file

    def pictures(self) -> Iterator[tuple[int, UInt8[Tensor, "S S 3"]]]:
        """As for the base class.

        Raises:
            OSError: the file was changed meanwhile.
        """
        yield from super().pictures()
        if file_state(self._file.path) != self._file:
            raise OSError("the file was changed while it was read; run again when it is complete")


@dataclass(frozen=True, slots=True)
class Indexed:
    """What became of one file.

    Attributes:
        index: of its work.
        finished: what is to be stored; None where the file cannot be indexed.
        reason: why it cannot, for people.
        lasting: the file itself is at fault, so it is not tried again before it changes; not known of an error that
            nobody expected (no memory, a fault of a library): the next run tries again.
    """

    index: int
    finished: FinishedVideo | None = None
    reason: str = ""
    lasting: bool = False


Indexer = Callable[[Sequence[Work], ImageTextEncoder, Sampling], Generator[Indexed, None, None]]
"""Decodes and encodes files somewhere; gives each back once, in the order of the work."""


def index_here(
    work: Sequence[Work], encoder: ImageTextEncoder, sampling: Sampling, *, workers: int = 1
) -> Generator[Indexed, None, None]:
    """The indexer of this process: files are decoded in threads."""
    tasks = [partial(IndexedFile, one, encoder, sampling) for one in work]
    with closing(embed_videos(tasks, encoder, workers)) as outcomes:
        for outcome in outcomes:
            yield _indexed(work[outcome.index], outcome)


def index_files(
    plan: Plan,
    encoder: Callable[[], ImageTextEncoder],
    sampling: Sampling,
    catalogue: Catalogue,
    storer: Storer,
    indexer: Indexer,
    progress: Progress | None,
) -> AddReport:
    """Do the work of a plan; the encoder is asked for only if there is any.

    An exception (Ctrl-C too) stores what is finished before it goes on.
    """
    run = _Run(plan, storer)
    if plan.work:
        with closing(indexer(plan.work, encoder(), sampling)) as results:
            try:
                for result in results:
                    run.take(result)
                    if progress is not None:
                        progress(result.index + 1, len(plan.work), plan.work[result.index].file.path)
            except LibraryError:
                raise
            except BaseException:
                storer.flush()
                raise
        storer.flush()
    run.take_twins(plan.twins, catalogue)
    storer.flush()
    return run.report()


def _indexed(work: Work, outcome: Outcome) -> Indexed:
    error: Exception | None = outcome.error
    if isinstance(outcome.source, IndexedFile) and outcome.features is not None:
        try:
            finished = finished_video(work.file, outcome.source.sha256, outcome.source, outcome.features)
            return Indexed(outcome.index, finished)
        except CtfError as problem:
            error = problem
    return Indexed(outcome.index, None, _reason(error), lasting=isinstance(error, CtfError))


class _Run:
    """Gathers the report while results come in."""

    def __init__(self, plan: Plan, storer: Storer) -> None:
        self._plan = plan
        self._storer = storer
        self._added: list[str] = []
        self._failed: dict[str, FileNote] = {}
        self._lasting: set[str] = set()
        self._warnings: list[FileNote] = []

    def take(self, result: Indexed) -> None:
        """Store one video, or note its failure."""
        file = self._plan.work[result.index].file
        if result.finished is None:
            self._fail(file, result.reason, result.lasting)
            return
        video = replace(result.finished.video, video_id=self._plan.ids.get(file.path, ""))
        self._added.append(file.path)
        self._warnings += [FileNote(file.path, warning) for warning in video.warnings]
        self._storer.put_video(replace(result.finished, video=video))

    def take_twins(self, twins: Sequence[tuple[FileState, str]], catalogue: Catalogue) -> None:
        """Files with the content of one that was just indexed share its fate."""
        owners = catalogue.ids_of_paths([path for _, path in twins])
        for file, first in twins:
            if first in self._failed:
                self._fail(file, self._failed[first].reason, first in self._lasting)
            elif first in owners:
                self._storer.put_copy(file, owners[first])
                self._plan.skipped.append(file.path)
                self._plan.notes.append(FileNote(file.path, f"same content as {owners[first]!r}, kept once"))

    def report(self) -> AddReport:
        return AddReport(
            added=tuple(self._added),
            skipped=tuple(sorted(self._plan.skipped)),
            failed=tuple(sorted([*self._plan.failed, *self._failed.values()])),
            warnings=tuple(self._warnings),
            notes=tuple(sorted(self._plan.notes)),
            failed_before=tuple(self._plan.failed_before),
        )

    def _fail(self, file: FileState, reason: str, lasting: bool) -> None:
        self._failed[file.path] = FileNote(file.path, reason)
        if lasting:
            self._lasting.add(file.path)
            self._storer.put_failure(file, reason)


def _reason(error: Exception | None) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}; check that the file is there and readable"
    if isinstance(error, VideoError | OSError):
        return " ".join(str(error).split())
    what = " ".join(f"unexpected {type(error).__name__}: {error}".split())
    return f"{what}; run the same command again, and report it where it comes back"
