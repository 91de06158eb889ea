"""Writes a feature folder; a killed run loses at most one shard and goes on where it stopped."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from coarse_to_fine import __version__
from coarse_to_fine.atomic_files import TEMPORARY_SUFFIX, write_tensors_atomically, write_text_atomically
from coarse_to_fine.features import store
from coarse_to_fine.features.store import FeatureItem, Manifest
from coarse_to_fine.file_hashes import sha256_of
from coarse_to_fine.writer_lock import WriterLock

SHARD_BYTES = 256 << 20
LOCK = "writer.lock"


class NewItem(NamedTuple):
    """An item to be stored; `about` holds JSON values."""

    item_id: str
    tensors: Mapping[str, Tensor]
    about: Mapping[str, Any]


class FeatureWriter:
    """Adds items to a feature folder; `with` closes it and, without an exception, marks it complete."""

    def __init__(
        self,
        folder: str | Path,
        manifest: Manifest,
        *,
        dtype: torch.dtype = torch.float16,
        shard_bytes: int = SHARD_BYTES,
    ) -> None:
        """Start a folder or go on with one.

        Args:
            folder: created where absent.
            manifest: kind, encoder and sampling; its shards and `complete` are not read.
            dtype: of the stored tensors.
            shard_bytes: a shard is written when this much is waiting.

        Raises:
            FingerprintError: the folder holds features that were made differently.
            LibraryError: another process writes to the folder.
        """
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = WriterLock(self.folder / LOCK)
        self._lock.acquire()
        self._dtype = dtype
        self._shard_bytes = shard_bytes
        self._waiting: dict[str, Tensor] = {}
        self._waiting_items: list[FeatureItem] = []
        self._waiting_bytes = 0
        self._manifest = replace(manifest, shards=(), complete=False)
        self._items: dict[str, FeatureItem] = {}
        self._failed: dict[str, str] = {}
        try:
            self._start(manifest)
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> FeatureWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(complete=kind is None)

    def has(self, item_id: str, source: str | None = None) -> bool:
        """Whether an item is stored, made from this source (None: from any)."""
        item = self._items.get(item_id)
        return item is not None and (source is None or item.about.get("source") == source)

    def add(self, item_id: str, tensors: Mapping[str, Tensor], **about: Any) -> None:
        """Store an item; one of the same id is replaced. `about` must be JSON values.

        Raises:
            DataError: a value that is not finite.
        """
        self.add_together([NewItem(item_id, tensors, about)])

    def add_together(self, items: Sequence[NewItem]) -> None:
        """Store items that are of use only together, such as the segments of a video: a kill leaves all or none.

        Raises:
            DataError: a value that is not finite; then none is stored.
        """
        stored = [self._as_stored(item) for item in items]
        if {waiting.item_id for waiting in self._waiting_items} & {item.item_id for item in items}:
            self.flush()
        replaced = any(item.item_id in self._items for item in items)
        for item, tensors in zip(items, stored, strict=True):
            self._wait(item, tensors)
        if replaced:
            self._items = store.current_items(list(self._items.values()))
        if self._waiting_bytes >= self._shard_bytes:
            self.flush()

    def _wait(self, item: NewItem, stored: Mapping[str, Tensor]) -> None:
        shapes = {name: tuple(value.shape) for name, value in item.tensors.items()}
        line = FeatureItem(item.item_id, self._next_shard(), shapes, item.about)
        self._waiting.update(stored)
        self._waiting_items.append(line)
        self._waiting_bytes += sum(value.nbytes for value in stored.values())
        self._items.pop(item.item_id, None)  # a line that replaces another comes last, as in the index
        self._items[item.item_id] = line
        self._failed.pop(item.item_id, None)

    def _as_stored(self, item: NewItem) -> dict[str, Tensor]:
        return {
            store.tensor_key(item.item_id, name): store.to_stored(value, self._dtype)
            for name, value in item.tensors.items()
        }

    def fail(self, item_id: str, reason: str) -> None:
        """Record that an item cannot be had."""
        self._failed[item_id] = reason

    def flush(self) -> None:
        """Write what is waiting as one shard, then its index lines, then the manifest."""
        if not self._waiting_items:
            return
        file = self._waiting_items[0].shard
        path = self.folder / file
        sha256, size = write_tensors_atomically(path, self._waiting, {"fingerprint": self._manifest.fingerprint})
        _append(self.folder / store.INDEX, "".join(store.index_line(item) for item in self._waiting_items))
        self._add_shard(file, sha256, size)
        self._waiting, self._waiting_items, self._waiting_bytes = {}, [], 0
        self._write_manifest(complete=False)

    def close(self, complete: bool = True) -> None:
        """Write what is waiting and the list of failures, and let the folder go."""
        try:
            self._finish(complete)
        finally:
            self._lock.release()

    def _finish(self, complete: bool) -> None:
        self.flush()
        lines = [json.dumps({"id": item_id, "reason": reason}) + "\n" for item_id, reason in self._failed.items()]
        write_text_atomically(self.folder / store.FAILED, "".join(lines))
        self._write_manifest(complete=complete)

    def _start(self, manifest: Manifest) -> None:
        if (self.folder / store.MANIFEST).exists():
            store.require_same_maker(store.read_manifest(self.folder), manifest, self.folder)
            self._recover()
        self._write_manifest(complete=False)

    def _recover(self) -> None:
        """Keep the shards whose tensors are exactly those of their index lines; drop all else that a kill left."""
        for leftover in self.folder.glob(f"*{TEMPORARY_SUFFIX}"):
            leftover.unlink()
        wanted: dict[str, set[str]] = {}
        lines = store.read_index(self.folder)
        for item in lines:
            wanted.setdefault(item.shard, set()).update(store.tensor_key(item.item_id, name) for name in item.shapes)
        for path in sorted(self.folder.glob("shard-*.safetensors")):
            if store.stored_names(path) == wanted.get(path.name):
                self._add_shard(path.name, sha256_of(path), path.stat().st_size)
            else:
                path.unlink()
        kept = {file for file, _, _ in self._manifest.shards}
        lines = [item for item in lines if item.shard in kept]
        self._items = store.current_items(lines)
        write_text_atomically(self.folder / store.INDEX, "".join(map(store.index_line, lines)))

    def _add_shard(self, file: str, sha256: str, size: int) -> None:
        self._manifest = replace(self._manifest, shards=(*self._manifest.shards, (file, sha256, size)))

    def _next_shard(self) -> str:
        numbers = [int(file.split("-")[1].split(".")[0]) for file, _, _ in self._manifest.shards]
        return f"shard-{max(numbers, default=-1) + 1:05d}.safetensors"

    def _write_manifest(self, complete: bool) -> None:
        self._manifest = replace(self._manifest, complete=complete)
        counts = Counter(item.shard for item in self._items.values())
        store.write_manifest(self.folder, self._manifest, f"coarse-to-fine {__version__}", counts)


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
