"""Gradients of one optimiser step, equal however the step is cut into parts and spread over processes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from coarse_to_fine.training.batches import PartPlan, StepPlan, to_device
from coarse_to_fine.training.config import RunConfig
from coarse_to_fine.training.distributed import Processes, averaged
from coarse_to_fine.training.guard import bad_gradients, bad_terms, causes, not_finite, scalars
from coarse_to_fine.training.seeds import derive_seed, seeded
from coarse_to_fine.training.task import Batch, ContrastiveTask, Losses, TrainingTask


class GradientStep:
    """Computes the gradients of a step into the parameters of the task's model.

    A plain task's losses are means over `batch.counts`; the parts are averaged. For a contrastive task each part sees
    the rows of all others as constants (encoded once before, with the same random numbers); the gradient of its own
    rows is multiplied by the number of parts, which the averaging divides by again.
    """

    def __init__(self, task: TrainingTask, run: RunConfig, device: torch.device, processes: Processes) -> None:
        self._task, self._device, self._processes = task, device, processes
        self._bf16, self._accumulate = run.precision == "bf16", run.accumulate
        self._part: nn.Module = _Part(task, device, processes)
        if processes.count > 1:
            self._part = averaged(self._part)

    def run(self, step: int, plan: StepPlan, batches: Sequence[Batch]) -> dict[str, float]:
        """Fill the gradients; returns the mean of every scalar over all parts of the step, the total under `loss`.

        Raises:
            TrainingError: a scalar is not finite.
        """
        shared = self._mean_counts(plan, batches)
        batches = [dataclasses.replace(batch, counts=shared) for batch in batches]
        known = self._known_rows(plan, batches)
        results, loss, error = [], None, None
        try:
            for number, (part, batch) in enumerate(zip(plan.parts, batches)):
                is_last = number == len(plan.parts) - 1
                with self._no_sync(is_last):
                    total, terms = self._forward(plan, number, batch, known)
                    results.append(self._guarded(step, part, batch, scalars(total, terms)))
                    loss = total * (self._processes.count / plan.divisor if part.counted else 0.0)
                    if not is_last:
                        torch.autograd.backward(loss)
        except Exception as caught:  # handed on: the other processes must hear of it before they wait for gradients
            error = caught
        counted = [result for part, result in zip(plan.parts, results) if part.counted]
        everywhere = self._processes.exchange(counted, error)
        assert loss is not None
        self._processes.in_backward = True
        torch.autograd.backward(loss)
        self._processes.in_backward = False
        return _mean([result for one in everywhere for result in one])

    def explain(self, error: RuntimeError, step: int, plan: StepPlan, batches: Sequence[Batch]) -> Exception:
        """The error for gradients that cannot be clipped: names parameters and samples if one is not finite."""
        wrong = bad_gradients(self._task.model)
        if not wrong:
            return error
        samples = [str(name) for batch in batches for name in batch.sample_ids]
        everywhere = [name for names in self._processes.exchange(samples) for name in names]
        found = [cause for part in plan.parts for cause in causes(self._task, part, self._device)]
        return not_finite(step, [f"the gradient of {name} is not finite" for name in wrong], everywhere, found)

    def _forward(
        self, plan: StepPlan, number: int, batch: Batch, known: _KnownRows | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        moved = dataclasses.replace(batch, data=to_device(batch.data, self._device))
        with self._autocast():
            total, terms = self._part(moved, plan, number, known)
        return total, terms

    def _guarded(self, step: int, part: PartPlan, batch: Batch, values: dict[str, float]) -> dict[str, float]:
        wrong = bad_terms(values)
        if wrong:
            named = [f"the loss term {text}" for text in wrong if not text.startswith("loss is")]
            samples = [str(name) for name in batch.sample_ids]
            raise not_finite(step, named or wrong, samples, causes(self._task, part, self._device))
        return values

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16)

    @contextmanager
    def _no_sync(self, is_last: bool) -> Iterator[None]:
        waits = isinstance(self._part, DistributedDataParallel) and not is_last
        with self._part.no_sync() if waits else nullcontext():  # type: ignore[operator]
            yield

    def _mean_counts(self, plan: StepPlan, batches: Sequence[Batch]) -> dict[str, float]:
        """Counts of the whole step divided by its number of parts; a count of zero becomes one, as its sum is zero."""
        own = [batch.counts for part, batch in zip(plan.parts, batches) if part.counted]
        counts = [count for one in self._processes.exchange(own) for count in one]
        totals = {name: sum(count.get(name, 0.0) for count in counts) for count in counts for name in count}
        return {name: total / plan.divisor if total else 1.0 for name, total in totals.items()}

    def _known_rows(self, plan: StepPlan, batches: Sequence[Batch]) -> _KnownRows | None:
        """Rows of the whole step without gradients, for a contrastive task that accumulates."""
        if not isinstance(self._task, ContrastiveTask) or self._accumulate == 1:
            return None
        rows = []
        try:
            for part, batch in zip(plan.parts, batches):
                moved = dataclasses.replace(batch, data=to_device(batch.data, self._device))
                with torch.no_grad(), self._autocast():
                    rows.append(_encoded(self._task, moved, part, self._device))
        except Exception as error:  # handed on: the other processes are about to ask for these rows
            self._processes.report(error)
        return _gather(rows, self._processes)


@dataclasses.dataclass(frozen=True, slots=True)
class _KnownRows:
    """Rows of the parts before this process, of each part of this process, and after it."""

    before: list[dict[str, Tensor]]
    own: list[dict[str, Tensor]]
    after: list[dict[str, Tensor]]


class _Part(nn.Module):
    """The losses of one part as a module, so that DistributedDataParallel sees the forward pass."""

    def __init__(self, task: TrainingTask, device: torch.device, processes: Processes) -> None:
        super().__init__()
        self.model = task.model
        self._task, self._device, self._processes = task, device, processes
        if processes.count > 1:  # never used, so that the search for unused parameters always finds one and is quiet
            self.register_parameter("idle", nn.Parameter(torch.zeros((), device=device)))

    def forward(
        self, batch: Batch, plan: StepPlan, number: int, known: _KnownRows | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        if isinstance(self._task, ContrastiveTask):
            losses = self._contrasted(self._task, batch, plan, number, known)
        else:
            seed = plan.parts[number].seed
            with seeded(derive_seed(seed, "layers"), self._device):
                losses = self._task.losses(batch, torch.Generator().manual_seed(seed))
        return losses.total, {name: term.detach() for name, term in losses.terms.items()}

    def _contrasted(
        self, task: ContrastiveTask, batch: Batch, plan: StepPlan, number: int, known: _KnownRows | None
    ) -> Losses:
        rows: dict[str, Tensor] = {}
        try:
            rows = _encoded(task, batch, plan.parts[number], self._device)
        except Exception as error:  # handed on: the other processes may be about to ask for these rows
            self._processes.report(error)
        if known is None:
            known = _gather([{name: tensor.detach() for name, tensor in rows.items()}], self._processes)
        rows = {name: _amplified(tensor, plan.divisor) for name, tensor in rows.items()}
        own = [*known.own[:number], rows, *known.own[number + 1 :]]
        with seeded(derive_seed(plan.seed, "layers"), self._device):
            whole = _concatenated([*known.before, *own, *known.after])
            return task.contrast(whole, torch.Generator().manual_seed(plan.seed))


def _encoded(task: ContrastiveTask, batch: Batch, part: PartPlan, device: torch.device) -> dict[str, Tensor]:
    """The same rows each time it is called for a part; none for a part that does not count."""
    with seeded(derive_seed(part.seed, "encode"), device):
        rows = task.encode(batch, torch.Generator().manual_seed(part.seed))
    return rows if part.counted else {name: tensor[:0] for name, tensor in rows.items()}


def _gather(rows: list[dict[str, Tensor]], processes: Processes) -> _KnownRows:
    everywhere = processes.gather_rows(_concatenated(rows))
    return _KnownRows(everywhere[: processes.rank], rows, everywhere[processes.rank + 1 :])


def _concatenated(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    if len(parts) == 1:
        return dict(parts[0])
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _amplified(tensor: Tensor, factor: int) -> Tensor:
    """The same values; what flows back through them is multiplied."""
    if tensor.requires_grad and factor > 1:
        tensor.register_hook(lambda gradient: gradient * factor)  # type: ignore[no-untyped-call]
    return tensor


def _mean(results: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: sum(result[name] for result in results) / len(results) for name in results[0]}
