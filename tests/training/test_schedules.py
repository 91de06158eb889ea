from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from coarse_to_fine.config import load_config
from coarse_to_fine.errors import ConfigError
from coarse_to_fine.training import RunConfig
from coarse_to_fine.training.schedules import linear_warmup, rate_factor, warmup_cosine


def test_warmup_cosine_starts_at_zero_peaks_after_the_warmup_and_ends_at_zero() -> None:
    factors = [warmup_cosine(step, 100, 10) for step in range(101)]
    assert factors[0] == 0
    assert factors[5] == 0.5
    assert factors[10] == 1 == max(factors)
    assert factors[55] == pytest.approx(0.5)
    assert factors[100] == pytest.approx(0, abs=1e-12)
    assert warmup_cosine(150, 100, 10) == factors[100]  # stays there
    assert all(a > b for a, b in pairwise(factors[10:]))


def test_step_schedule_equals_torch_step_lr() -> None:
    run = RunConfig(schedule="step", step_epochs=3, step_factor=0.1)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.StepLR(optimizer, 3, 0.1)
    for epoch in range(10):
        assert rate_factor(run, epoch * 7, epoch, 70) == pytest.approx(reference.get_last_lr()[0], rel=1e-12)
        optimizer.step()
        reference.step()


def test_constant_schedule_rises_over_the_warmup_and_stays() -> None:
    run = RunConfig(warmup=0.25)
    assert [rate_factor(run, step, 0, 8) for step in range(8)] == [0, 0.5, 1, 1, 1, 1, 1, 1]
    assert rate_factor(RunConfig(), 0, 0, 8) == 1


def test_warmup_steps_are_rounded_down() -> None:
    run = RunConfig(schedule="warmup-cosine", warmup=0.1)
    assert rate_factor(run, 1, 0, 19) == 1  # int(1.9) = 1 step of warm-up
    assert rate_factor(run, 0, 0, 9) == 1  # none


def test_no_warmup_and_runs_of_one_step_are_defined() -> None:
    assert linear_warmup(0, 0) == 1
    assert warmup_cosine(0, 1, 0) == 1
    assert math.isfinite(warmup_cosine(1, 1, 1))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (["schedule=step"], "step_epochs"),
        (["patience=3"], "select"),
        (["accumulate=9", "batch_size=8"], "accumulate"),
        (["learning_rates=1"], "did you mean 'learning_rate'"),
        (["groups=[{patern: x, learning_rate: 1}]"], "did you mean 'pattern'"),
        (["optimizer=sgd"], "'adamw' or 'adam-decoupled'"),
    ],
)
def test_settings_that_do_not_fit_are_refused_by_name(settings: list[str], named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(RunConfig, None, settings)
    assert named in str(caught.value)


def test_every_setting_is_described() -> None:
    assert all(field.description for field in RunConfig.model_fields.values())
