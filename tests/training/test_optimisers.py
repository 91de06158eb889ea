from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from coarse_to_fine.errors import ConfigError, TrainingError
from coarse_to_fine.training import ParameterGroup, RunConfig
from coarse_to_fine.training.optimisers import (
    AdamDecoupled,
    build_optimizer,
    load_optimizer_tensors,
    optimizer_tensors,
    set_rates,
)


def model() -> nn.ModuleDict:
    torch.manual_seed(0)
    return nn.ModuleDict({"clip": nn.Linear(3, 3), "head": nn.Linear(3, 1), "frozen": nn.Linear(2, 2)})


def step(network: nn.ModuleDict, optimizer: torch.optim.Optimizer, seed: int) -> None:
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(seed))
    optimizer.zero_grad()
    network["head"](network["clip"](x)).square().mean().backward()
    optimizer.step()


def test_adam_decoupled_follows_its_formula() -> None:
    rate, b1, b2, eps, decay = 0.1, 0.8, 0.95, 1e-3, 0.2
    parameter = nn.Parameter(torch.tensor([0.7, -1.2], dtype=torch.float64))
    optimizer = AdamDecoupled([parameter], lr=rate, betas=(b1, b2), eps=eps, weight_decay=decay)
    p, m, v = [0.7, -1.2], [0.0, 0.0], [0.0, 0.0]
    for k in range(1, 6):
        gradient = [math.sin(k), 0.01 * k]
        parameter.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
        for i, g in enumerate(gradient):
            m[i], v[i] = b1 * m[i] + (1 - b1) * g, b2 * v[i] + (1 - b2) * g * g
            p[i] -= rate * math.sqrt(1 - b2**k) / (1 - b1**k) * m[i] / (math.sqrt(v[i]) + eps)
            p[i] -= rate * decay * p[i]
        torch.testing.assert_close(parameter.detach(), torch.tensor(p, dtype=torch.float64), rtol=1e-12, atol=0)


def test_adam_decoupled_differs_from_torch_adamw() -> None:
    ours, theirs = (nn.Parameter(torch.ones(1)) for _ in range(2))
    for parameter, kind in ((ours, AdamDecoupled), (theirs, torch.optim.AdamW)):
        parameter.grad = torch.full((1,), 1e-4)
        kind([parameter], lr=0.1, eps=1e-6, weight_decay=0.2).step()
    assert abs(ours.item() - theirs.item()) > 1e-2


def test_parameters_without_gradient_are_not_decayed() -> None:
    parameter = nn.Parameter(torch.ones(2))
    AdamDecoupled([parameter], lr=1.0, weight_decay=0.5).step()
    assert parameter.tolist() == [1, 1]


def test_first_matching_pattern_decides_the_group() -> None:
    groups = (ParameterGroup(pattern="clip.*", learning_rate=1e-6), ParameterGroup(pattern="*.bias", learning_rate=1))
    network = model()
    network["frozen"].requires_grad_(False)
    optimizer = build_optimizer(network, RunConfig(groups=groups, learning_rate=0.5, weight_decay=0.2))
    assert [group["names"] for group in optimizer.param_groups] == [
        ["clip.weight", "clip.bias"],
        ["head.bias"],
        ["head.weight"],
    ]
    set_rates(optimizer, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [5e-7, 0.5, 0.25]
    assert {group["weight_decay"] for group in optimizer.param_groups} == {0.2}


def test_group_may_have_its_own_decay() -> None:
    groups = (ParameterGroup(pattern="*.bias", learning_rate=1, weight_decay=0),)
    optimizer = build_optimizer(model(), RunConfig(groups=groups, weight_decay=0.2))
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0, 0.2]


def test_pattern_without_parameter_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'clap\.\*' matches no trainable parameter"):
        build_optimizer(model(), RunConfig(groups=(ParameterGroup(pattern="clap.*", learning_rate=1),)))


def test_wholly_frozen_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="requires_grad"):
        build_optimizer(model().requires_grad_(False), RunConfig())


@pytest.mark.parametrize("kind", ["adamw", "adam-decoupled"])
def test_state_by_name_continues_bit_for_bit(kind: str) -> None:
    run = RunConfig(optimizer=kind, learning_rate=0.1)
    straight, optimizer = model(), None
    optimizer = build_optimizer(straight, run)
    for seed in range(3):
        step(straight, optimizer, seed)
    stored = {name: tensor.clone() for name, tensor in optimizer_tensors(optimizer).items()}
    assert not any(name.startswith("frozen") for name in stored)  # never had a gradient
    continued = model()
    continued.load_state_dict({name: tensor.clone() for name, tensor in straight.state_dict().items()})
    other = build_optimizer(continued, run)
    load_optimizer_tensors(other, stored)
    for seed in range(3, 6):
        step(straight, optimizer, seed)
        step(continued, other, seed)
    for a, b in zip(straight.parameters(), continued.parameters()):
        assert torch.equal(a, b)


def test_state_of_unknown_parameters_is_refused() -> None:
    optimizer = build_optimizer(model(), RunConfig())
    with pytest.raises(TrainingError, match=r"tail\.weight"):
        load_optimizer_tensors(optimizer, {"tail.weight/step": torch.tensor(1.0)})
