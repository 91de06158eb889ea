from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from coarse_to_fine.errors import DataError, TrainingError
from coarse_to_fine.spans import pairwise_giou
from coarse_to_fine.training import Batch, Losses, RunConfig, TrainingTask, fit
from coarse_to_fine.training.checkpoints import read_tensors
from coarse_to_fine.training.guard import bad_inputs
from tests.training.tasks import Pairs, Points, Regression

RUN = RunConfig(epochs=3, batch_size=8, learning_rate=1e-2, checkpoint_every_steps=1, device="cpu")


def message(task: TrainingTask, out: Path, run: RunConfig = RUN) -> str:
    with pytest.raises(TrainingError) as caught:
        fit(task, run, out)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_infinite_input_is_named_with_step_term_and_sample(tmp_path: Path) -> None:
    text = message(Regression(Points(40, bad=13)), tmp_path)
    assert "step 2: the loss term square is nan, the loss term known is nan" in text
    assert "sample point-13: input x is not finite" in text


def test_last_good_checkpoint_is_intact_and_goes_on_with_good_data(tmp_path: Path) -> None:
    message(Regression(Points(40, bad=13)), tmp_path / "stopped")
    tensors, state = read_tensors(tmp_path / "stopped" / "last.safetensors")
    assert state["position"]["step"] == 2
    assert all(bool(torch.isfinite(tensor.float()).all()) for tensor in tensors.values())
    straight, continued = Regression(Points(40)), Regression(Points(40))
    fit(straight, RUN, tmp_path / "straight")
    fit(continued, RUN, tmp_path / "stopped")  # the first two steps did not see the bad sample
    for a, b in zip(straight.model.parameters(), continued.model.parameters()):
        assert torch.equal(a, b)


def test_sample_is_named_in_a_contrastive_step_of_several_parts(tmp_path: Path) -> None:
    for accumulate in (1, 3):
        text = message(
            Pairs(Points(40, bad=13)), tmp_path / str(accumulate), RUN.model_copy(update={"accumulate": accumulate})
        )
        assert "step 2: the loss term forth is nan" in text
        assert "sample point-13: input x is not finite" in text


class Refusing(Points):
    """A sample that the data itself refuses."""

    def batch(self, indices: Sequence[int], generator: torch.Generator) -> Batch:
        if 13 in indices:
            raise DataError("the features of point-13 hold inf")
        return super().batch(indices, generator)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_sample_that_the_data_refuses_is_named_with_its_step(tmp_path: Path, workers: int) -> None:
    with pytest.raises(DataError, match=r"^step 2: .*point-13"):
        fit(Regression(Refusing(40)), RUN.model_copy(update={"workers": workers}), tmp_path)


class Windows(Regression):
    """One target window has no width; the model's loss divides by it."""

    def losses(self, batch: Batch, generator: torch.Generator) -> Losses:
        start = batch.data["y"]
        width = torch.where(batch.data["x"][:, 0] == self.data.x[5, 0], 0.0, 1.0)
        target = torch.stack([start, start + width], dim=-1)
        predicted = torch.stack([self.predict(batch.data["x"]), start + 2], dim=-1)
        giou = (1 - pairwise_giou(predicted, target).diag()) / width
        return Losses(giou.sum() / batch.counts["samples"], {"giou": giou.sum() / batch.counts["samples"]})


def test_degenerate_window_is_named_by_its_sample(tmp_path: Path) -> None:
    text = message(Windows(Points(16)), tmp_path)
    assert "the loss term giou is inf" in text
    assert "sample point-5 fails by itself" in text
    assert "point-4 fails" not in text


class Rooted(Regression):
    """A finite loss whose gradient is not: the root of zero."""

    def losses(self, batch: Batch, generator: torch.Generator) -> Losses:
        losses = super().losses(batch, generator)
        return Losses(losses.total + (self.model["head"].bias * 0).abs().sqrt().sum(), losses.terms)


def test_gradient_that_is_not_finite_is_named_by_its_parameter(tmp_path: Path) -> None:
    text = message(Rooted(Points(16)), tmp_path)
    assert "step 0: the gradient of head.bias is not finite" in text
    assert "samples point-" in text
    assert not (tmp_path / "last.safetensors").exists()


class Overflowing(Regression):
    """The last layer overflows in half precision."""

    def losses(self, batch: Batch, generator: torch.Generator) -> Losses:
        losses = super().losses(batch, generator)
        return Losses(losses.total, {**losses.terms, "half": (losses.total.half() + 65000) * 4})


def test_term_that_is_only_logged_is_guarded_too(tmp_path: Path) -> None:
    assert "the loss term half is inf" in message(Overflowing(Points(16)), tmp_path)


def test_names_of_bad_tensors_follow_the_nesting() -> None:
    good, bad = torch.ones(2), torch.tensor([1.0, float("nan")])
    data = {"clips": [good, bad], "ids": torch.arange(2), "text": ("a", {"tokens": bad})}
    assert list(bad_inputs(data)) == ["clips.1", "text.1.tokens"]
    assert list(bad_inputs(bad)) == ["data"]
