"""The one training loop of the package."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from coarse_to_fine.devices import resolve_device
from coarse_to_fine.errors import ConfigError, DataError
from coarse_to_fine.spelling import nearest
from coarse_to_fine.training.batches import StepPlan, epoch_order, plan_steps, prepared_parts
from coarse_to_fine.training.compilation import outermost_calls
from coarse_to_fine.training.config import RunConfig
from coarse_to_fine.training.curve import draw_curve
from coarse_to_fine.training.distributed import Processes, local_device
from coarse_to_fine.training.interruption import on_interruption
from coarse_to_fine.training.optimisers import build_optimizer, set_rates
from coarse_to_fine.training.progress import EventWriter, ProgressBar
from coarse_to_fine.training.records import settings_document
from coarse_to_fine.training.run_files import RunFiles
from coarse_to_fine.training.schedules import rate_factor
from coarse_to_fine.training.seeds import derive_seed, seeded
from coarse_to_fine.training.steps import GradientStep
from coarse_to_fine.training.task import Batch, TrainingTask
from coarse_to_fine.writer_lock import WriterLock

LOCK = "run.lock"


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
        LibraryError: another process trains in `out`, which the message names; or `out` cannot be written.
        ConfigError: `select` names no validation metric, or a parameter group matches nothing.
        KeyboardInterrupt: SIGINT or SIGTERM came; the checkpoint of the step that was running is written.
    """
    if task.metric_names is not None:
        _check_selection(run.select, task.metric_names)
    device = local_device(resolve_device(run.device))
    processes = Processes(device)
    try:
        with _alone_in(Path(out), processes):
            trainer = _Trainer(task, run, Path(out), extra_config, device, processes)
            return trainer.train(progress and processes.is_first)
    except Exception as error:
        processes.report(error)
        raise


def _check_selection(select: str | None, metrics: Collection[str]) -> None:
    """Raises ConfigError where `select` names none of the validation metrics."""
    if select is not None and select not in metrics:
        raise ConfigError(
            f"select is {select!r}, but the validation gives no such metric; "
            f"{nearest(select, metrics) if metrics else 'it gives none: set select to null'}"
        )


@contextmanager
def _alone_in(folder: Path, processes: Processes) -> Iterator[None]:
    """The first process holds the folder for this run; only then do the others read what is in it."""
    with ExitStack() as held:
        if processes.is_first:
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(WriterLock(folder / LOCK))
        processes.exchange(None)
        yield


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
        self._task, self._run, self._device, self._processes = task, run, device, processes
        steps = len(epoch_order(task.data, run, 0)) * run.epochs
        self._total = min(steps, run.max_steps or steps)  # epochs may differ by some batches, see TrainingData.order
        task.model.to(device).train()
        self._optimizer = build_optimizer(task.model, run)
        self._files = RunFiles(out, settings_document(run, extra))
        self._position = self._files.load_last(task.model, self._optimizer)
        processes.exchange(None)  # all have read before the first one writes
        if processes.is_first:
            self._files.open(self._position.step, {"device": str(device), "processes": processes.count})
        self._gradients = GradientStep(task, run, device, processes)
        self._saved_at = time.monotonic()
        event_folder = out / "tensorboard" if run.tensorboard and processes.is_first else None
        self._events = EventWriter(event_folder, self._position.step + 1)

    def train(self, progress: bool) -> FitResult:
        with closing(self._events):
            if not self._finished():
                with on_interruption(self._ask_to_stop), ProgressBar(progress, self._total, self._position.step) as bar:
                    where = f"device {self._device}, processes {self._processes.count}, files in {self._files.folder}"
                    bar.note(f"seed {self._run.seed}, {where}")
                    self._steps(bar)
            return self._result()

    def _steps(self, bar: ProgressBar) -> None:
        def plans() -> Iterator[StepPlan]:
            return plan_steps(self._task.data, self._run, self._processes.rank, self._processes.count, *start)

        start = self._position.epoch, self._position.index
        parts = prepared_parts(self._task.data, self._run, plans())
        to_compile = self._run.compile
        for plan in plans():
            began = time.monotonic()
            batches = self._batches(plan, parts)
            loss = self._step_and_compile(plan, batches) if to_compile else self._step(plan, batches)
            to_compile = False
            bar.advance(loss)
            self._position.seconds += time.monotonic() - began
            ends_epoch = plan.index == plan.batches - 1
            if ends_epoch or self._finished():
                bar.epoch(self._end_epoch(plan))
            stop = self._processes.stop_asked and not self._finished()
            self._save_if_due(always=ends_epoch or stop or self._finished())
            if stop:
                raise KeyboardInterrupt(f"stopped after step {self._position.step}; start again to go on from there")
            if self._finished():
                return

    def _batches(self, plan: StepPlan, parts: Iterator[Batch]) -> list[Batch]:
        try:
            return [next(parts) for _ in plan.parts]
        except DataError as error:
            raise DataError(f"step {self._position.step}: {error}") from error

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

    def _step_and_compile(self, plan: StepPlan, batches: Sequence[Batch]) -> float:
        """A plain step that shows which modules are called; they are compiled for the steps to come."""
        with outermost_calls(self._task.model) as called:
            loss = self._step(plan, batches)
        for module in called:
            module.compile()
        return loss

    def _end_epoch(self, plan: StepPlan) -> dict[str, Any]:
        """Evaluate if it is time, keep the best, write the epoch's line."""
        position = self._position
        due = self._finished() or (plan.epoch + 1) % self._run.evaluate_every == 0
        validation = self._evaluate(plan.epoch) if due else {}
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
            self._files.log.append(line)
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
            _check_selection(self._run.select, metrics)
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

    def _stopped_early(self) -> bool:
        return self._run.patience is not None and self._position.waited >= self._run.patience

    def _finished(self) -> bool:
        position, most = self._position, self._run.max_steps
        ended = position.epoch >= self._run.epochs or (most is not None and position.step >= most)
        return ended or self._stopped_early()

    def _save_best(self) -> None:
        if self._processes.is_first:
            self._files.save_best(self._task.model, self._position)

    def _save_if_due(self, always: bool) -> None:
        every = self._run.checkpoint_every_steps
        due = always or time.monotonic() - self._saved_at >= self._run.checkpoint_every_seconds
        if self._processes.is_first and (due or (every and self._position.step % every == 0)):
            self._files.save_last(self._task.model, self._optimizer, self._position)
            self._saved_at = time.monotonic()

    def _result(self) -> FitResult:
        position, files = self._position, self._files
        if position.best_value is None:
            position.best_step = position.step
            self._save_best()
        if self._processes.is_first:
            draw_curve(files.folder / "curve.png", files.log.lines(), self._run.select)
        self._processes.exchange(None)
        files.load_best(self._task.model)
        self._task.model.eval()
        return FitResult(
            best_metrics=position.best_metrics,
            best_step=position.best_step,
            steps=position.step,
            stopped_early=self._stopped_early(),
            best_path=files.best,
            last_path=files.last,
            metrics_path=files.log.path,
            first_process=self._processes.is_first,
        )
