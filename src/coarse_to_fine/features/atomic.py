"""What the library takes from `atomic_files` and `file_hashes`."""

from __future__ import annotations

from coarse_to_fine.atomic_files import write_tensors_atomically
from coarse_to_fine.file_hashes import sha256_of

__all__ = ["sha256_of", "write_tensors_atomically"]
