"""Several processes under torchrun: one agreed view of errors and results, and rows of all processes.

Outside of the backward pass the processes meet in one kind of call only, `Processes.exchange`; so an error on one
process reaches all others at their next meeting, wherever they are.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

Payload = TypeVar("Payload")


class StoppedByPeer(SystemExit):
    """Another process of the run failed and says why; this one ends without a message of its own (exit code 1)."""


class Processes:
    """The processes of this run; one alone where torchrun did not start us.

    Attributes:
        rank: number of this process, 0 for the one that writes files.
        count: number of processes.
        in_backward: set while the processes average gradients and cannot meet: an error then ends this process at
            once, and torchrun the others.
    """

    def __init__(self, device: torch.device) -> None:
        self.rank, self.count = 0, 1
        self.in_backward = False
        self._failed = False
        self._started = False
        self._objects: dist.ProcessGroup | None = None
        if not dist.is_available():
            return
        if not dist.is_initialized() and int(os.environ.get("WORLD_SIZE", "1")) > 1:
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
            self._started = True
        if dist.is_initialized():
            self.rank, self.count = dist.get_rank(), dist.get_world_size()
            self._objects = dist.new_group(backend="gloo")

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def exchange(self, payload: Payload, error: Exception | None = None) -> list[Payload]:
        """The payloads of all processes in the order of their ranks.

        Raises:
            Exception: `error`, on the first process that has one.
            StoppedByPeer: on all other processes then.
        """
        if error is not None and (self.count == 1 or self._failed or self.in_backward):
            raise error
        if self.count == 1:
            return [payload]
        answers: list[Any] = [None] * self.count
        dist.all_gather_object(answers, (error is not None, payload), group=self._objects)
        failed = [rank for rank, (has_error, _) in enumerate(answers) if has_error]
        if failed:
            self._failed = True
            if error is not None and failed[0] == self.rank:
                raise error
            raise StoppedByPeer(1)
        return [answer for _, answer in answers]

    def report(self, error: Exception) -> None:
        """Let the others know of an error that happened between two meetings; raises it."""
        self.exchange(None, error)

    def gather_rows(self, rows: dict[str, Tensor]) -> list[dict[str, Tensor]]:
        """The rows of all processes in the order of their ranks, without gradients; their number may differ."""
        if self.count == 1:
            return [rows]
        sizes = self.exchange({name: len(tensor) for name, tensor in rows.items()})
        gathered: list[dict[str, Tensor]] = [{} for _ in range(self.count)]
        for name in sorted(rows):
            for rank, tensor in enumerate(_gather_padded(rows[name].detach(), [size[name] for size in sizes])):
                gathered[rank][name] = tensor
        return gathered

    def close(self) -> None:
        """Leave the process group if this object joined it."""
        if self._started and dist.is_initialized():
            dist.destroy_process_group()


def local_device(device: torch.device) -> torch.device:
    """The device of this process: under torchrun on CUDA, the one with its local rank."""
    if str(device) == "cuda" and "LOCAL_RANK" in os.environ:
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    return device


def _gather_padded(tensor: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    if tensor.dtype == torch.bool:  # gloo knows no bool
        return [part.bool() for part in _gather_padded(tensor.to(torch.uint8), sizes)]
    padded = tensor.new_zeros((max(sizes), *tensor.shape[1:]))
    padded[: len(tensor)] = tensor
    parts = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(parts, padded)
    return [part[:size] for part, size in zip(parts, sizes)]
