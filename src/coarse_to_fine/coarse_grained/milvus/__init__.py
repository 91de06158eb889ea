"""Candidates from a Milvus server, for galleries past one machine's memory (extra `milvus`)."""

from __future__ import annotations

from coarse_to_fine.coarse_grained.milvus.config import MilvusConfig
from coarse_to_fine.coarse_grained.milvus.engine import MilvusFrames

__all__ = ["MilvusConfig", "MilvusFrames"]
