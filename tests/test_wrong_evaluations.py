"""Evaluations of something else than expected say so before any work, in one line."""

from __future__ import annotations

import json

import numpy as np
import pytest

from coarse_to_fine.coarse_grained import load_coarse
from coarse_to_fine.coarse_grained.t_mass.model import TMass
from coarse_to_fine.config import load_config
from coarse_to_fine.datasets.formats import load_annotations
from coarse_to_fine.datasets.layout import read_annotations
from coarse_to_fine.encoders.load import load_encoder
from coarse_to_fine.errors import ConfigError, CtfError, UserError
from coarse_to_fine.evaluation.compare import compare_predictions
from coarse_to_fine.evaluation.evaluate import evaluate_predictions
from coarse_to_fine.evaluation.html_report import write_html
from coarse_to_fine.evaluation.predictions import read_predictions
from coarse_to_fine.evaluation.truth import read_truth
from coarse_to_fine.experiment import choose_fusion, evaluate_pipeline, read_queries
from coarse_to_fine.features.store import FeatureReader
from coarse_to_fine.features.training_set import training_examples
from coarse_to_fine.fine_grained import load_fine
from coarse_to_fine.fine_grained.train import FineTraining
from coarse_to_fine.fusion import read_fusion
from coarse_to_fine.library import Library
from coarse_to_fine.main_pipeline import Pipeline
from coarse_to_fine.stage_evaluation import evaluate_coarse, evaluate_fine
from tests.library.small_encoder import SmallEncoder


@pytest.fixture
def pipeline(tmp_path):
    with Library.create(tmp_path / "library.ctf", encoder=SmallEncoder()) as library:
        yield Pipeline(library, load_coarse("mean-pool"), load_fine("similarity"))


@pytest.fixture
def files(tmp_path):
    truth, answers = tmp_path / "truth.jsonl", tmp_path / "answers.jsonl"
    row = {"qid": 1, "query": "a dog", "vid": "v", "duration": 30, "relevant_windows": [[2, 8]]}
    truth.write_text(json.dumps(row) + "\n")
    answers.write_text(json.dumps({"qid": 1, "pred_relevant_windows": [[2, 7, 0.9]]}) + "\n")
    return answers, truth


def refused(call, message, kind=UserError):
    with pytest.raises(kind, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("given", [None, 5, b"truth.jsonl", ["truth.jsonl"]])
def test_files_and_folders_are_paths(files, given):
    for way in (
        lambda: read_truth(given),
        lambda: read_predictions(given),
        lambda: read_queries(given, "test"),
        lambda: evaluate_predictions("moments", given, files[1]),
        lambda: evaluate_predictions("moments", files[0], given),
        lambda: evaluate_coarse(load_coarse("mean-pool"), given),
        lambda: evaluate_fine(load_fine("similarity"), given),
        lambda: training_examples(given),
        lambda: FeatureReader(given),
        lambda: load_annotations(given),
        lambda: read_annotations(given, "test"),
        lambda: read_fusion(given),
        lambda: TMass.from_pretrained(given),
        lambda: load_coarse("mean-pool").save_pretrained(given),
    ):
        refused(way, " is .*; expected a path; ")
    if given is not None:
        refused(lambda: load_config(FineTraining, given), "the configuration is .*; expected a path")
        refused(lambda: evaluate_predictions("videos", *files, gallery=given), "gallery is .*; expected a path")


def test_a_pipeline_is_measured_on_queries(pipeline, files):
    truth = read_truth(files[1])
    for given in (None, files[1], str(files[1]), [truth]):
        for way in (evaluate_pipeline, choose_fusion):
            refused(
                lambda way=way, given=given: way(pipeline, given), "what is asked is .*; expected queries; read the"
            )
    refused(lambda: evaluate_pipeline(pipeline, truth, train=files[1]), "train is .*; expected queries")
    for given in (None, "library.ctf", pipeline.library):
        refused(lambda given=given: evaluate_pipeline(given, truth), "pipeline is .*; expected a Pipeline; load one")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"thresholds": 0.5}, "IoU thresholds 0.5; expected at least one"),
        ({"thresholds": ["0.5"]}, r"IoU thresholds \['0.5'\]; expected"),
        ({"thresholds": None}, "IoU thresholds None; expected"),
        ({"resamples": "5"}, "resamples is '5'; expected a whole number"),
        ({"resamples": None}, "resamples is None; expected a whole number"),
        ({"resamples": -1}, "resamples is -1, .*; expected 0 or more"),
        ({"seed": "x"}, "seed is 'x'; expected a whole number"),
        ({"missing": "skip"}, "missing is 'skip'; expected"),
    ],
)
def test_options_are_checked_first(pipeline, files, options, message):
    refused(lambda: evaluate_predictions("moments", *files, **options), message)
    if "seed" not in options:
        refused(lambda: evaluate_pipeline(pipeline, read_truth(files[1]), **options), message)


def test_more_options_are_checked(pipeline, files):
    refused(lambda: evaluate_predictions("moments", *files, seed=-1), "their seed -1; expected 0 or more", ConfigError)
    refused(lambda: evaluate_predictions(["moments"], *files), r"task is \['moments'\]; expected one of", ConfigError)
    truth = read_truth(files[1])
    refused(lambda: evaluate_pipeline(pipeline, truth, progress=True), "progress is True; expected a function")


def test_a_comparison_checks_its_resamples_first(files):
    refused(lambda: compare_predictions("moments", files[1], files[0], files[0], resamples=-1), "resamples is -1, .*;")


def test_thresholds_may_be_an_array(files):
    report = evaluate_predictions("moments", *files, thresholds=np.array([0.5, 0.7]), resamples=0)
    assert report.value("R1@0.5") == 100.0


def test_a_stage_is_measured_by_its_model(tmp_path):
    refused(lambda: evaluate_coarse("mean-pool", tmp_path), "model is 'mean-pool'; expected a coarse model; load one")
    refused(lambda: evaluate_fine("similarity", tmp_path), "model is 'similarity'; expected a fine model; load one")


def test_reports_are_written_to_text_paths_too(files, tmp_path):
    report = evaluate_predictions("moments", *files, resamples=0)
    write_html(str(tmp_path / "page.html"), report)
    report.write_json(str(tmp_path / "report.json"))
    assert (tmp_path / "page.html").is_file() and (tmp_path / "report.json").is_file()
    refused(lambda: report.write_json(None), "path is None; expected a path")
    refused(lambda: write_html(report, tmp_path / "page.html"), "path is of type Report; expected a path")


@pytest.mark.parametrize("given", ["gpu", None, ["cpu"]])
def test_models_and_encoders_refuse_devices_that_are_not_here(given):
    for way in (lambda: load_coarse("mean-pool", device=given), lambda: load_encoder("tiny-world", device=given)):
        refused(way, "device .* is not usable here; expected auto, cpu", CtfError)
    refused(lambda: load_encoder("tiny-world", precision=16), "precision 16; expected fp32 or bf16", CtfError)


def test_models_and_encoders_take_any_device_of_the_pipeline():
    assert load_coarse("mean-pool", device="auto") is not None
    assert load_encoder("tiny-world", device="auto").embed_dim == 160


@pytest.mark.parametrize("missing", ["refuse", "drop"])
def test_a_library_without_any_of_the_videos_is_told_as_such(pipeline, files, missing):
    refused(
        lambda: evaluate_pipeline(pipeline, read_truth(files[1]), missing=missing),
        r"none of 1 true video is in the library \(v\); .*; index them, or name the library",
        CtfError,
    )
