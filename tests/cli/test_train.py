"""The device of `ctf train` is the command line's in every part of a training, and is checked first."""

from __future__ import annotations

import pytest

from coarse_to_fine.cli.train import on_device
from coarse_to_fine.coarse_grained.train import CoarseTraining
from coarse_to_fine.config import load_config
from coarse_to_fine.encoders.train import EncoderTrainingConfig
from coarse_to_fine.fine_grained.train import FineTraining
from coarse_to_fine.shipped_configs import shipped_configs

KINDS = {"encoder": EncoderTrainingConfig, "coarse": CoarseTraining, "fine": FineTraining}


@pytest.mark.parametrize(
    ("kind", "name", "runs"),
    [
        ("encoder", "tiny-world", ("run", "patches_first")),
        ("coarse", "t-mass-world", ("run",)),
        ("fine", "mesm-world", ("run",)),
    ],
)
def test_every_part_takes_the_device_and_keeps_the_rest(kind, name, runs):
    settings = load_config(KINDS[kind], shipped_configs(kind)[name])
    found = on_device(settings, "mps")
    assert {getattr(found, run).device for run in runs} == {"mps"}
    assert on_device(found, "cpu") == on_device(settings, None) == settings


def test_a_device_that_is_not_here_is_said_before_pictures_are_drawn(ctf, tmp_path):
    out = tmp_path / "run"
    result = ctf("train", "encoder", "--config", "configs/encoder/tiny-world.yaml", "--out", out, "--device", "tpu")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "device 'tpu' is not usable here" in result.err
    assert not out.exists()
