"""The report of both stages: classes, oracles and bounds that hold for any answers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from coarse_to_fine.errors import DataError
from coarse_to_fine.evaluation.evaluate import evaluate
from coarse_to_fine.evaluation.hierarchical import hierarchical_iou
from coarse_to_fine.evaluation.oracles import Trace, conditional_rates, loss_classes
from coarse_to_fine.evaluation.pipeline_report import PipelineReportConfig, pipeline_report
from coarse_to_fine.evaluation.predictions import predictions_in_memory, query_prediction
from coarse_to_fine.evaluation.report import Report
from coarse_to_fine.evaluation.truth import Truth, TruthQuery
from coarse_to_fine.evaluation.video_lists import Standing
from tests.evaluation.random_collection import random_answer, random_truth

CONFIG = PipelineReportConfig(candidates=5, spans=4, resamples=40)


def random_report(seed: int) -> Report:
    rng = np.random.default_rng(seed)
    truth = random_truth(rng, videos=20, queries=60)
    return pipeline_report(truth, [random_answer(rng, truth, query) for query in truth.queries], config=CONFIG)


@pytest.fixture(scope="module", params=range(4))
def numbers(request: pytest.FixtureRequest) -> dict[str, float]:
    return {metric.name: metric.value or 0.0 for metric in random_report(request.param).metrics}


def test_every_query_is_in_one_class_and_d_is_the_recall(numbers: dict[str, float]) -> None:
    for k in (1, 10):
        for m in (0.3, 0.5, 0.7):
            shares = {
                name[0]: value
                for name, value in numbers.items()
                if name.endswith(f"(K={k}, m={m})") and name[0] in "ABCD"
            }
            assert set(shares) == set("ABCD")
            assert sum(shares.values()) == pytest.approx(100)
            assert shares["D"] == pytest.approx(numbers[f"VCMR-R{k}@{m}"])


def test_the_conditional_rates_multiply_to_the_recall(numbers: dict[str, float]) -> None:
    for k in (1, 10):
        for m in (0.3, 0.5, 0.7):
            parts = [numbers[f"kept by {stage} (K={k}, m={m})"] / 100 for stage in ("coarse", "fine", "ranking")]
            assert 100 * np.prod(parts) == pytest.approx(numbers[f"VCMR-R{k}@{m}"])


def test_oracles_bound_each_other(numbers: dict[str, float]) -> None:
    for k in (1, 10):
        for m in (0.3, 0.5, 0.7):
            assert numbers[f"oracle span R{k}@{m}"] <= numbers[f"oracle fine R{k}"] + 1e-9
        assert numbers[f"oracle coarse R{k}@0.7"] <= numbers[f"oracle coarse R{k}@0.3"]
    assert numbers["oracle coarse R1@0.5"] == pytest.approx(numbers["R1@0.5"])
    assert numbers["oracle fine R1"] == pytest.approx(numbers["VR R@1"])


def test_hierarchical_iou_is_ordered(numbers: dict[str, float]) -> None:
    assert numbers["Mean IoU | video kept"] <= numbers["Max IoU | video kept"]
    assert numbers["Mean IoU"] <= numbers["Mean IoU | video kept"]
    assert numbers["Max IoU"] <= numbers["Max IoU | video kept"]
    for first, best in (
        ("Median IoU | video kept", "Median of max IoU | video kept"),
        ("Median IoU", "Median of max IoU"),
    ):
        assert numbers[first] <= numbers[best]
    for name in ("Median IoU", "Median of max IoU"):
        assert numbers[name] <= numbers[f"{name} | video kept"]


def test_lenient_is_never_below_strict(numbers: dict[str, float]) -> None:
    for k in (1, 5, 10):
        assert numbers[f"VR lenient R@{k}"] >= numbers[f"VR R@{k}"] - 1e-9


def test_lenient_moments_are_never_below_strict_ones(numbers: dict[str, float]) -> None:
    for k in (1, 5, 10):
        for m in (0.3, 0.5, 0.7):
            assert numbers[f"lenient VCMR-R{k}@{m}"] >= numbers[f"VCMR-R{k}@{m}"] - 1e-9
    assert any(numbers[f"lenient VCMR-R{k}@0.3"] > numbers[f"VCMR-R{k}@0.3"] for k in (1, 5, 10))


def test_videos_cut_from_one_source_are_reported_apart() -> None:
    window = np.array([[0.0, 5.0]])
    names = ("aaaaaaaaaaa_0.0_150.0", "aaaaaaaaaaa_150.0_300.0", "bbbbbbbbbbb_0.0_150.0")
    truth = Truth((TruthQuery("q", names[0], window, "t"),), names, {}, "val", "cut")
    neighbour = query_prediction("q", [(names[1], 1.0), (names[0], 0.5), (names[2], 0.1)])
    report = pipeline_report(truth, [neighbour], config=CONFIG)
    assert report.value("VR R@1") == 0.0 and report.value("VR same-source R@1") == 100.0
    plain = Truth((TruthQuery("q", "a", window, "t"),), ("a", "b"), {}, "val", "plain")
    report = pipeline_report(plain, [query_prediction("q", [("a", 1.0), ("b", 0.0)])], config=CONFIG)
    assert not any("same-source" in metric.name for metric in report.metrics)


def test_the_perfect_system_scores_a_hundred() -> None:
    truth = random_truth(np.random.default_rng(1), videos=20, queries=30)
    answers = []
    for query in truth.queries:
        video = query.video_id or ""
        best = [(float(start), float(end), 1.0) for start, end in query.windows]
        videos = [(video, 1.0), *((other, 0.0) for other in truth.gallery if other != video)]
        answers.append(query_prediction(query.query_id, videos, [(video, *span) for span in best], best))
    report = pipeline_report(truth, answers, config=CONFIG)
    for name in ("VR R@1", "R1@0.7", "mIoU", "VCMR-R1@0.7", "Mean IoU", "D found (K=1, m=0.7)"):
        assert report.value(name) == pytest.approx(100), name
    assert report.value("A lost in the coarse stage (K=1, m=0.7)") == 0.0


def test_coarse_captions_need_no_windows() -> None:
    truth = Truth(
        tuple(TruthQuery(f"c{at}", f"v{at % 4}", np.zeros((0, 2)), f"caption {at}") for at in range(8)),
        tuple(f"v{at}" for at in range(4)),
        {},
        "test",
        "captions",
    )
    answers = [query_prediction(f"c{at}", [(f"v{v}", float(v == at % 4)) for v in range(4)]) for at in range(8)]
    report = pipeline_report(truth, answers, config=CONFIG)
    assert [section.title for section in report.sections] == ["coarse stage"]
    assert report.value("VR R@1") == 100.0


def test_the_fine_stage_alone_and_no_answers_at_all() -> None:
    truth = random_truth(np.random.default_rng(2), queries=5)
    fine = [query_prediction(query.query_id, given_video=[(0.0, 5.0, 1.0)]) for query in truth.queries]
    assert [s.title for s in pipeline_report(truth, fine, config=CONFIG).sections] == ["fine stage, true video given"]
    with pytest.raises(DataError, match="no ranked videos and no moments"):
        pipeline_report(truth, [query_prediction(query.query_id) for query in truth.queries], config=CONFIG)


def test_spans_are_clipped_to_the_video_and_reversed_ones_are_misses() -> None:
    truth = Truth((TruthQuery("q", "v", np.array([[0.0, 10.0]]), "t", 10.0),), ("v", "w"), {"v": 10.0}, "test", "one")
    videos = [("v", 1.0), ("w", 0.0)]
    long = query_prediction("q", videos, [("v", -5.0, 40.0, 1.0)], [(-5.0, 40.0, 1.0)])
    turned = query_prediction("q", videos, [("v", 10.0, 0.0, 1.0)], [(10.0, 0.0, 1.0)])
    assert pipeline_report(truth, [long], config=CONFIG).value("VCMR-R1@0.7") == 100.0
    assert evaluate("corpus", truth, predictions_in_memory([long]), resamples=0).value("VCMR-R1@0.7") == 100.0
    report = pipeline_report(truth, [turned], config=CONFIG)
    assert report.value("VCMR-R1@0.3") == 0.0 and report.value("mIoU") == 0.0


def test_a_result_below_chance_is_flagged() -> None:
    truth = random_truth(np.random.default_rng(3), videos=10, queries=30)
    answers = []
    for query in truth.queries:
        videos = [(video, 0.0 if video == query.video_id else 1.0) for video in truth.gallery]
        answers.append(query_prediction(query.query_id, videos))
    report = pipeline_report(truth, answers, config=CONFIG)
    assert any(warning == "VR R@5 is below chance" for warning in report.warnings)


def test_a_result_below_the_query_blind_span_is_flagged_although_it_beats_chance() -> None:
    """Every moment is the middle of its video; random spans of a wide prior meet few of them, one constant span all."""
    queries = tuple(
        TruthQuery(f"q{at}", f"v{at}", np.array([[40.0, 60.0]]), f"text {at}", 100.0, kind=None) for at in range(10)
    )
    names = tuple(query.video_id or "" for query in queries)
    truth = Truth(queries, names, dict.fromkeys(names, 100.0), "test", "middle")
    wide = [TruthQuery(f"w{at}", "w", np.array([[5.0 * at, 5.0 * at + 5]]), "", 100.0) for at in range(20)]
    middle = [TruthQuery(f"m{at}", "w", np.array([[40.0, 60.0]]), "", 100.0) for at in range(10)]
    train = Truth((*wide, *middle), ("w",), {"w": 100.0}, "train", "wide")
    right = [(40.0, 60.0, 1.0)] * 6 + [(0.0, 5.0, 1.0)] * 4
    answers = [
        query_prediction(query.query_id, given_video=[span], moments=[(query.video_id or "", *span)])
        for query, span in zip(queries, right, strict=True)
    ]
    report = pipeline_report(truth, answers, train, CONFIG)
    assert report.value("R1@0.7") == pytest.approx(60) and report.value("query-blind R1@0.7") == 100.0
    assert "R1@0.7 is below query-blind" in report.warnings and "mIoU is below query-blind" in report.warnings
    assert "R1@0.7 is below chance" not in report.warnings
    assert not any(warning.startswith("VCMR") for warning in report.warnings)


def test_chance_lines_of_another_split_of_the_same_name_are_not_called_its_own() -> None:
    rng = np.random.default_rng(4)
    truth = random_truth(rng)
    answers = [random_answer(rng, truth, query) for query in truth.queries]
    train = random_truth(np.random.default_rng(5))
    assert train.source == truth.source
    assert not any("slightly too good" in line for line in pipeline_report(truth, answers, train, CONFIG).warnings)
    mixed = train.with_queries((*train.queries, *truth.queries[:3]))
    warnings = pipeline_report(truth, answers, mixed, CONFIG).warnings
    assert any("of 3 of the 30 evaluated queries" in line for line in warnings)


def test_chance_lines_say_where_their_spans_come_from() -> None:
    rng = np.random.default_rng(4)
    truth = random_truth(rng)
    answers = [random_answer(rng, truth, query) for query in truth.queries]
    own = pipeline_report(truth, answers, config=CONFIG)
    other = random_truth(np.random.default_rng(5))
    train = Truth(other.queries, other.gallery, other.durations, "train", "other")
    trained = pipeline_report(truth, answers, train, CONFIG)
    assert any("slightly too good" in warning for warning in own.warnings)
    assert not any("slightly too good" in warning for warning in trained.warnings)
    assert {m.name: m.value for m in own.metrics if "blind" not in m.name} == {
        m.name: m.value for m in trained.metrics if "blind" not in m.name
    }


def test_the_report_is_plain_json_and_the_same_for_the_same_seed() -> None:
    assert json.dumps(random_report(0).to_json()) == json.dumps(random_report(0).to_json())


def test_classes_by_hand() -> None:
    near, far = Standing(0, 0), Standing(9, 0)
    traces = [
        Trace(far, False, np.array([-1.0]), np.array([0.9])),
        Trace(near, True, np.array([-1.0, 0.2]), np.array([0.2])),
        Trace(near, True, np.array([-1.0, 0.8]), np.array([0.8])),
        Trace(near, True, np.array([-1.0]), np.array([0.2, 0.8])),
        Trace(near, True, np.array([0.8]), np.array([0.8])),
    ]
    classes = loss_classes(traces, 1, 0.5)
    assert classes == ["A", "B", "C", "C", "D"]
    rates = conditional_rates(classes)
    assert [np.nanmean(rates[name]) for name in ("coarse", "fine", "ranking")] == pytest.approx([4 / 5, 3 / 4, 1 / 3])
    iou = hierarchical_iou(traces, 1)
    assert np.isnan(iou.first[0]) and iou.best[3] == 0.2
    assert hierarchical_iou(traces, 2).best[3] == 0.8
