"""Where the Milvus server is and how it searches."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from coarse_to_fine.frozen_config import FrozenConfig


class MilvusConfig(FrozenConfig):
    """A collection of a Milvus server; a collection belongs to one library."""

    address: str = Field(description="http://HOST:19530 of a server or a cluster, or a local file `*.db`")
    collection: str = Field(
        default="coarse_to_fine", pattern=r"^[A-Za-z_]\w*$", description="name of the collection, one a library"
    )
    token: str = Field(default="", description="user:password, where the server asks for it")
    index: Literal["AUTOINDEX", "FLAT", "HNSW", "IVF_FLAT"] = Field(
        default="HNSW", description="FLAT compares every frame; the others find nearly all of the nearest"
    )
    build: dict[str, int] | None = Field(
        default=None,
        description="parameters of the index, as Milvus names them; none: M 16, efConstruction 200 of HNSW",
    )
    search: dict[str, int] | None = Field(
        default=None, description="parameters of a search; none: `ef` grows with the number asked for"
    )
    rows_a_call: int = Field(default=2048, ge=1, description="frames sent in one message")
    timeout_s: float = Field(default=600.0, gt=0, description="seconds that one call may take")
