"""Randomness of a run: every seed is a pure function of the run's seed and of a place in the run.

So a checkpoint needs no generator states: whoever knows the step knows all that is random in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive_seed(seed: int, *place: int | str) -> int:
    """A seed in [0, 2^63) for a place in the run, independent of all others for practical purposes."""
    text = "/".join(str(part) for part in (seed, *place))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator_for(seed: int, *place: int | str) -> torch.Generator:
    """A CPU generator seeded with `derive_seed`."""
    return torch.Generator().manual_seed(derive_seed(seed, *place))


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global generators of the CPU and of `device` inside the block; put the caller's states back after it.

    Layers without a generator argument (`nn.Dropout`) draw from the global ones. (`torch.manual_seed` would touch all
    devices, and is slow where one of them is not in use.)
    """
    generators = [torch.default_generator]
    if device.type == "cuda":
        index = device.index if device.index is not None else torch.cuda.current_device()
        generators.append(torch.cuda.default_generators[index])
    states = [generator.get_state() for generator in generators]
    mps_state = torch.mps.get_rng_state() if device.type == "mps" else None
    try:
        for generator in generators:
            generator.manual_seed(seed)
        if mps_state is not None:
            torch.mps.manual_seed(seed)
        yield
    finally:
        for generator, state in zip(generators, states):
            generator.set_state(state)
        if mps_state is not None:
            torch.mps.set_rng_state(mps_state)
