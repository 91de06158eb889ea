"""Our feature format: named tensors per item in safetensors shards, with an index and a manifest (docs/formats.md)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from coarse_to_fine.arguments import require_path
from coarse_to_fine.atomic_files import write_text_atomically
from coarse_to_fine.errors import DataError, FingerprintError
from coarse_to_fine.file_hashes import sha256_of, sha256_of_values
from coarse_to_fine.tensor_files import require_utf8
from coarse_to_fine.wording import why

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
INDEX = "index.jsonl"
FAILED = "failed.jsonl"


@dataclass(frozen=True, slots=True)
class FeatureItem:
    """One line of the index.

    Attributes:
        item_id: unique in the folder.
        shard: file that holds its tensors.
        shapes: shape of each tensor by name.
        about: JSON values that the maker recorded (video_id, start_s, source, ...).
    """

    item_id: str
    shard: str
    shapes: Mapping[str, tuple[int, ...]]
    about: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What made the features of a folder, and which shards hold them.

    Attributes:
        kind: what an item is, such as `video_segments` or `text`.
        encoder, sampling: JSON values; the fingerprint is the hash of both with `kind`.
        shards: (file, sha256, bytes) of each.
        complete: whether the maker came to its end.
    """

    kind: str
    encoder: Mapping[str, Any]
    sampling: Mapping[str, Any]
    shards: tuple[tuple[str, str, int], ...] = ()
    complete: bool = False

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) of the canonical JSON of kind, encoder and sampling."""
        made_by = {"kind": self.kind, "encoder": dict(self.encoder), "sampling": dict(self.sampling)}
        return sha256_of_values(made_by)


class FeatureReader:
    """Random access to a finished or unfinished feature folder; shards are memory-mapped on first use."""

    def __init__(self, folder: str | Path) -> None:
        """Open a folder.

        Raises:
            DataError: no manifest, or one of another format version.
            UserError: its path is no text.
        """
        require_path(folder, "the folder of features")
        self.folder = Path(folder)
        require_utf8(self.folder)
        self.manifest = read_manifest(self.folder)
        present = {file for file, _, _ in self.manifest.shards}
        self._items = current_items([item for item in read_index(self.folder) if item.shard in present])
        self._shards: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def item(self, item_id: str) -> FeatureItem:
        """The index line of an item.

        Raises:
            DataError: the folder does not hold it.
        """
        if item_id not in self._items:
            raise DataError(
                f"{self.folder} holds no features of {item_id!r}; expected one of its items ({len(self)}); "
                "extract the features of this item, or check the ids of the annotations"
            )
        return self._items[item_id]

    def read(self, item_id: str, *names: str) -> dict[str, Tensor]:
        """The named tensors of an item (all without names) as float32 copies.

        Raises:
            DataError: an unknown item or name, or a damaged shard.
        """
        item = self.item(item_id)
        missing = [name for name in names if name not in item.shapes]
        if missing:
            raise DataError(
                f"{item_id!r} in {self.folder} has no tensor {missing[0]!r}; expected one of {sorted(item.shapes)}; "
                "extract again with a maker that writes it"
            )
        shard = self._shard(item.shard)
        return {name: shard.get_tensor(tensor_key(item_id, name)).float() for name in names or item.shapes}

    def verify(self) -> list[str]:
        """Hash every shard again; one line for each thing that is wrong."""
        problems = []
        for file, sha256, _ in self.manifest.shards:
            path = self.folder / file
            if not path.is_file():
                problems.append(f"{file}: missing")
            elif (found := sha256_of(path)) != sha256:
                problems.append(f"{file}: expected sha256 {sha256}, got {found}")
        return problems

    def _shard(self, file: str) -> Any:
        if file not in self._shards:
            try:
                self._shards[file] = safe_open(self.folder / file, framework="pt")
            except (OSError, SafetensorError) as error:
                raise DataError(
                    f"shard {file} of {self.folder} cannot be read ({why(error)}); expected the file that the manifest "
                    "lists; run the extraction again, it redoes what is missing"
                ) from error
        return self._shards[file]


def require_same_maker(found: Manifest, wanted: Manifest, folder: Path) -> None:
    """Raise unless two folders were made in the same way.

    Raises:
        FingerprintError: names the fields that differ.
    """
    if found.fingerprint == wanted.fingerprint:
        return
    fields = []
    for part in ("encoder", "sampling"):
        old, new = getattr(found, part), getattr(wanted, part)
        fields += [
            f"{part}.{key} {old.get(key)!r} != {new.get(key)!r}"
            for key in sorted({*old, *new})
            if old.get(key) != new.get(key)
        ]
    if found.kind != wanted.kind:
        fields.append(f"kind {found.kind!r} != {wanted.kind!r}")
    raise FingerprintError(
        f"{folder} holds features made differently ({'; '.join(fields)}); expected the same maker; "
        "choose another folder, or extract again into an empty one"
    )


def require_one_encoder(readers: Iterable[FeatureReader]) -> None:
    """Raise unless one encoder made all of these; imported features do not prove what made them.

    Raises:
        FingerprintError: names two folders that differ.
    """
    made = [(reader, reader.manifest.encoder) for reader in readers if not reader.manifest.encoder.get("declared")]
    for (one, encoder), (other, another) in pairwise(made):
        if encoder.get("fingerprint") != another.get("fingerprint"):
            raise FingerprintError(
                f"{one.folder} was made by the encoder {_named(encoder)}, {other.folder} by {_named(another)}; "
                "expected one encoder; extract both anew with the same"
            )


def _named(encoder: Mapping[str, Any]) -> str:
    return f"{encoder.get('name', '?')} (fingerprint {str(encoder.get('fingerprint'))[:12]})"


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder.

    Raises:
        DataError: absent, not JSON, or of another format version.
    """
    try:
        values = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder} has no readable {MANIFEST} ({why(error)}); expected a feature folder; run `ctf extract` into it"
        ) from error
    if values.get("format_version") != FORMAT_VERSION:
        raise DataError(
            f"{folder} has feature format {values.get('format_version')!r}; expected {FORMAT_VERSION}; "
            "extract again, or use the release of the package that wrote it"
        )
    shards = tuple((entry["file"], entry["sha256"], entry["bytes"]) for entry in values["shards"])
    return Manifest(values["kind"], values["encoder"], values["sampling"], shards, values["complete"])


def write_manifest(folder: Path, manifest: Manifest, created_by: str, items: Mapping[str, int]) -> None:
    """Replace the manifest of a folder; `items` counts the items of each shard."""
    values = {
        "format_version": FORMAT_VERSION,
        "kind": manifest.kind,
        "encoder": dict(manifest.encoder),
        "sampling": dict(manifest.sampling),
        "fingerprint": manifest.fingerprint,
        "shards": [
            {"file": file, "sha256": sha256, "bytes": size, "items": items.get(file, 0)}
            for file, sha256, size in manifest.shards
        ],
        "complete": manifest.complete,
        "created_by": created_by,
    }
    write_text_atomically(folder / MANIFEST, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def read_index(folder: Path) -> list[FeatureItem]:
    """The lines of the index; a last line torn by a kill is left out."""
    path = folder / INDEX
    if not path.is_file():
        return []
    items = []
    for line in path.read_text(encoding="utf-8").split("\n"):
        try:
            values = json.loads(line)
        except ValueError:
            break
        shapes = {name: tuple(shape) for name, shape in values.pop("tensors").items()}
        items.append(FeatureItem(values.pop("id"), values.pop("shard"), shapes, values))
    return items


def current_items(lines: Sequence[FeatureItem]) -> dict[str, FeatureItem]:
    """What the lines of an index hold in the end: by id the last one, and of a video what its last source gave."""
    items = {item.item_id: item for item in lines}
    last = {item.about["video_id"]: item.about.get("source") for item in lines if "video_id" in item.about}
    return {
        item_id: item
        for item_id, item in items.items()
        if "video_id" not in item.about or item.about.get("source") == last[item.about["video_id"]]
    }


def index_line(item: FeatureItem) -> str:
    """An item as one line of the index, with its line end."""
    shapes = {name: list(shape) for name, shape in item.shapes.items()}
    values = {"id": item.item_id, "shard": item.shard, "tensors": shapes, **item.about}
    return json.dumps(values) + "\n"


def tensor_key(item_id: str, name: str) -> str:
    """Name of a tensor in its shard: the percent-encoded id, a slash, the name."""
    return f"{quote(item_id, safe='')}/{name}"


def stored_names(path: Path) -> set[str] | None:
    """Names of the tensors of a shard, or None where the file is damaged."""
    try:
        with safe_open(path, framework="pt") as shard:
            return set(shard.keys())
    except (OSError, SafetensorError):
        return None


def to_stored(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """A contiguous CPU copy in the stored dtype.

    Raises:
        DataError: a value that is not finite, or becomes so in the stored dtype.
    """
    stored = tensor.detach().to(device="cpu", dtype=dtype).contiguous()
    if not bool(torch.isfinite(stored).all()):
        raise DataError(
            f"features of shape {tuple(tensor.shape)} hold values that are not finite as {dtype}; expected finite "
            "ones; check the encoder's weights, or store float32"
        )
    return stored
