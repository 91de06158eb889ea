"""The library: stored videos, their segments and features, and everything that may be done with them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from coarse_to_fine.arguments import require_function, require_kind, require_whole, several, shown
from coarse_to_fine.encoders.base import ImageTextEncoder
from coarse_to_fine.encoders.precision import Precision
from coarse_to_fine.errors import LibraryError, UserError
from coarse_to_fine.features.sampling import Sampling
from coarse_to_fine.library import changes, maintenance, schema
from coarse_to_fine.library.absolute import absolute
from coarse_to_fine.library.blocks import BlockStore
from coarse_to_fine.library.catalogue import Catalogue, create_catalogue, is_library
from coarse_to_fine.library.exporting import export_videos
from coarse_to_fine.library.merging import copy_videos, stored_videos
from coarse_to_fine.library.opening import LOCK, first_meta, folder_of, require_free, require_same_features
from coarse_to_fine.library.own_encoder import STORED_PRECISION, Given, OwnEncoder, given_tower, require_same_precision
from coarse_to_fine.library.planning import settle
from coarse_to_fine.library.reading import BlockReader, features_of_segments, frame_blocks
from coarse_to_fine.library.records import (
    AddReport,
    CheckReport,
    CompactReport,
    FrameBlock,
    LibraryInfo,
    MergeReport,
    StoredSegment,
    StoredVideo,
)
from coarse_to_fine.library.scan import StrPath, paths_of, scan_videos
from coarse_to_fine.library.storing import FinishedVideo, Storer
from coarse_to_fine.modes import undisturbed
from coarse_to_fine.types import SegmentFeatures
from coarse_to_fine.writer_lock import WriterLock

if TYPE_CHECKING:
    from coarse_to_fine.library.indexing import Progress

DEFAULT_ENCODER = "tiny-world"


class Library:
    """An on-disk collection of indexed videos (docs/formats.md).

    Any number of processes may read while one writes; `add`, `remove` and `compact` hold the writer's lock while they
    run. What they store is stored for good when they return, and whole blocks of it after a kill.

    Example:
        library = Library.create("holidays.ctf", encoder="tiny-world")
        report = library.add("videos/")
        library.close()
    """

    def __init__(self, folder: Path, catalogue: Catalogue, encoder: Given | None, device: str) -> None:
        """Use `create`, `open` or `open_or_create`."""
        self.path = folder
        self._catalogue = catalogue
        self._blocks = BlockStore(folder)
        self._reader = BlockReader(catalogue, self._blocks)
        meta = catalogue.meta()
        self.embed_dim = int(meta["embed_dim"])
        self.sampling = Sampling.from_stored(meta["sampling"])
        self._encoder = OwnEncoder(meta, folder, encoder, device)

    @classmethod
    def create(
        cls,
        path: StrPath,
        encoder: Given = DEFAULT_ENCODER,
        *,
        sampling: Sampling | None = None,
        device: str = "auto",
        precision: Precision = STORED_PRECISION,
    ) -> Library:
        """Make an empty library.

        Args:
            path: folder that is absent or empty; its parents are made too.
            encoder: name or folder for `load_encoder`, or a loaded encoder. It stays the library's encoder for good.
            sampling: lengths of clips and segments; these stay too.
            device: where the encoder computes: `auto`, `cpu`, `cuda`, ...
            precision: of an encoder given by name; this stays too.

        Raises:
            LibraryError: there is a library or something else already, or the folder cannot be written.
            UserError: what is given is no path, no encoder or no sampling.
        """
        folder = folder_of(path)
        require_free(folder)
        require_kind(sampling, Sampling | None, "sampling", "a Sampling", "make one: Sampling(clip_seconds=2)")
        tower = given_tower(encoder, device, precision)
        create_catalogue(folder, first_meta(tower, (sampling or Sampling()).settled_for(tower)))
        return cls.open(folder, tower)

    @classmethod
    def open(
        cls,
        path: StrPath,
        encoder: Given | None = None,
        *,
        read_only: bool = False,
        device: str = "auto",
    ) -> Library:
        """Open a library.

        Args:
            path: its folder.
            encoder: None: the stored one, loaded when first used. A name or an encoder is checked at once.
            read_only: refuse to write; needs no permission to write.
            device: where the encoder computes.

        Raises:
            LibraryError: there is no library, or one of another format.
            FingerprintError: the features were made by another encoder.
            UserError: its path is no text, or the encoder is none.
        """
        folder = folder_of(path)
        if not is_library(folder):
            raise LibraryError(
                f"{folder} is no library; expected the folder of one; give its path, or make one with "
                f"`ctf index VIDEOS --library {shlex.quote(str(folder))}`"
            )
        catalogue = Catalogue(folder, writable=not read_only)
        try:
            schema.require_version(int(catalogue.meta()["format_version"]), folder)
            return cls(folder, catalogue, encoder, device)
        except BaseException:
            catalogue.close()
            raise

    @classmethod
    def open_or_create(
        cls,
        path: StrPath,
        encoder: Given | None = None,
        *,
        device: str = "auto",
        precision: Precision | None = None,
    ) -> Library:
        """`open` where there is a library, else `create`; `precision` None is the stored one, at first fp32.

        Raises:
            FingerprintError: the features were made by another encoder or in another precision.
        """
        if not is_library(folder_of(path)):
            wanted = encoder if encoder is not None else DEFAULT_ENCODER
            return cls.create(path, wanted, device=device, precision=precision or STORED_PRECISION)
        opened = cls.open(path, encoder, device=device)
        try:
            require_same_precision(precision, opened.precision, opened.path)
        except BaseException:
            opened.close()
            raise
        return opened

    def close(self) -> None:
        """Let the files go; the library cannot be used afterwards."""
        self._catalogue.close()
        self._blocks.keep_only(())

    def __enter__(self) -> Library:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Library({str(self.path)!r}, encoder={self.encoder_name!r})"

    def __reduce__(self) -> tuple[object, ...]:
        """Pickled and copied by its place: another process opens the folder itself."""
        own = self._encoder
        return _opened, (type(self), self.path, own.given, not self._catalogue.writable, own.device)

    @property
    def encoder(self) -> ImageTextEncoder:
        """The encoder that made the features, loaded on first use.

        Raises:
            FingerprintError: the encoder of that name is not the one that made them.
            WeightsError: it is not to be had on this machine.
        """
        return self._encoder.loaded()

    @property
    def encoder_name(self) -> str:
        """Name or folder of the encoder, as stored."""
        return self._encoder.name

    @property
    def encoder_fingerprint(self) -> str:
        """Hash of what the encoder computes."""
        return self._encoder.fingerprint

    @property
    def precision(self) -> Precision:
        """In which the encoder computes."""
        return self._encoder.precision

    @property
    def generation(self) -> int:
        """Number of writes so far, by any process; equal generations mean equal content."""
        return self._catalogue.generation()

    def __len__(self) -> int:
        """Number of videos."""
        return self._catalogue.count("videos")

    def videos(self) -> list[StoredVideo]:
        """All videos in the order of their ids."""
        return self._catalogue.videos()

    def video(self, video_id: str) -> StoredVideo:
        """One video.

        Raises:
            UserError: there is none of this id.
        """
        video = self._catalogue.video(video_id) if isinstance(video_id, str) else None
        if video is None:
            raise UserError(
                f"no video {shown(video_id)} in {self.path}; expected an id of `ctf library list`; check it"
            )
        return video

    def segments(self, video_id: str | None = None) -> list[StoredSegment]:
        """Segments of one video or of all, in the order of video id and time.

        Raises:
            UserError: there is no video of this id.
        """
        found = self._catalogue.segments(video_id) if isinstance(video_id, str | None) else []
        if video_id is not None and not found:
            self.video(video_id)  # refuses an id that is not there
        return found

    def segment_features(self, segment_ids: Sequence[str]) -> list[SegmentFeatures]:
        """Features of segments in the order asked for, float32 copies.

        Raises:
            UserError: an unknown id.
            LibraryError: a block is damaged.
        """
        wanted = several(segment_ids, "segment_ids", "ids of segments")
        clip_seconds = self.sampling.clip_seconds
        return self._reader.read(partial(features_of_segments, segment_ids=wanted, clip_seconds=clip_seconds))

    def frames_matrix(self) -> Iterator[FrameBlock]:
        """Coarse frames of all segments, block by block, float16 and memory-mapped; equal rows for equal content.

        The blocks are those of one generation even if a writer goes on meanwhile.

        Raises:
            LibraryError: a block is damaged.
        """
        yield from self._reader.read(frame_blocks)

    @undisturbed()
    def add(
        self,
        paths: StrPath | Sequence[StrPath] | Mapping[str, str] | Mapping[Path, str],
        *,
        workers: int = 2,
        progress: Progress | None = None,
        retry_failed: bool = False,
        only: str | None = None,
        include_hidden: bool = False,
        ray: str | None = None,
    ) -> AddReport:
        """Index files and folders; again, it does only what is new or changed.

        Args:
            paths: files and folders; folders are searched to the bottom. Or the wanted ids of new videos by file: a
                video that is stored keeps its id, and one that another video has gets the start of its content hash.
            workers: files decoded side by side.
            progress: called as progress(done, total, path) after each decoded file.
            retry_failed: try unchanged files again that failed before.
            only: shell pattern that the name or the absolute path of a file must match.
            include_hidden: also hidden files and unfinished downloads.
            ray: address of a Ray cluster whose workers decode and encode; `local` starts `workers` of them here.

        Raises:
            UserError: there is no such cluster, fewer than one worker, or something of another kind than expected.
            LibraryError: another process writes, the disk is full, or the folder is read-only.
            FingerprintError: the encoder is not the library's.
        """
        require_whole(workers=workers)
        require_kind(only, str | None, "only", "a shell pattern", 'give one as text, such as "*.mp4"')
        require_function(progress, "progress", "(done, total, path)")
        if workers < 1:
            raise UserError(f"workers is {workers}; expected 1 or more; say how many files to decode side by side")
        # these load a video library, which a search does not need
        from coarse_to_fine.library.indexing import index_files, index_here
        from coarse_to_fine.library.on_ray import index_on_ray

        indexer = partial(index_on_ray, address=ray, workers=workers) if ray else partial(index_here, workers=workers)
        found = scan_videos(paths_of(paths), only, include_hidden)
        with self._writing():
            self._note_new_place()
            plan, emptied = settle(self._catalogue, found.files, retry_failed, workers)
            self._blocks.delete(emptied)
            plan.failed += found.problems
            wanted = paths.items() if isinstance(paths, Mapping) else ()
            plan.ids = {str(absolute(path)): video_id for path, video_id in wanted}
            storer = Storer(self.path, self._catalogue, self._blocks)
            report = index_files(plan, lambda: self.encoder, self.sampling, self._catalogue, storer, indexer, progress)
            maintenance.merge_small_blocks(self.path, self._catalogue, self._blocks)
            return report

    def remove(self, paths_or_ids: str | os.PathLike[str] | Sequence[StrPath]) -> list[str]:
        """Take videos out, named by id, file, or folder; the files themselves stay. Returns the removed ids.

        Raises:
            UserError: one of the names is unknown; nothing is removed then.
        """
        names = [os.fspath(name) for name in paths_of(paths_or_ids)]
        with self._writing():
            video_ids = maintenance.named_videos(self.videos(), names, self.path)
            with self._catalogue.transaction() as connection:
                emptied = changes.delete_videos(connection, video_ids)
            self._blocks.delete(emptied)
        return video_ids

    def compact(self) -> CompactReport:
        """Write the live rows of all blocks into few large ones and free the space of removed videos."""
        with self._writing():
            return maintenance.compact(self.path, self._catalogue, self._blocks)

    def merge(self, other: StrPath) -> MergeReport:
        """Take over the videos of another library; contents and files that are here already stay as they are.

        Raises:
            FingerprintError: the other one was made by another encoder or with another sampling.
            LibraryError: it is no library, or this one cannot be written.
        """
        with Library.open(other, read_only=True) as source:
            require_same_features(self._catalogue.meta(), source._catalogue.meta(), source.path)
            with self._writing():
                return copy_videos(source._stored_videos(), self.path, self._catalogue, self._blocks)

    def export(self, path: StrPath) -> MergeReport:
        """Copy the whole content of one generation, compacted, into a new library; it is there when it is whole.

        Raises:
            LibraryError: there is something already, or the folder cannot be written.
        """
        folder = folder_of(path)
        require_free(folder)
        return export_videos(self._stored_videos(), self._catalogue.meta() | {"generation": "0"}, folder)

    def check(self) -> CheckReport:
        """Read and hash everything again."""
        while True:
            before = self.generation
            report = maintenance.check(self._catalogue, self._blocks.folder, self.embed_dim)
            if not report.problems or self.generation == before:
                return report

    def info(self) -> LibraryInfo:
        """The library in numbers."""
        return maintenance.info(self._catalogue, self.path)

    def _stored_videos(self) -> list[FinishedVideo]:
        return self._reader.read(stored_videos)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the writer's lock; what a killed writer left is deleted first."""
        if not self._catalogue.writable:
            raise LibraryError(
                f"{self.path} is opened for reading only, or its folder cannot be written; expected a library that "
                "this user may change; open it without read_only, or fix the permissions"
            )
        with WriterLock(self.path / LOCK):
            self._blocks.delete_orphans(row.file for row in self._catalogue.blocks())
            yield

    def _note_new_place(self) -> None:
        place = self._encoder.new_place()
        if place is not None:
            with self._catalogue.transaction() as connection:
                connection.execute("UPDATE meta SET value = ? WHERE key = 'encoder'", (place,))
            self._encoder.name = place


def _opened(kind: type[Library], path: Path, encoder: Given | None, read_only: bool, device: str) -> Library:
    return kind.open(path, encoder, read_only=read_only, device=device)
