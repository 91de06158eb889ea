"""A candidate engine that keeps the frames of a gallery on a Milvus server.

One row a frame: its unit vector, so that the inner product is the cosine, and the segment that it is of. The server
groups by segment, so a segment counts by its best frame alone; the pass of this process adds the mean of all frames,
which a server that groups cannot. Rows are named by the content of their block: what the server holds already, from
this process or an earlier one, is not sent again.

Axes: T texts, V segments, C candidates, F frames, D width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from coarse_to_fine.coarse_grained.base import blocks, unit
from coarse_to_fine.coarse_grained.milvus.config import MilvusConfig
from coarse_to_fine.errors import LibraryError, UserError
from coarse_to_fine.wording import counted

MOST_RESULTS = 16_384
"""Of one search, by Milvus's own limit."""
ROW_BITS = 23
"""An id is the block's name followed by so many bits that count the frames of a block."""
NAME_BITS = 40
BUILD = {"HNSW": {"M": 16, "efConstruction": 200}, "IVF_FLAT": {"nlist": 1024}}
"""Parameters of an index where none are given."""
SAMPLED_ROWS = 64
"""Segments of a block whose numbers decide its name, beside its shape."""


class MilvusFrames:
    """A candidate engine on a Milvus server (see `CandidateEngine`).

    Args:
        config: where and how.

    Raises:
        UserError: the extra is not installed.
        LibraryError: the server cannot be reached.

    Example:
        engine = MilvusFrames(MilvusConfig(address="http://localhost:19530", collection="holidays"))
        retriever = CoarseRetriever(model, library, engine=engine)
    """

    def __init__(self, config: MilvusConfig) -> None:
        self.config = config
        self._client = _connect(config)
        self._names: list[int] = []
        self._starts: list[int] = []
        self._segments = 0
        self._frames = 0
        self._settled = False

    def __len__(self) -> int:
        return self._segments

    def close(self) -> None:
        """End the connection; the collection stays."""
        self._client.close()

    def clear(self) -> None:
        """Forget all columns; their rows leave the server when another gallery is searched."""
        self._names, self._starts = [], []
        self._segments, self._settled = 0, False

    def extend(self, frames: Float[Tensor, "V F D"]) -> None:
        """Append columns; sends only what the server does not hold.

        Raises:
            UserError: a block of more frames than an id can count, or of another shape than those before.
        """
        if len(frames) * frames.shape[1] >= 2**ROW_BITS:
            raise UserError(
                f"a block has {counted(len(frames), 'segment')} of {counted(frames.shape[1], 'frame')}; expected fewer "
                f"than {2**ROW_BITS} frames; compact the library into smaller blocks"
            )
        if self._segments and frames.shape[1] != self._frames:
            raise UserError(
                f"segments have {counted(frames.shape[1], 'frame')}, expected {self._frames}; index them alike"
            )
        self._frames = frames.shape[1]
        name = _content_number(frames)
        with _asking(self.config):
            self._require_collection(frames.shape[2])
            if self._held(name) != len(frames) * self._frames:
                self._send(frames, name)
        self._names.append(name)
        self._starts.append(self._segments)
        self._segments += len(frames)
        self._settled = False

    def search(self, text: Float[Tensor, "T D"], count: int) -> Int[Tensor, "T C"]:
        """The columns with the nearest frames; at most 16 384 of them, which is what Milvus gives."""
        wanted = min(count, self._segments, MOST_RESULTS)
        if not wanted or not len(text):
            return torch.zeros(len(text), 0, dtype=torch.int64)
        params = self.config.search if self.config.search is not None else _wide(self.config.index, wanted)
        with _asking(self.config):
            self._settle()
            found = self._client.search(
                self.config.collection,
                data=unit(text.float()).cpu().numpy(),
                anns_field="frame",
                limit=wanted,
                group_by_field="segment",
                output_fields=["segment"],
                search_params={"metric_type": "IP", "params": params},
                timeout=self.config.timeout_s,
            )
        columns = [self._columns([hit["entity"]["segment"] for hit in hits]) for hits in found]
        longest = max(map(len, columns))
        return torch.tensor([_filled(row, longest) for row in columns], dtype=torch.int64)

    def _columns(self, segments: Sequence[int]) -> list[int]:
        starts = dict(zip(self._names, self._starts, strict=True))
        return [starts[segment >> ROW_BITS] + segment % 2**ROW_BITS for segment in segments]

    def _require_collection(self, width: int) -> None:
        from pymilvus import DataType

        name = self.config.collection
        if self._client.has_collection(name):
            return
        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("segment", DataType.INT64)
        schema.add_field("block", DataType.INT64)
        schema.add_field("frame", DataType.FLOAT_VECTOR, dim=width)
        index = self._client.prepare_index_params()
        built = self.config.build if self.config.build is not None else BUILD.get(self.config.index, {})
        index.add_index(field_name="frame", index_type=self.config.index, metric_type="IP", params=built)
        self._client.create_collection(name, schema=schema, index_params=index, consistency_level="Strong")

    def _send(self, frames: Float[Tensor, "V F D"], name: int) -> None:
        self._client.delete(self.config.collection, filter=f"block == {name}", timeout=self.config.timeout_s)
        for rows in _rows(frames, name, self.config.rows_a_call):
            self._client.insert(self.config.collection, rows, timeout=self.config.timeout_s)

    def _held(self, block: int) -> int:
        """How many frames of a block the server holds; a writer that was killed leaves a part."""
        rows = self._client.query(
            self.config.collection,
            filter=f"block == {block}",
            output_fields=["count(*)"],
            consistency_level="Strong",
            timeout=self.config.timeout_s,
        )
        return int(rows[0]["count(*)"])

    def _settle(self) -> None:
        """Rows of other blocks than these leave the server; done once before the first search."""
        if not self._settled:
            own = ", ".join(map(str, self._names))
            self._client.delete(self.config.collection, filter=f"block not in [{own}]", timeout=self.config.timeout_s)
            self._client.flush(self.config.collection, timeout=self.config.timeout_s)
            self._client.load_collection(self.config.collection, timeout=self.config.timeout_s)
            self._settled = True


def _connect(config: MilvusConfig) -> Any:
    try:
        from pymilvus import MilvusClient
    except ImportError as error:
        raise UserError(
            f"pymilvus cannot be imported ({error}); expected the extra; pip install 'coarse-to-fine[milvus]'"
        ) from None
    with _asking(config):
        return MilvusClient(uri=config.address, token=config.token, timeout=config.timeout_s)


@contextmanager
def _asking(config: MilvusConfig) -> Iterator[None]:
    """What the server answers badly becomes one line."""
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except MilvusException as error:
        reason = " ".join(str(error).split())
        raise LibraryError(
            f"the Milvus server at {config.address}, collection {config.collection}: {reason}; expected one that "
            "answers and a collection of this library; start it, correct the address, or name another collection"
        ) from None


def _content_number(frames: Float[Tensor, "V F D"]) -> int:
    """A number for the content of a block: of its shape and evenly spread segments."""
    rows = torch.linspace(0, len(frames) - 1, min(len(frames), SAMPLED_ROWS)).round().long()
    told = repr(tuple(frames.shape)).encode() + frames[rows].float().cpu().numpy().tobytes()
    return int.from_bytes(hashlib.sha256(told).digest()[: NAME_BITS // 8], "big")


def _rows(frames: Float[Tensor, "V F D"], name: int, rows_a_call: int) -> Iterator[list[dict[str, Any]]]:
    """Rows of a block in parts."""
    count = frames.shape[1]
    for part in blocks(len(frames), rows_a_call // count):
        vectors = unit(frames[part].float()).flatten(0, 1).cpu().numpy()
        yield [
            {
                "id": (name << ROW_BITS) + part.start * count + number,
                "segment": (name << ROW_BITS) + part.start + number // count,
                "block": name,
                "frame": vector,
            }
            for number, vector in enumerate(vectors)
        ]


def _wide(index: str, wanted: int) -> dict[str, int]:
    """What makes a graph look far enough for so many results."""
    return {"ef": max(64, 2 * wanted)} if index == "HNSW" else {"nprobe": 64} if index == "IVF_FLAT" else {}


def _filled(row: list[int], length: int) -> list[int]:
    """A row with fewer results than others names its first one again."""
    return row + row[:1] * (length - len(row))
