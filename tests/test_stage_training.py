"""Features that do not fit a training are refused in one line, before there is a run folder."""

from __future__ import annotations

import pytest
import torch

from coarse_to_fine.coarse_grained.mean_pool.model import MeanPool
from coarse_to_fine.coarse_grained.train import CoarseTraining, train_coarse
from coarse_to_fine.errors import DataError, FingerprintError, UserError
from coarse_to_fine.features.training_set import extract_annotated
from coarse_to_fine.fine_grained import load_fine
from coarse_to_fine.fine_grained.train import FineTraining, train_fine
from coarse_to_fine.stage_evaluation import evaluate_coarse, evaluate_fine
from tests.cli.conftest import ctf
from tests.features.random_set import write_random_set
from tests.fine_grained.conftest import SMALL
from tests.fine_grained.learnable import examples
from tests.library.small_encoder import SmallEncoder

__all__ = ["ctf"]
WIDTH = 16
CONFIGS = {
    "coarse": ["--config", "configs/coarse/t-mass-world.yaml", "--set", f"recipe.architecture.embed_dim={WIDTH}"],
    "fine": ["--config", "configs/fine/qd-detr-world.yaml", "--set", "recipe.aligned_to=null"],
}


def features(folder, prefix, encoders=("one", "one"), width=WIDTH):
    frames = [[torch.randn(12, width)] for _ in range(4)]
    return write_random_set(folder, frames, range(4), width, prefix=prefix, encoders=encoders)


def train(ctf, stage, learned, held_out, tmp_path):
    result = ctf("train", stage, *CONFIGS[stage], "--train", learned, "--validation", held_out, "--out", tmp_path / "r")
    assert not (tmp_path / "r").exists()
    assert (result.code, result.err.strip().count("\n")) == (2, 0), result.err
    return result.err


@pytest.mark.parametrize("stage", CONFIGS)
def test_videos_and_sentences_of_several_encoders_are_refused(ctf, tmp_path, stage):
    same, mixed = features(tmp_path / "same", "a"), features(tmp_path / "mixed", "b", ("one", "two"))
    other = features(tmp_path / "other", "c", ("two", "two"))
    for sets in ((mixed, same), (same, mixed), (same, other)):
        said = train(ctf, stage, *sets, tmp_path)
        assert "was made by the encoder random (fingerprint one), " in said
        assert "expected one encoder; extract both anew with the same" in said


def test_features_of_another_width_are_refused_by_the_command(ctf, tmp_path):
    learned, held_out = features(tmp_path / "train", "a"), features(tmp_path / "val", "b")
    said = train(ctf, "fine", learned, held_out, tmp_path)
    assert "the training features have clips of 1 channels and words of 1, the architecture 160" in said
    wide = features(tmp_path / "wide", "b", width=WIDTH + 2)
    said = train(ctf, "coarse", learned, wide, tmp_path)
    assert f"the validation features have 12 frames of width {WIDTH + 2} and sentences of {WIDTH + 2}" in said


@pytest.mark.parametrize("name", ["qd-detr", "mesm"])
@pytest.mark.parametrize("changed", ["video_feature_dims", "text_feature_dim"])
def test_clips_and_words_of_another_width_are_refused_before_the_first_step(tmp_path, name, changed):
    architecture = {**SMALL[name], changed: [5] if changed == "video_feature_dims" else 5}
    recipe = {"name": name, "architecture": architecture}
    config = FineTraining.model_validate({"recipe": recipe, "run": {"epochs": 1, "device": "cpu"}})
    with pytest.raises(DataError, match=r"the training features have clips of .*; set recipe.architecture.video_feat"):
        train_fine(config, examples(4, 1), [], tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_nothing_is_measured_on_features_of_several_encoders(tmp_path):
    mixed = features(tmp_path / "mixed", "a", ("one", "two"))
    for measure, model in ((evaluate_coarse, MeanPool()), (evaluate_fine, load_fine("similarity"))):
        with pytest.raises(FingerprintError, match="expected one encoder"):
            measure(model, mixed)


@pytest.mark.parametrize(("train", "kind"), [(train_fine, "FineTraining"), (train_coarse, "CoarseTraining")])
def test_a_training_takes_its_configuration_read(tmp_path, train, kind):
    for given in ("configs/fine/qd-detr-world.yaml", {}, None):
        with pytest.raises(UserError, match=f"config is .*; expected a {kind}; read it: load_config"):
            train(given, [], [], tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("given", ["feats/train", 5, None, [1]])
def test_a_training_takes_examples_read(tmp_path, given):
    recipes = (
        {"name": "qd-detr", "architecture": SMALL["qd-detr"]},
        {"name": "t-mass", "architecture": {"embed_dim": 512}},
    )
    for train, kind, recipe in zip((train_fine, train_coarse), (FineTraining, CoarseTraining), recipes):
        config = kind.model_validate({"recipe": recipe, "run": {"epochs": 1, "device": "cpu"}})
        with pytest.raises(UserError, match=r"^a split is .*; expected a list of training examples; read"):
            train(config, given, examples(4, 1), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("given", ["own.jsonl", ["a"], None])
def test_what_is_extracted_are_annotations_read(tmp_path, given):
    with pytest.raises(UserError, match=r"^found is .*; expected annotations; read them: load_annotations"):
        extract_annotated(given, tmp_path, SmallEncoder(), tmp_path / "out")
    assert not (tmp_path / "out").exists()
