"""Memory that is written to again and again, in inference mode: new pages cost more than the arithmetic on them."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor


class Buffers:
    """Float32 memory by name, used again and again; of one thread."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._held: dict[str, Tensor] = {}
        self._given: dict[str, Tensor] = {}

    def get(self, name: str, *shape: int) -> Tensor:
        """Memory of this shape, its content undefined; what the name held before is overwritten."""
        given = self._given.get(name)
        if given is not None and given.shape == shape:
            return given
        numbers = math.prod(shape)
        held = self._held.get(name)
        if held is None or held.numel() < numbers:
            held = self._held[name] = torch.empty(numbers, device=self.device)
        given = self._given[name] = held[:numbers].view(shape)
        return given

    def widened(self, name: str, values: Tensor) -> Tensor:
        """The values in float32 on this device: themselves where they are, else a copy in the buffer."""
        if values.dtype == torch.float32 and values.device == self.device:
            return values
        return self.get(name, *values.shape).copy_(values)

    def widened_parts(self, name: str, values: Float[Tensor, "N D"], rows: int) -> Iterator[Tensor]:
        """The same for a few rows at a time, each in the place of the one before."""
        wide = values.dtype == torch.float32 and values.device == self.device
        held = values if wide else self.get(name, min(rows, len(values)), values.shape[1])
        for some in torch.split(values, rows):
            yield some if wide else (held if len(some) == len(held) else held[: len(some)]).copy_(some)


_held = threading.local()


def buffers_of_thread(device: torch.device) -> Buffers:
    """Those of this thread: a few megabytes that stay from search to search."""
    held: Buffers | None = getattr(_held, "buffers", None)
    if held is None or held.device != device:
        held = _held.buffers = Buffers(device)
    return held
