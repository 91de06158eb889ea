"""Captions and sentences in pairs, variants of captions, and runs over seeds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coarse_to_fine.errors import DataError
from coarse_to_fine.evaluation.alignment import align
from coarse_to_fine.evaluation.pipeline_report import PipelineReportConfig, pipeline_report
from coarse_to_fine.evaluation.predictions import predictions_in_memory, query_prediction
from coarse_to_fine.evaluation.protocols import joined_truth, pair_queries
from coarse_to_fine.evaluation.seeds import markdown_table, spread_over_runs
from coarse_to_fine.evaluation.truth import Truth, TruthQuery
from tests.evaluation.random_collection import random_answer, random_truth

CONFIG = PipelineReportConfig(candidates=2, resamples=20)
WINDOW = np.array([[0.0, 10.0]])
DURATIONS = {"a": 20.0, "b": 20.0, "c": 20.0}


def fine(*rows: tuple[str, str]) -> Truth:
    queries = tuple(TruthQuery(name, video, WINDOW, f"sentence {name}", 20.0) for name, video in rows)
    return Truth(queries, tuple(DURATIONS), DURATIONS, "test", "fine")


def captions(*rows: tuple[str, str, str]) -> Truth:
    queries = tuple(TruthQuery(n, v, np.zeros((0, 2)), f"caption {n}.", 20.0, kind=kind) for n, v, kind in rows)
    return Truth(queries, tuple(DURATIONS), DURATIONS, "test", "coarse")


def ranking(query_id: str, first: str) -> list[tuple[str, float]]:
    return [(first, 1.0), *((video, 0.0) for video in DURATIONS if video != first)]


def test_pairs_are_averaged_over_the_captions_of_a_sentence_first() -> None:
    pairs = pair_queries(fine(("f", "a"), ("g", "b")), captions(("1", "a", "0"), ("2", "a", "1"), ("3", "b", "0")))
    assert [query.query_id for query in pairs.truth.queries] == ["1+f", "2+f", "3+g"]
    # one of the two captions of f fails, the caption of g succeeds: (1/2 + 1) / 2, not 2/3
    answers = [
        query_prediction("1+f", ranking("1+f", "a")),
        query_prediction("2+f", [*ranking("2+f", "b")[:1], ("c", 0.5), ("a", 0.1)]),
        query_prediction("3+g", ranking("3+g", "b")),
    ]
    config = CONFIG.model_copy(update={"protocol": "P3"})
    report = pipeline_report(pairs.truth, answers, config=config, owners=pairs.owners)
    assert report.value("VR R@1") == pytest.approx(75)
    assert next(metric for metric in report.metrics if metric.name == "VR R@1").queries == 2
    assert "never compare with P1" in report.rules


def test_a_sentence_without_caption_is_refused_and_texts_are_joined() -> None:
    with pytest.raises(DataError, match=r"no coarse caption in coarse for the videos of 1 query \(g\)"):
        pair_queries(fine(("f", "a"), ("g", "b")), captions(("1", "a", "0")))
    pairs = pair_queries(fine(("f", "a")), captions(("1", "a", "0")))
    assert joined_truth(pairs).queries[0].text == "caption 1. sentence f"


def test_every_variant_counts_the_same() -> None:
    truth = captions(("1", "a", "0"), ("2", "b", "0"), ("3", "c", "0"), ("4", "a", "1"))
    answers = [query_prediction(name, ranking(name, "a")) for name in ("1", "2", "3", "4")]
    report = pipeline_report(truth, answers, config=CONFIG)
    assert report.value("VR R@1") == pytest.approx(50)
    assert report.value("VR R@1, variant 0") == pytest.approx(100 / 3)
    assert report.value("VR R@1, variant 1") == pytest.approx(100)
    assert report.value("VR R@1, mean over variants") == pytest.approx((100 / 3 + 100) / 2)


def test_videos_that_only_answers_name_enlarge_the_gallery_unless_it_is_closed() -> None:
    truth = fine(("f", "a"))
    answers = predictions_in_memory([query_prediction("f", [("a", 1.0), ("other", 0.0)])])
    aligned = align(truth, answers)
    assert aligned.truth.gallery == ("a", "b", "c", "other") and "|V| counts them" in aligned.warnings[0]
    with pytest.raises(DataError, match=r"1 video outside the gallery \(other\)"):
        align(replace(truth, closed=True), answers)


def test_runs_are_joined_and_printed_with_their_spread() -> None:
    truth = random_truth(np.random.default_rng(0))
    runs = {
        name: [
            pipeline_report(
                truth, [random_answer(np.random.default_rng(s), truth, q) for q in truth.queries], config=CONFIG
            )
            for s in seeds
        ]
        for name, seeds in {"one": (1, 2, 3), "two": (4,)}.items()
    }
    spread = spread_over_runs(runs["one"])["R1@0.5"]
    values = [report.value("R1@0.5") for report in runs["one"]]
    assert spread.mean == pytest.approx(np.mean(values)) and spread.deviation == pytest.approx(np.std(values, ddof=1))
    table = markdown_table(runs, ["VR R@1", "R1@0.5", "VCMR-R1@0.5"])
    assert f"|Q| = {len(truth.queries)}, |V| = {len(truth.gallery)}" in table
    assert table.count("±") == 1 + 3 and "| chance |" in table and "(N = 30)" in table
    with pytest.raises(DataError, match="expected the same queries"):
        other = random_truth(np.random.default_rng(1), queries=3)
        fewer = pipeline_report(other, [random_answer(np.random.default_rng(1), other, q) for q in other.queries])
        spread_over_runs([runs["two"][0], fewer])
