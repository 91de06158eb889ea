"""What the library takes from `writer_lock`."""

from __future__ import annotations

from coarse_to_fine.writer_lock import WriterLock

__all__ = ["WriterLock"]
