"""torch.compile for models that are run in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn


@contextmanager
def outermost_calls(model: nn.Module) -> Iterator[list[nn.Module]]:
    """Modules of `model` that are called inside the block, but not from within another one of them.

    A task need not run `model(...)` itself: it may call `model.encoder(...)` and `model.head(...)`. Those are what is
    worth compiling. Modules without parameters are left out.
    """
    found: list[nn.Module] = []
    depth = 0

    def enter(module: nn.Module, arguments: Any) -> None:
        nonlocal depth
        if depth == 0 and module not in found and next(module.parameters(), None) is not None:
            found.append(module)
        depth += 1

    def leave(module: nn.Module, arguments: Any, output: Any) -> None:
        nonlocal depth
        depth -= 1

    handles = [module.register_forward_pre_hook(enter) for module in model.modules()]
    handles += [module.register_forward_hook(leave, always_call=True) for module in model.modules()]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
