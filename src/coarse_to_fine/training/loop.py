"""The one training loop of the package."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from coarse_to_fine.config import nearest
from coarse_to_fine.errors import ConfigError, TrainingError
from coarse_to_fine.training.batches import StepPlan, epoch_order, plan_steps, prepared_parts
from coarse_to_fine.training.checkpoints import read_tensors, remove_leftovers, write_json, write_tensors
from coarse_to_fine.training.config import RunConfig
from coarse_to_fine.training.curve import draw_curve
from coarse_to_fine.training.distributed import Processes, local_device
from coarse_to_fine.training.interruption import on_interruption
from coarse_to_fine.training.optimisers import (
    build_optimizer,
    load_optimizer_tensors,
    optimizer_tensors,
    set_rates,
)
from coarse_to_fine.training.progress import EventWriter, ProgressBar
from coarse_to_fine.training.records import MetricsLog, check_continues, code_version, settings_document
from coarse_to_fine.training.schedules import rate_factor
from coarse_to_fine.training.seeds import derive_seed, seeded
from coarse_to_fine.training.steps import GradientStep
from coarse_to_fine.training.task import Batch, TrainingTask


@dataclass(frozen=True, slots=True)
class FitResult:
    """How a run ended; the task's model holds the best weights (the last ones where no metric selects).

    Attributes:
        best_metrics: validation metrics of the chosen weights.
        best_step: optimiser step of the chosen weights.
        steps: optimiser steps of the whole run.
        stopped_early: whether patience ended it.
        best_path: weights alone, under the names of the model's state dict.
        last_path: the checkpoint to go on from.
        metrics_path: JSON lines, one an epoch.
        first_process: whether this process is the one that writes files; True where there is only one.
    """

    best_metrics: dict[str, float]
    best_step: int
    steps: int
    stopped_early: bool
    best_path: Path
    last_path: Path
    metrics_path: Path
    first_process: bool = True


def fit(
    task: TrainingTask,
    run: RunConfig,
    out: Path,
    extra_config: Mapping[str, Any] | None = None,
    progress: bool = False,
) -> FitResult:
    """Train `task.model`, or go on from the checkpoint in `out`.

    Under torchrun every process calls this with the same arguments; the first one writes the files.

    Args:
        task: what is trained.
        run: how.
        out: folder for checkpoints, metrics, the settings and the loss curve.
        extra_config: plain JSON saved beside the run's settings (architecture, data); must be the same to go on.
        progress: show a bar with the time left on stderr.

    Raises:
        TrainingError: a loss or gradient is not finite, or the checkpoint in `out` is of another run.
        ConfigError: `select` names no validation metric, or a parameter group matches nothing.
        KeyboardInterrupt: SIGINT or SIGTERM came; the checkpoint of the step that was running is written.
    """
    device = local_device(resolve_device(run.device))
    processes = Processes(device)
    try:
        return _Trainer(task, run, Path(out), extra_config, device, processes).train(progress and processes.is_first)
    except Exception as error:
        processes.report(error)
        raise


def resolve_device(name: str) -> torch.device:
    """'auto' is CUDA if there is a device, else MPS, else the CPU.

    Raises:
        ConfigError: no such device here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise ConfigError(f"device {name!r} is not usable here; expected auto, cpu, cuda or mps; choose auto") from None
    return device


@dataclass
class _Position:
    """All of a run's state that is not a tensor."""

    step: int = 0
    epoch: int = 0
    index: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    summed: int = 0
    best_value: float | None = None
    best_step: int = 0
    best_metrics: dict[str, float] = field(default_factory=dict)
    waited: int = 0
    stopped_early: bool = False
    seconds: float = 0.0


class _Trainer:
    """Owns the optimiser, the position and the files of one run."""

    def __init__(
        self,
        task: TrainingTask,
        run: RunConfig,
        out: Path,
        extra: Mapping[str, Any] | None,
        device: torch.device,
        processes: Processes,
    ) -> None:
        self._task, self._run, self._out, self._device, self._processes = task, run, out, device, processes
        self._settings = settings_document(run, extra)
        self._position = _Position()
        self._last, self._best = out / "last.safetensors", out / "best.safetensors"
        self._log = MetricsLog(out / "metrics.jsonl")
        steps = len(epoch_order(task.data, run, 0)) * run.epochs
        self._total = min(steps, run.max_steps or steps)
        task.model.to(device).train()
        self._optimizer = build_optimizer(task.model, run)
        self._resume()
        if run.compile:
            task.compile()
        self._gradients = GradientStep(task, run, device, processes)
        self._saved_at = time.monotonic()
        self._events = EventWriter(out / "tensorboard" if run.tensorboard and processes.is_first else None)

    def train(self, progress: bool) -> FitResult:
        if not self._finished():
            with on_interruption(self._ask_to_stop), ProgressBar(progress, self._total, self._position.step) as bar:
                run = self._run
                bar.note(
                    f"seed {run.seed}, device {self._device}, processes {self._processes.count}, files in {self._out}"
                )
                self._steps(bar)
        return self._result()

    def _steps(self, bar: ProgressBar) -> None:
        def plans() -> Any:
            where = self._processes.rank, self._processes.count, start.epoch, start.index
            return plan_steps(self._task.data, self._run, *where)

        start = _Position(epoch=self._position.epoch, index=self._position.index)
        parts = prepared_parts(self._task.data, self._run, plans())
        for plan in plans():
            began = time.monotonic()
            loss = self._step(plan, [next(parts) for _ in plan.parts])
            bar.advance(loss)
            self._position.seconds += time.monotonic() - began
            ends_epoch = plan.index == plan.batches - 1
            if ends_epoch or self._position.step >= self._total:
                bar.epoch(self._end_epoch(plan))
            stop = self._processes.stop_asked and not self._finished()
            self._save_if_due(always=ends_epoch or stop or self._finished())
            if stop:
                raise KeyboardInterrupt(f"stopped after step {self._position.step}; start again to go on from there")
            if self._finished():
                return

    def _ask_to_stop(self) -> None:
        self._processes.interrupted = True

    def _step(self, plan: StepPlan, batches: Sequence[Batch]) -> float:
        position, model = self._position, self._task.model
        set_rates(self._optimizer, rate_factor(self._run, position.step, plan.epoch, self._total))
        self._optimizer.zero_grad(set_to_none=True)
        values = self._gradients.run(position.step, plan, batches)
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        limit = self._run.clip_norm if self._run.clip_norm is not None else math.inf
        try:
            norm = float(nn.utils.clip_grad_norm_(trainable, limit, error_if_nonfinite=True))
        except RuntimeError as error:
            raise self._gradients.explain(error, position.step, plan, batches) from None
        self._optimizer.step()
        self._task.after_step()
        for name, value in {**values, "gradient_norm": norm}.items():
            position.sums[name] = position.sums.get(name, 0.0) + value
        position.summed += 1
        position.step += 1
        next_epoch = plan.index == plan.batches - 1
        position.epoch, position.index = (plan.epoch + 1, 0) if next_epoch else (plan.epoch, plan.index + 1)
        self._events.write(values, position.step)
        return values["loss"]

    def _end_epoch(self, plan: StepPlan) -> dict[str, Any]:
        """Evaluate if it is time, keep the best, write the epoch's line."""
        position = self._position
        done = position.step >= self._total
        validation = self._evaluate(plan.epoch) if done or (plan.epoch + 1) % self._run.evaluate_every == 0 else {}
        if validation:
            self._compare(validation)
        means = {name: value / max(1, position.summed) for name, value in position.sums.items()}
        line = {
            "epoch": plan.epoch + 1,
            "step": position.step,
            "loss": means.pop("loss"),
            "gradient_norm": means.pop("gradient_norm"),
            "terms": means,
            "learning_rate": self._optimizer.param_groups[-1]["lr"],
            "validation": validation,
            "seconds": round(position.seconds, 3),
        }
        position.sums, position.summed = {}, 0
        if self._processes.is_first:
            self._log.append(line)
            self._events.write({f"validation/{name}": value for name, value in validation.items()}, position.step)
        return line

    def _evaluate(self, epoch: int) -> dict[str, float]:
        """Validation metrics, computed by the first process and known to all."""
        metrics: dict[str, float] = {}
        if self._processes.is_first:
            self._task.model.eval()
            with torch.no_grad(), seeded(derive_seed(self._run.seed, "validate", epoch), self._device):
                metrics = {name: float(value) for name, value in self._task.validate().items()}
            self._task.model.train()
            if self._run.select is not None and self._run.select not in metrics:
                raise ConfigError(
                    f"select is {self._run.select!r}, but the validation gives no such metric; "
                    f"{nearest(self._run.select, metrics) if metrics else 'it gives none: set select to null'}"
                )
        return self._processes.exchange(metrics)[0]

    def _compare(self, validation: dict[str, float]) -> None:
        position, select = self._position, self._run.select
        if select is None:
            position.best_step, position.best_metrics = position.step, validation
            return
        value = validation[select] if self._run.select_mode == "max" else -validation[select]
        if math.isfinite(value) and (position.best_value is None or value > position.best_value):
            position.best_value, position.best_step, position.best_metrics = value, position.step, validation
            position.waited = 0
            self._save_best()
        else:
            position.waited += 1
        position.stopped_early = self._run.patience is not None and position.waited >= self._run.patience

    def _finished(self) -> bool:
        return self._position.stopped_early or self._position.step >= self._total

    def _save_best(self) -> None:
        if self._processes.is_first:
            state = {"step": self._position.step, "metrics": self._position.best_metrics, "settings": self._settings}
            write_tensors(self._best, self._task.model.state_dict(), state)

    def _save_if_due(self, always: bool) -> None:
        every = self._run.checkpoint_every_steps
        due = always or time.monotonic() - self._saved_at >= self._run.checkpoint_every_seconds
        if not self._processes.is_first or not (due or (every and self._position.step % every == 0)):
            return
        tensors = {f"model/{name}": tensor for name, tensor in self._task.model.state_dict().items()}
        tensors |= {f"optimizer/{name}": tensor for name, tensor in optimizer_tensors(self._optimizer).items()}
        state = {"position": asdict(self._position), "settings": self._settings, "version": code_version()}
        write_tensors(self._last, tensors, state)
        self._saved_at = time.monotonic()

    def _resume(self) -> None:
        """Take up the last checkpoint, or begin: the first process clears what an earlier start left."""
        if self._last.is_file():
            tensors, state = read_tensors(self._last)
            check_continues(self._last, state["settings"], self._settings)
            self._load(_with_prefix(tensors, "model/"))
            load_optimizer_tensors(self._optimizer, _with_prefix(tensors, "optimizer/"))
            self._position = _Position(**state["position"])
        self._processes.exchange(None)
        if self._processes.is_first:
            self._out.mkdir(parents=True, exist_ok=True)
            remove_leftovers(self._out)
            self._log.keep_until(self._position.step)
            hardware = {"device": str(self._device), "processes": self._processes.count}
            write_json(self._out / "run.json", {**self._settings, "version": code_version(), **hardware})

    def _load(self, weights: Mapping[str, torch.Tensor]) -> None:
        try:
            self._task.model.load_state_dict(weights)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:300]
            raise TrainingError(
                f"{self._last}: weights of another model ({reason}); use the same model or another output folder"
            ) from None

    def _result(self) -> FitResult:
        position = self._position
        if position.best_value is None:
            position.best_step = position.step
            self._save_best()
        if self._processes.is_first:
            draw_curve(self._out / "curve.png", self._log.lines(), self._run.select)
        self._processes.exchange(None)
        weights, _ = read_tensors(self._best)
        self._load(weights)
        self._task.model.eval()
        return FitResult(
            best_metrics=position.best_metrics,
            best_step=position.best_step,
            steps=position.step,
            stopped_early=position.stopped_early,
            best_path=self._best,
            last_path=self._last,
            metrics_path=self._log.path,
            first_process=self._processes.is_first,
        )


def _with_prefix(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
