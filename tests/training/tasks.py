"""Small real training tasks, also run as a program: `python -m tests.training.tasks "TASK OUT KEY=VALUE ..." ...`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from coarse_to_fine.config import load_config
from coarse_to_fine.errors import CtfError
from coarse_to_fine.training import Batch, ContrastiveTask, Losses, RunConfig, TrainingData, TrainingTask, fit


class Points(TrainingData):
    """y = sin(x . w) in 6 dimensions; some targets are missing, so terms have counts of their own."""

    def __init__(self, size: int = 40, noise: float = 0.0, bad: int | None = None, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.x = torch.randn(size, 6, generator=generator)
        self.y = torch.sin(self.x @ torch.randn(6, generator=torch.Generator().manual_seed(99)))
        self.known = torch.rand(size, generator=generator) < 0.6
        self.noise = noise
        if bad is not None:
            self.x[bad, 2] = float("inf")

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, indices: Sequence[int], generator: torch.Generator) -> Batch:
        chosen = list(indices)
        x = self.x[chosen] + self.noise * torch.randn(len(chosen), 6, generator=generator)
        data = {"x": x, "y": self.y[chosen], "known": self.known[chosen]}
        return Batch(data, [f"point-{i}" for i in chosen], {"known": float(self.known[chosen].sum())})


class Regression(TrainingTask):
    """An MLP with dropout, a loss term over all samples and one over the known ones, and a layer that is never used."""

    def __init__(self, data: Points, dropout: float = 0.0, frozen: bool = False) -> None:
        torch.manual_seed(1)
        self.model = nn.ModuleDict(
            {
                "body": nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.Dropout(dropout), nn.Linear(16, 16), nn.Tanh()),
                "head": nn.Linear(16, 1),
                "unused": nn.Linear(3, 3),
            }
        )
        if frozen:
            self.model["body"].requires_grad_(False)
        self.data = data
        self.held_out = Points(16, seed=7)

    def predict(self, x: Tensor) -> Tensor:
        return self.model["head"](self.model["body"](x)).squeeze(-1)

    def losses(self, batch: Batch, generator: torch.Generator) -> Losses:
        error = self.predict(batch.data["x"]) - batch.data["y"]
        square = error.square().sum() / batch.counts["samples"]
        known = error.abs()[batch.data["known"]].sum() / batch.counts["known"]
        return Losses(square + 0.5 * known, {"square": square, "known": known})

    def validate(self) -> dict[str, float]:
        return {"error": float((self.predict(self.held_out.x) - self.held_out.y).square().mean())}


class Pairs(ContrastiveTask):
    """Two towers, the second one frozen if asked, a temperature, and random numbers in the loss."""

    def __init__(self, data: Points, dropout: float = 0.0, frozen: bool = False, random: bool = False) -> None:
        torch.manual_seed(2)
        self.model = nn.ModuleDict(
            {"a": nn.Sequential(nn.Linear(6, 8), nn.Dropout(dropout), nn.Linear(8, 8)), "b": nn.Linear(6, 8)}
        )
        self.model.register_parameter("scale", nn.Parameter(torch.tensor(1.0)))
        if frozen:
            self.model["b"].requires_grad_(False)
        self.data, self.random = data, random

    def encode(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        x = batch.data["x"]
        return {"a": self.model["a"](x), "b": self.model["b"](x.flip(-1)), "known": batch.data["known"]}

    def contrast(self, rows: dict[str, Tensor], generator: torch.Generator) -> Losses:
        a, b = rows["a"], rows["b"]
        if self.random:
            a = a + 0.1 * torch.randn(a.shape, generator=generator)
        logits = self.model.scale.exp() * a @ b.T
        target = torch.arange(len(a))
        forth, back = nn.functional.cross_entropy(logits, target), nn.functional.cross_entropy(logits.T, target)
        return Losses(forth + back, {"forth": forth, "back": back})

    def validate(self) -> dict[str, float]:
        return {}

    def after_step(self) -> None:
        with torch.no_grad():
            self.model.scale.clamp_(max=4.0)


class Failing(Regression):
    """Raises on the last process in its third step, before the gradients are averaged."""

    seen = 0

    def losses(self, batch: Batch, generator: torch.Generator) -> Losses:
        self.seen += 1
        if self.seen == 3 and torch.distributed.get_rank() == 1:
            raise ValueError("the third step fails here")
        return super().losses(batch, generator)


class FailingPairs(Pairs):
    """Raises on the last process in its third step, just before the rows are gathered."""

    seen = 0

    def encode(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        self.seen += 1
        if self.seen == 3 and torch.distributed.get_rank() == 1:
            raise ValueError("the third step fails here")
        return super().encode(batch, generator)


class FailingValidation(Regression):
    """Raises in the validation, which the first process does alone."""

    def validate(self) -> dict[str, float]:
        raise ValueError("the validation fails here")


def make(name: str) -> TrainingTask:
    """A task by name."""
    return {
        "regression": lambda: Regression(Points(37)),
        "dropout": lambda: Regression(Points(40, noise=0.1), dropout=0.3),
        "frozen": lambda: Regression(Points(37), frozen=True),
        "bad": lambda: Regression(Points(40, bad=13)),
        "pairs": lambda: Pairs(Points(37)),
        "frozen-pairs": lambda: Pairs(Points(37), frozen=True),
        "single": lambda: Regression(Points(1)),
        "failing-pairs": lambda: FailingPairs(Points(40)),
        "failing-validation": lambda: FailingValidation(Points(40)),
        "failing": lambda: Failing(Points(40)),
    }[name]()


def train(name: str, out: Path, *settings: str) -> None:
    """One run, as the command would do it: an error is one line and exit code 1."""
    torch.set_num_threads(1)
    try:
        result = fit(make(name), load_config(RunConfig, None, settings), out)
    except (CtfError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    print(json.dumps({"step": result.steps, "early": result.stopped_early}))


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        task, folder, *settings = argument.split()
        train(task, Path(folder), *settings)
