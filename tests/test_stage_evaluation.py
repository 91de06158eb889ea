"""The coarse stage over extracted features: the numbers of the whole matrix, from blocks of any size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from coarse_to_fine.coarse_grained.ranking import best_per_video
from coarse_to_fine.coarse_grained.rescoring import scores_as_searched
from coarse_to_fine.errors import ConfigError, DataError
from coarse_to_fine.evaluation.video_retrieval import dual_softmax, text_to_video, video_to_text
from coarse_to_fine.stage_evaluation import evaluate_coarse
from tests.coarse_grained.models import WIDTH, features, small_model
from tests.features.random_set import write_random_set

SEGMENTS = [2, 1, 1, 3, 1, 1, 9, 1, 1, 2, 1, 1, 1, 1, 1]
OWNERS = [0, 0, 3, 14, 6, 6, 2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos of several segments, two of them with the same frames as the first sentence's."""
    _, frames = features(0, sum(SEGMENTS))
    own = list(frames.split(SEGMENTS))
    own[9] = own[0]
    return write_random_set(tmp_path_factory.mktemp("random") / "set", own, OWNERS, WIDTH)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["mean-pool", "t-mass", "t-mass-v2"])
def test_blocks_of_any_size_give_the_numbers_of_the_whole_matrix(folder: Path, name: str, weighted: bool):
    model = small_model(name, rescored=4)
    videos = folder / "annotations" / "videos.jsonl"
    found = [
        evaluate_coarse(model, folder, gallery=videos, dual_softmax=weighted, segments_at_once=size, seed=2)
        for size in (1, 7, 4096)
    ]
    answers, report = found[0]
    for others, other in found[1:]:
        assert other.to_json() == report.to_json() and other.metrics == report.metrics
        for one, same in zip(answers, others, strict=True):
            assert one.videos.video_ids == same.videos.video_ids
            assert np.array_equal(one.videos.scores, same.videos.scores)
    scores = whole_matrix(model, weighted)
    plain = text_to_video(scores, torch.tensor(OWNERS), (1, 5, 10)).as_dict()
    assert {name: report.value(name) for name in ("R@1", "R@5", "R@10", "MedR", "MeanR")} == pytest.approx(
        {name: plain[name] for name in ("R@1", "R@5", "R@10", "MedR", "MeanR")}
    )
    assert report.value("MRR") == pytest.approx(100 * plain["MRR"]) and report.videos == len(SEGMENTS)
    texts = video_to_text(scores, torch.tensor(OWNERS), (1,)).as_dict()
    described = len(set(OWNERS))
    assert [metric.queries for metric in report.sections[1].metrics] == [described] * len(report.sections[1].metrics)
    for name in ("R@1", "MedR", "MeanR"):
        assert report.value(f"v2t-{name}") == pytest.approx(texts[name])
    for answer, row in zip(answers, scores, strict=True):
        order = [int(video_id[1:]) for video_id in answer.videos.video_ids]
        assert sorted(order) == list(range(len(SEGMENTS)))
        torch.testing.assert_close(torch.tensor(answer.videos.scores).float(), row[order], rtol=0, atol=1e-5)
        assert order.index(0) + 1 == order.index(9), "of equal videos the first one of the gallery comes first"


def whole_matrix(model, weighted: bool) -> torch.Tensor:
    _, frames = features(0, sum(SEGMENTS))
    own = list(frames.half().float().split(SEGMENTS))
    own[9] = own[0]
    frames, owner = torch.cat(own), torch.arange(len(SEGMENTS)).repeat_interleave(torch.tensor(SEGMENTS))
    generator = torch.Generator().manual_seed(1)
    text = torch.stack([torch.randn(WIDTH, generator=generator) for _ in OWNERS])
    scores = scores_as_searched(model, text, frames, model.ranker.video_cache(frames), 2)
    videos = best_per_video(scores, owner, len(SEGMENTS))
    return dual_softmax(videos) if weighted else videos


def test_answers_name_the_best_videos_and_ranks_count_all(folder: Path):
    model, videos = small_model("mean-pool"), folder / "annotations" / "videos.jsonl"
    every, report = evaluate_coarse(model, folder, gallery=videos, resamples=0)
    few, same = evaluate_coarse(model, folder, gallery=videos, listed=3, resamples=0)
    assert json.dumps(report.to_json()) == json.dumps(same.to_json())
    for one, whole in zip(few, every, strict=True):
        assert one.videos.video_ids == whole.videos.video_ids[:3]
    with pytest.raises(ConfigError, match=r"listed is 0, .*expected 1 or more"):
        evaluate_coarse(model, folder, listed=0)


def test_the_gallery_is_what_the_sentences_name_or_a_file_says(folder: Path):
    model = small_model("mean-pool")
    _, named = evaluate_coarse(model, folder, resamples=0)
    _, every = evaluate_coarse(model, folder, gallery=folder / "annotations" / "videos.jsonl", resamples=0)
    assert (named.videos, every.videos) == (len(set(OWNERS)), len(SEGMENTS))


def test_a_split_without_sentences_is_refused_in_one_line(folder: Path):
    (folder / "annotations" / "queries.empty.jsonl").write_text("")
    try:
        with pytest.raises(DataError, match=r"queries.empty.jsonl holds no sentence; expected at least one"):
            evaluate_coarse(small_model("mean-pool"), folder, "empty", gallery=folder / "annotations" / "videos.jsonl")
    finally:
        (folder / "annotations" / "queries.empty.jsonl").unlink()
