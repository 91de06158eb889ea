from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch

from coarse_to_fine.errors import ConfigError, DataError, LibraryError, TrainingError
from coarse_to_fine.training import FitResult, Losses, RunConfig, TrainingTask, fit, progress
from coarse_to_fine.training.batches import plan_steps, prepared_parts
from coarse_to_fine.training.checkpoints import read_tensors, write_tensors
from coarse_to_fine.training.compilation import outermost_calls
from coarse_to_fine.training.distributed import Processes
from coarse_to_fine.training.steps import GradientStep
from tests.training.tasks import Pairs, Points, Regression, make

FAST = {"epochs": 4, "batch_size": 8, "learning_rate": 1e-2, "device": "cpu"}


def trained(task: TrainingTask, out: Path, **settings: object) -> FitResult:
    return fit(task, RunConfig(**{**FAST, **settings}), out)


def weights(task: TrainingTask) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in task.model.state_dict().items()}


def difference(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    return max(float((a[name] - b[name]).abs().max()) for name in a)


def lines(result: FitResult) -> list[dict]:
    return [json.loads(line) for line in result.metrics_path.read_text().splitlines()]


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    result = trained(make("regression"), tmp_path, epochs=15)
    losses = [line["loss"] for line in lines(result)]
    assert losses[-1] < 0.25 * losses[0]


def test_same_seed_same_weights_other_seed_others(tmp_path: Path) -> None:
    found = []
    for number, seed in enumerate((5, 5, 6)):
        task = make("dropout")
        torch.manual_seed(number)  # what the caller did before plays no part
        trained(task, tmp_path / str(number), seed=seed)
        found.append(weights(task))
    assert difference(found[0], found[1]) == 0
    assert difference(found[0], found[2]) > 1e-3


def test_callers_random_numbers_are_left_alone(tmp_path: Path) -> None:
    task = make("dropout")
    torch.manual_seed(11)
    trained(task, tmp_path)
    drawn = torch.rand(3)
    torch.manual_seed(11)
    assert torch.equal(drawn, torch.rand(3))


@pytest.mark.parametrize("name", ["regression", "pairs", "frozen-pairs"])
@pytest.mark.parametrize("accumulate", [2, 3, 8])
def test_accumulation_equals_the_whole_batch(tmp_path: Path, name: str, accumulate: int) -> None:
    whole, parts = make(name), make(name)
    trained(whole, tmp_path / "whole", clip_norm=1.0, epochs=2)
    trained(parts, tmp_path / "parts", clip_norm=1.0, epochs=2, accumulate=accumulate)
    assert difference(weights(whole), weights(parts)) < 1e-5


def test_accumulation_repeats_the_random_numbers_of_a_contrastive_loss(tmp_path: Path) -> None:
    whole, parts = (Pairs(Points(32), random=True) for _ in range(2))
    trained(whole, tmp_path / "whole", epochs=2)
    trained(parts, tmp_path / "parts", epochs=2, accumulate=4)
    assert difference(weights(whole), weights(parts)) < 1e-5


def test_dropout_in_a_tower_is_the_same_in_both_passes(tmp_path: Path) -> None:
    # With 4 parts of one optimiser step, the gradient must be that of one function: check it by finite differences.
    task = Pairs(Points(8), dropout=0.4)
    task.model.double()
    task.data.x = task.data.x.double()
    run = RunConfig(batch_size=8, accumulate=4)
    step = GradientStep(task, run, torch.device("cpu"), Processes(torch.device("cpu")))

    def loss() -> float:
        plan = next(plan_steps(task.data, run, 0, 1, 0, 0))
        task.model.zero_grad()
        return step.run(0, plan, list(prepared_parts(task.data, run, iter([plan]))))["loss"]

    loss()
    parameter = task.model["a"][0].weight
    expected = float(parameter.grad[2, 3])
    parameter.data[2, 3] += 1e-3
    above = loss()
    parameter.data[2, 3] -= 2e-3
    below = loss()
    assert expected == pytest.approx((above - below) / 2e-3, rel=1e-3)


def test_frozen_parameters_stay(tmp_path: Path) -> None:
    task = make("frozen")
    before = weights(task)
    trained(task, tmp_path)
    after = weights(task)
    assert all(torch.equal(before[name], after[name]) for name in before if name.startswith("body"))
    assert not torch.equal(before["head.weight"], after["head.weight"])


class Scripted(Regression):
    """A model whose validation metric follows a script."""

    def __init__(self, script: list[float]) -> None:
        super().__init__(Points(16))
        self.script, self.seen = script, []

    def validate(self) -> dict[str, float]:
        assert not self.model.training
        assert not torch.is_grad_enabled()
        self.seen.append(weights(self))
        return {"score": self.script[len(self.seen) - 1], "other": 0.0}


@pytest.mark.parametrize(("mode", "best"), [("max", 1), ("min", 2)])
def test_best_weights_are_those_of_the_best_validation_metric(tmp_path: Path, mode: str, best: int) -> None:
    task = Scripted([0.2, 0.9, 0.1, 0.5])
    result = trained(task, tmp_path, select="score", select_mode=mode)
    assert result.best_step == 2 * (best + 1)
    assert result.best_metrics == {"score": task.script[best], "other": 0.0}
    assert difference(weights(task), task.seen[best]) == 0
    assert difference(read_tensors(result.best_path)[0], task.seen[best]) == 0
    assert difference(weights(task), task.seen[3]) > 0


def test_not_a_number_is_never_the_best(tmp_path: Path) -> None:
    result = trained(Scripted([float("nan"), 0.1, float("nan"), 0.05]), tmp_path, select="score")
    assert result.best_metrics["score"] == 0.1


def test_patience_ends_the_run(tmp_path: Path) -> None:
    result = trained(Scripted([0.1, 0.5, 0.4, 0.5, 0.9, 1.0]), tmp_path, epochs=6, select="score", patience=2)
    assert result.stopped_early
    assert result.steps == 8  # an equal value is no new best
    assert result.best_metrics["score"] == 0.5
    again = Scripted([])
    assert trained(again, tmp_path, epochs=6, select="score", patience=2) == result  # nothing is left to do


@pytest.mark.parametrize("patience", [3, None])
def test_a_run_that_patience_ended_goes_on_with_more_of_it(tmp_path: Path, patience: int | None) -> None:
    script = [0.9, 0.8, 0.7, 0.6, 0.95, 0.5]
    settings = {"epochs": 6, "select": "score"}
    straight, continued = Scripted(script), Scripted(script)
    expected = trained(straight, tmp_path / "straight", **settings, patience=4)
    assert trained(continued, tmp_path / "continued", **settings, patience=1).steps == 4
    result = trained(continued, tmp_path / "continued", **settings, patience=patience)
    if patience is None:
        assert (result.steps, result.best_step) == (expected.steps, expected.best_step) == (12, 10)
        assert difference(weights(straight), weights(continued)) == 0
    assert result.stopped_early == (patience == 3)
    assert result.steps == (8 if patience == 3 else 12)


def test_a_checkpoint_that_stores_an_early_stop_is_read(tmp_path: Path) -> None:
    settings = {"epochs": 3, "select": "score"}
    first = trained(Scripted([0.9, 0.8]), tmp_path, **settings, patience=1)
    tensors, state = read_tensors(first.last_path)
    state["position"]["stopped_early"] = True  # as earlier versions did
    write_tensors(first.last_path, tensors, state)
    assert trained(Scripted([]), tmp_path, **settings, patience=1) == first
    assert trained(Scripted([0.95]), tmp_path, **settings).best_metrics["score"] == 0.95


def test_unknown_selection_metric_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'score'"):
        trained(Scripted([1.0]), tmp_path, select="scores")
    with pytest.raises(ConfigError, match="it gives none"):
        trained(make("pairs"), tmp_path / "none", select="score")


def test_selection_is_checked_before_the_first_step_where_the_task_says_its_metrics(tmp_path: Path) -> None:
    task = Scripted([])
    task.metric_names = ("score", "other")
    with pytest.raises(ConfigError, match="did you mean 'score'"):
        trained(task, tmp_path / "out", select="scores")
    assert not task.seen and not (tmp_path / "out").exists()


def test_each_epoch_has_one_line_and_evaluations_keep_their_rhythm(tmp_path: Path) -> None:
    result = trained(make("regression"), tmp_path, epochs=5, evaluate_every=2)
    found = lines(result)
    assert [line["epoch"] for line in found] == [1, 2, 3, 4, 5]
    assert [line["step"] for line in found] == [5, 10, 15, 20, 25]
    assert [bool(line["validation"]) for line in found] == [False, True, False, True, True]  # the last one always
    assert set(found[0]["terms"]) == {"square", "known"}
    assert found[0]["loss"] == pytest.approx(found[0]["terms"]["square"] + 0.5 * found[0]["terms"]["known"], rel=1e-6)
    assert found[0]["gradient_norm"] > 0


class Uneven(Points):
    """Epochs that leave out up to two batches."""

    def order(self, batch_size, generator):
        whole = super().order(batch_size, generator)
        first = int(torch.randint(3, (1,), generator=generator))
        return whole[:-first] if first else whole


def test_epochs_with_different_numbers_of_batches_are_all_finished(tmp_path: Path) -> None:
    results = {}
    for seed in (0, 6):
        task = Regression(Uneven(80))
        run = RunConfig(**{**FAST, "epochs": 5, "evaluate_every": 3, "schedule": "warmup-cosine", "seed": seed})
        result = fit(task, run, tmp_path / str(seed))
        found = lines(result)
        assert [line["epoch"] for line in found] == [1, 2, 3, 4, 5]
        assert [bool(line["validation"]) for line in found] == [False, False, True, False, True]
        assert found[-1]["step"] == result.steps
        assert fit(Regression(Uneven(80)), run, tmp_path / str(seed)) == result  # nothing is left to do
        results[seed] = result.steps - 5 * found[0]["step"]
    assert min(results.values()) < 0 < max(results.values())  # both kinds: more and fewer than the first epoch tells


def test_max_steps_ends_within_an_epoch(tmp_path: Path) -> None:
    result = trained(make("regression"), tmp_path, max_steps=7)
    assert result.steps == 7
    assert [line["step"] for line in lines(result)] == [5, 7]


def test_more_epochs_continue_a_constant_run_bit_for_bit(tmp_path: Path) -> None:
    straight, continued = make("dropout"), make("dropout")
    trained(straight, tmp_path / "straight", epochs=4)
    trained(make("dropout"), tmp_path / "parts", epochs=2)
    result = trained(continued, tmp_path / "parts", epochs=4)
    assert difference(weights(straight), weights(continued)) == 0
    assert [line["epoch"] for line in lines(result)] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"learning_rate": 0.5}, "run.learning_rate was 0.01 and is 0.5"), ({"batch_size": 4}, "run.batch_size")],
)
def test_other_settings_do_not_continue_a_run(tmp_path: Path, settings: dict, named: str) -> None:
    trained(make("regression"), tmp_path, max_steps=2)
    with pytest.raises(TrainingError) as caught:
        trained(make("regression"), tmp_path, **settings)
    assert named in str(caught.value)


def test_more_epochs_do_not_continue_a_run_whose_schedule_depends_on_them(tmp_path: Path) -> None:
    trained(make("regression"), tmp_path, epochs=1, schedule="warmup-cosine")
    with pytest.raises(TrainingError, match=r"run\.epochs was 1 and is 4"):
        trained(make("regression"), tmp_path, schedule="warmup-cosine")


def test_other_model_or_extra_settings_do_not_continue_a_run(tmp_path: Path) -> None:
    run = RunConfig(**FAST, max_steps=2)
    fit(make("regression"), run, tmp_path, {"width": {"head": 16}})
    with pytest.raises(TrainingError, match=r"config\.width\.head was 16 and is 32"):
        fit(make("regression"), run, tmp_path, {"width": {"head": 32}})
    with pytest.raises(TrainingError, match="weights of another model"):
        fit(make("pairs"), run, tmp_path, {"width": {"head": 16}})


def test_settings_versions_and_picture_lie_beside_the_checkpoint(tmp_path: Path) -> None:
    fit(make("regression"), RunConfig(**FAST, select="error", select_mode="min"), tmp_path, {"width": 16})
    document = json.loads((tmp_path / "run.json").read_text())
    assert document["run"] == RunConfig(**FAST, select="error", select_mode="min").model_dump(mode="json")
    assert document["config"] == {"width": 16}
    assert document["version"]["torch"] == torch.__version__
    assert len(document["version"]["sources_sha256"]) == 64
    _, state = read_tensors(tmp_path / "last.safetensors")
    assert state["settings"] == {"run": document["run"], "config": document["config"]}
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_after_step_is_called(tmp_path: Path) -> None:
    task = make("pairs")
    with torch.no_grad():
        task.model.scale.fill_(7.0)
    trained(task, tmp_path, max_steps=1)
    assert task.model.scale.item() == 4.0


def test_bf16_trains(tmp_path: Path) -> None:
    plain, half = make("regression"), make("regression")
    trained(plain, tmp_path / "plain")
    trained(half, tmp_path / "half", precision="bf16")
    assert 0 < difference(weights(plain), weights(half)) < 0.05
    assert all(tensor.dtype == torch.float32 for tensor in weights(half).values())


def test_outermost_modules_are_those_not_called_by_others() -> None:
    task = make("regression")
    with outermost_calls(task.model) as called:
        task.predict(task.data.x)
        task.predict(task.data.x)
    assert called == [task.model["body"], task.model["head"]]
    task.predict(task.data.x)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in task.model.modules())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
def test_compiled_pieces_train_like_the_plain_ones(tmp_path: Path) -> None:
    plain, compiled = make("regression"), make("regression")
    trained(plain, tmp_path / "plain", epochs=2)
    trained(compiled, tmp_path / "compiled", epochs=2, compile=True)
    assert compiled.model["body"]._compiled_call_impl is not None
    assert compiled.model["body"][0]._compiled_call_impl is None
    assert difference(weights(plain), weights(compiled)) < 1e-5


def test_progress_is_shown_on_stderr_only_if_asked(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    trained(make("regression"), tmp_path / "quiet")
    assert capfd.readouterr() == ("", "")
    fit(make("regression"), RunConfig(**FAST), tmp_path / "shown", progress=True)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "20/20" in captured.err
    assert "seed 0, device cpu, processes 1" in captured.err
    assert "epoch 4" in captured.err


def test_a_line_of_an_epoch_stays_one_line_in_a_log(capfd: pytest.CaptureFixture[str]) -> None:
    values = {f"VCMR-R{k}@{iou}": 12.345 for k in (1, 5, 10) for iou in (0.3, 0.5, 0.7)}
    with progress.ProgressBar(True, 4, 0) as bar:
        bar.note("files in runs/[bold]a")
        bar.epoch({"epoch": 1, "loss": 0.5, "validation": values})
    lines = capfd.readouterr().err.splitlines()
    assert "files in runs/[bold]a" in lines
    assert any(line.startswith("epoch 1") and "VCMR-R10@0.7 12.3" in line for line in lines)


class Curves:
    """In the place of TensorBoard's writer: what it shows, where later points hide those before `purge_step`."""

    shown: ClassVar[dict[str, list[int]]] = {}
    open: ClassVar[int] = 0

    def __init__(self, folder: str, purge_step: int | None = None) -> None:
        for name, steps in self.shown.items():
            self.shown[name] = [step for step in steps if purge_step is None or step < purge_step]
        Curves.open += 1

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.shown.setdefault(name, []).append(step)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        Curves.open -= 1


def test_curves_of_a_continued_run_have_each_point_once_and_are_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=Curves))
    Curves.shown.clear()

    def fail() -> None:
        raise DataError("the seventh step fails here")

    with pytest.raises(DataError):
        trained(Interrupted(fail, 7), tmp_path, tensorboard=True)
    assert Curves.shown["loss"] == [1, 2, 3, 4, 5, 6]
    result = trained(Interrupted(lambda: None), tmp_path, tensorboard=True)
    assert Curves.shown["loss"] == list(range(1, result.steps + 1))
    assert Curves.shown["validation/error"] == [5, 10, 15, 20]
    assert Curves.open == 0


class Interrupted(Regression):
    """Does something in one of its steps."""

    def __init__(self, act, step: int = 2) -> None:
        super().__init__(Points(40))
        self.act, self.step, self.calls = act, step, 0

    def losses(self, batch, generator) -> Losses:
        self.calls += 1
        if self.calls == self.step:
            self.act()
        return super().losses(batch, generator)


def test_a_second_run_in_a_folder_is_refused_and_leaves_the_first_alone(tmp_path: Path) -> None:
    (tmp_path / "run.lock").write_text('{"pid": 1}')  # left by a run that was killed

    def second() -> None:
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        with pytest.raises(LibraryError, match=f"is being written by process {os.getpid()} on .*; expected one writer"):
            trained(make("regression"), tmp_path)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before

    first, alone = Interrupted(second), Interrupted(lambda: None)
    result = trained(first, tmp_path)
    assert first.calls == result.steps == 20
    trained(alone, tmp_path / "alone")
    assert difference(weights(first), weights(alone)) == 0
    assert trained(make("regression"), tmp_path) == result  # the folder is free again


def test_tensorboard_without_its_package_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from importlib.util import find_spec

    if find_spec("tensorboard") is None:
        with pytest.raises(ConfigError, match="install it"):
            trained(make("regression"), tmp_path, tensorboard=True)
    else:
        trained(make("regression"), tmp_path, tensorboard=True)
        assert list((tmp_path / "tensorboard").iterdir())


class OverWeighted(Regression):
    def losses(self, batch, generator) -> Losses:
        assert dict(batch.counts).keys() == {"samples", "known"}
        return super().losses(batch, generator)


def test_counts_without_any_item_divide_by_one(tmp_path: Path) -> None:
    task = OverWeighted(Points(16))
    task.data.known[:] = False
    result = trained(task, tmp_path, accumulate=3)
    assert all(line["terms"]["known"] == 0 for line in lines(result))
