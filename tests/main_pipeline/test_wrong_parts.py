"""A pipeline made of something else than a library and two models says what it got, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from coarse_to_fine.coarse_grained import load_coarse
from coarse_to_fine.coarse_grained.t_mass.model import TMass
from coarse_to_fine.errors import ConfigError, UserError
from coarse_to_fine.fine_grained import load_fine
from coarse_to_fine.fine_grained.load import FINE_MODELS
from coarse_to_fine.library import Library
from coarse_to_fine.main_pipeline import Pipeline
from tests.library.small_encoder import SmallEncoder

COARSE, FINE = load_coarse("mean-pool"), load_fine("similarity")
WRONG = {
    "a class": (TMass, "is the class TMass; expected .*; give an object of such a class"),
    "a class of the other stage": (FINE_MODELS["qd-detr"], "is the class QdDetr; "),
    "another module": (torch.nn.Linear(2, 2), "is of type Linear; "),
    "a number": (5, "is 5; expected"),
    "a list": (["mean-pool"], r"is \['mean-pool'\]; expected"),
    "a dict": ({}, "is {}; expected"),
}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    with Library.create(tmp_path_factory.mktemp("parts") / "library.ctf", encoder=SmallEncoder()) as made:
        yield made


def ways(library, coarse, fine):
    joined = Pipeline(library, COARSE, FINE)
    return [
        lambda: Pipeline(library, coarse or COARSE, fine or FINE),
        lambda: Pipeline.load(library, coarse or COARSE, fine or FINE),
        lambda: joined.with_models(coarse, fine),
    ]


@pytest.mark.parametrize(("given", "message"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("stage", ["coarse", "fine"])
def test_what_is_no_model_is_refused_everywhere(library, stage, given, message):
    one_of = {"coarse": None, "fine": None, stage: given or {"": 0}}
    message = message if given else "is {'': 0}; "
    for way in ways(library, one_of["coarse"], one_of["fine"]):
        with pytest.raises(UserError, match=f"^{stage} {message}"):
            way()


def test_a_model_of_the_other_stage_is_refused(library):
    for way in ways(library, FINE, None):
        with pytest.raises(UserError, match=r"coarse is of type Similarity; expected a coarse model"):
            way()
    for way in ways(library, None, COARSE):
        with pytest.raises(UserError, match=r"fine is of type MeanPool; expected a fine model"):
            way()


@pytest.mark.parametrize("given", ["mean-pool", Path("mean-pool"), None])
def test_loaded_parts_are_no_names(library, given):
    for parts in ((library, given, FINE), (library, COARSE, given)):
        with pytest.raises(UserError, match=r"call Pipeline.load with a name or a folder"):
            Pipeline(*parts)


@pytest.mark.parametrize("given", ["videos.ctf", None, Library, COARSE])
def test_what_is_no_open_library_is_refused(given):
    with pytest.raises(UserError, match=r"library is .*; expected an open library; open it with Library.open"):
        Pipeline(given, COARSE, FINE)


def test_fusion_and_engine_of_another_kind_are_refused(library):
    for way in (Pipeline, Pipeline.load):
        with pytest.raises(UserError, match=r"fusion is {'alpha': 0.3}; expected a FusionConfig"):
            way(library, COARSE, FINE, fusion={"alpha": 0.3})
        with pytest.raises(UserError, match=r"engine is 'milvus'; expected"):
            way(library, COARSE, FINE, engine="milvus")


@pytest.mark.parametrize("given", [None, ["cpu"]])
def test_a_device_that_is_no_name_is_refused(library, given):
    with pytest.raises(ConfigError, match=r"device .* is not usable here; expected auto, cpu"):
        Pipeline.load(library, device=given)
