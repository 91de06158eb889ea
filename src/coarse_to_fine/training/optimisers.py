"""Optimisers, their parameter groups, and their state by parameter name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, overload

import torch
from torch import Tensor, nn

from coarse_to_fine.errors import ConfigError, TrainingError
from coarse_to_fine.training.config import RunConfig


class AdamDecoupled(torch.optim.Optimizer):
    """Adam with decoupled decay as the T-MASS release has it (the older Hugging Face form, not `torch.optim.AdamW`).

    With m, v the moments and k the number of this step:
    p -= lr * sqrt(1 - b2^k) / (1 - b1^k) * m / (sqrt(v) + eps), then p -= lr * decay * p on the updated p.
    So eps is added before the bias correction, and the decay sees the new value.

    Source: Loshchilov and Hutter, ICLR 2019, in the form of transformers' former `AdamW`.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)
        return loss

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.int64)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        beta1, beta2 = group["betas"]
        state["step"] += 1
        count = int(state["step"])
        state["exp_avg"].mul_(beta1).add_(gradient, alpha=1 - beta1)
        state["exp_avg_sq"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        rate = group["lr"] * math.sqrt(1 - beta2**count) / (1 - beta1**count)
        parameter.addcdiv_(state["exp_avg"], state["exp_avg_sq"].sqrt().add_(group["eps"]), value=-rate)
        if group["weight_decay"] > 0:
            parameter.add_(parameter, alpha=-group["lr"] * group["weight_decay"])


def parameter_groups(named: Iterable[tuple[str, nn.Parameter]], run: RunConfig) -> list[dict[str, Any]]:
    """Trainable parameters sorted into the run's groups; the first pattern that matches a full name counts.

    Each group has `params`, `names`, `peak_rate`, `lr` (equal to it) and `weight_decay`.

    Raises:
        ConfigError: a pattern matches no trainable parameter, or there is nothing to train.
    """
    groups: list[dict[str, Any]] = [
        _group(setting.learning_rate, run.weight_decay if setting.weight_decay is None else setting.weight_decay)
        for setting in run.groups
    ]
    groups.append(_group(run.learning_rate, run.weight_decay))
    patterns = [setting.pattern for setting in run.groups] + ["*"]
    trainable = [(name, parameter) for name, parameter in named if parameter.requires_grad]
    if not trainable:
        raise ConfigError("the model has no parameter with requires_grad, expected at least one; unfreeze a part of it")
    for name, parameter in trainable:
        group = groups[next(i for i, pattern in enumerate(patterns) if fnmatchcase(name, pattern))]
        group["params"].append(parameter)
        group["names"].append(name)
    for setting, group in zip(run.groups, groups):
        if not group["params"]:
            first = ", ".join(name for name, _ in trainable[:5])
            raise ConfigError(
                f"groups: the pattern {setting.pattern!r} matches no trainable parameter that an earlier one left; "
                f"names begin with {first}, ...; correct or remove the group"
            )
    return [group for group in groups if group["params"]]


def build_optimizer(model: nn.Module, run: RunConfig) -> torch.optim.Optimizer:
    """The run's optimiser over the trainable parameters of the model."""
    groups = parameter_groups(model.named_parameters(), run)
    if run.optimizer == "adam-decoupled":
        return AdamDecoupled(groups, lr=run.learning_rate, betas=run.betas, eps=run.epsilon or 1e-6)
    return torch.optim.AdamW(groups, lr=run.learning_rate, betas=run.betas, eps=run.epsilon or 1e-8)


def set_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Put `factor` of its peak rate into each group."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak_rate"] * factor


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state as `<parameter name>/<key>`; parameters without a step yet have none."""
    tensors: dict[str, Tensor] = {}
    for group in optimizer.param_groups:
        for name, parameter in zip(group["names"], group["params"]):
            for key, value in optimizer.state.get(parameter, {}).items():
                tensors[f"{name}/{key}"] = torch.as_tensor(value)
    return tensors


def load_optimizer_tensors(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` gave.

    Raises:
        TrainingError: state of a parameter that is not trained here.
    """
    by_name: dict[str, dict[str, Tensor]] = {}
    for full, tensor in tensors.items():
        name, _, key = full.rpartition("/")
        by_name.setdefault(name, {})[key] = tensor
    names = [name for group in optimizer.param_groups for name in group["names"]]
    unknown = sorted(set(by_name) - set(names))
    if unknown:
        raise TrainingError(
            f"the checkpoint holds optimiser state of {unknown[0]}, which is not trained here; expected the same "
            f"model with the same frozen parts; use another output folder"
        )
    state = {index: by_name[name] for index, name in enumerate(names) if name in by_name}
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _group(rate: float, decay: float) -> dict[str, Any]:
    return {"params": [], "names": [], "peak_rate": rate, "lr": rate, "weight_decay": decay}
