"""Several processes under torchrun: one agreed view of errors and results, and rows of all processes.

Outside of the backward pass the processes meet in one kind of call only, `Processes.exchange`; so an error on one
process reaches all others at their next meeting, wherever they are.
"""

from __future__ import annotations

import atexit
import inspect
import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

Payload = TypeVar("Payload")
LONGEST_WAIT = timedelta(hours=12)
"""For a process that does something alone, above all the validation."""


class StoppedByPeer(SystemExit):
    """Another process of the run failed and says why; this one ends without a message of its own (exit code 1)."""


class Processes:
    """The processes of this run; one alone where torchrun did not start us.

    Attributes:
        rank: number of this process, 0 for the one that writes files.
        count: number of processes.
        interrupted: set when this process was asked to stop (a signal).
        stop_asked: whether one of the processes was, as of the last exchange; the same on all of them.
        in_backward: set while the processes average gradients and cannot meet: an error then ends this process at
            once, and torchrun the others.
    """

    def __init__(self, device: torch.device) -> None:
        self.rank, self.count = 0, 1
        self.interrupted = self.stop_asked = self.in_backward = False
        self._failed = False
        self._objects: dist.ProcessGroup | None = None
        if not dist.is_available():
            return
        if not dist.is_initialized() and int(os.environ.get("WORLD_SIZE", "1")) > 1:
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
            atexit.register(_leave)  # not before: a second group on the same addresses may fail to connect
        if dist.is_initialized():
            self.rank, self.count = dist.get_rank(), dist.get_world_size()
            self._objects = dist.new_group(backend="gloo", timeout=LONGEST_WAIT)

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
            self.stop_asked = self.interrupted
            return [payload]
        answers: list[Any] = [None] * self.count
        dist.all_gather_object(answers, (error is not None, self.interrupted, payload), group=self._objects)
        self.stop_asked = any(interrupted for _, interrupted, _ in answers)
        failed = [rank for rank, (has_error, _, _) in enumerate(answers) if has_error]
        if failed:
            self._failed = True
            if error is not None and failed[0] == self.rank:
                raise error
            raise StoppedByPeer(1)
        return [answer for _, _, answer in answers]

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


def averaged(module: nn.Module) -> DistributedDataParallel:
    """The module with gradients averaged over the processes.

    Parts of a model may be unused in some steps or always, hence the search for them. Buffers are left alone: to send
    them in the forward pass would be a meeting of the processes that an error on one of them makes the others miss.
    """
    known = inspect.signature(DistributedDataParallel).parameters
    no_buffers = {"forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers": False}
    return DistributedDataParallel(module, find_unused_parameters=True, **no_buffers)  # type: ignore[arg-type]


def local_device(device: torch.device) -> torch.device:
    """The device of this process: under torchrun on CUDA, the one with its local rank."""
    if str(device) == "cuda" and "LOCAL_RANK" in os.environ:
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    return device


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def _gather_padded(tensor: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    if tensor.dtype == torch.bool:  # gloo knows no bool
        return [part.bool() for part in _gather_padded(tensor.to(torch.uint8), sizes)]
    padded = tensor.new_zeros((max(sizes), *tensor.shape[1:]))
    padded[: len(tensor)] = tensor
    parts = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(parts, padded)
    return [part[:size] for part, size in zip(parts, sizes)]
