"""Configurations that Python code makes of wrong values are refused in one line."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from math import inf
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from torch import zeros

import coarse_to_fine
from coarse_to_fine.coarse_grained.candidates import CandidateConfig
from coarse_to_fine.coarse_grained.t_mass.config import TMassConfig
from coarse_to_fine.coarse_grained.t_mass.training import TMassRecipe
from coarse_to_fine.config import parse_config
from coarse_to_fine.errors import ConfigError
from coarse_to_fine.features.sampling import Sampling
from coarse_to_fine.fine_grained.mesm.config import MesmConfig
from coarse_to_fine.fine_grained.qd_detr.config import QdDetrConfig
from coarse_to_fine.fine_grained.train import FineTraining
from coarse_to_fine.frozen_config import FrozenConfig
from coarse_to_fine.fusion import FusionConfig
from coarse_to_fine.main_pipeline.run_config import SplitFile, Stage


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sampling(clip_second=1), "Sampling: unknown key 'clip_second', did you mean 'clip_seconds'?"),
        (lambda: Sampling(clip_seconds=-1), "Sampling: clip_seconds is -1: input should be greater than 0"),
        (
            lambda: Sampling(segment_seconds=5),
            "Sampling: segment_seconds is 5; expected a multiple of clip_seconds (2); take 4",
        ),
        (
            lambda: Sampling(segment_seconds=10),
            "Sampling: segment_overlap_seconds is 30; expected less than segment_seconds 10; lower it",
        ),
        (lambda: Sampling(segment_seconds=inf), "Sampling: segment_seconds is inf: input should be a finite number"),
        (lambda: FusionConfig(temperature=inf), "FusionConfig: temperature is inf: input should be a finite number"),
        (lambda: FusionConfig(alpha=zeros(3)), "FusionConfig: alpha is of type Tensor: input should be a valid number"),
        (
            lambda: CandidateConfig(kept=0, fraction=2),
            "CandidateConfig: kept is 0: input should be greater than or equal to 1; "
            "fraction is 2: input should be less than or equal to 1",
        ),
        (lambda: TMassConfig(trials="many"), "TMassConfig: trials is 'many': input should be a valid integer"),
        (lambda: QdDetrConfig(video_feature_dims=5), "QdDetrConfig: video_feature_dims is 5: expected a list"),
        (lambda: MesmConfig(heads=5), "MesmConfig: "),
        (SplitFile, "SplitFile: the key 'annotations' is missing; add it"),
        (Stage, "Stage: give config (a training configuration) or model"),
        (
            lambda: TMassRecipe(name="t-mass", architecture={"embed_dims": 4}),
            "TMassRecipe: unknown key 'architecture.embed_dims', did you mean 'embed_dim'?",
        ),
        (
            lambda: FineTraining(recipe={"name": "qd-detr"}, run=3),
            "FineTraining: run is 3: expected an object of its class, or a dict",
        ),
    ],
)
def test_wrong_values_are_refused_in_one_line(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_every_configuration_of_the_package_says_it_so() -> None:
    for module in pkgutil.walk_packages(coarse_to_fine.__path__, "coarse_to_fine."):
        if module.name.startswith("coarse_to_fine.web") or module.name.endswith("__main__"):
            continue
        for name, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(found, BaseModel) and found.__module__ == module.name:
                assert issubclass(found, FrozenConfig), f"{module.name}.{name}"
                assert found.model_config["frozen"]


def test_a_section_in_a_file_is_named_by_its_place_in_the_file() -> None:
    values: dict[str, Any] = {"name": "t-mass", "architecture": {"trials": 0}}
    with pytest.raises(ConfigError, match=r"^a.yaml: architecture.trials is 0: input should be greater"):
        parse_config(TMassRecipe, values, "a.yaml")
    with pytest.raises(ValidationError, match=r"architecture\.trials"):
        TMassRecipe.model_validate(values)


@pytest.mark.parametrize("name", ["clip_seconds", "clip_second"])
def test_a_value_that_is_set_afterwards_is_refused(name: str) -> None:
    sampling = Sampling()
    with pytest.raises(ConfigError, match=rf"^Sampling.{name} cannot be set; .*model_copy"):
        setattr(sampling, name, 1.0)
    assert sampling == Sampling()
