"""The same results whatever modes of PyTorch the caller has switched on around a call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

AUTOCAST = ("cpu", "cuda")


@contextmanager
def undisturbed() -> Iterator[None]:
    """On the outside may stand inference mode, gradients, autocast, another default device or default type.

    Inside there are no gradients, new tensors are ordinary float32 ones on the CPU, and sums have full precision. What
    is computed here may be trained on afterwards, as tensors of inference mode may not. A decorator too.
    """
    with ExitStack() as inside:
        inside.enter_context(torch.inference_mode(False))
        inside.enter_context(torch.no_grad())
        for device in AUTOCAST:
            if torch.is_autocast_enabled(device):
                inside.enter_context(torch.autocast(device, enabled=False))
        if torch.get_default_device().type != "cpu":
            inside.enter_context(torch.device("cpu"))
        before = torch.get_default_dtype()
        if before != torch.float32:
            torch.set_default_dtype(torch.float32)
            inside.callback(torch.set_default_dtype, before)
        yield


@contextmanager
def building() -> Iterator[None]:
    """`undisturbed`, for a model whose first weights are drawn: the caller's random numbers go on as if none were."""
    with undisturbed(), torch.random.fork_rng(devices=[]):
        yield
