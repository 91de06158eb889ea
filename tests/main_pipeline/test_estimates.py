"""What a plan says an experiment will take counts the queries that are asked."""

from __future__ import annotations

import pytest

from coarse_to_fine.main_pipeline.run_config import RunFile
from coarse_to_fine.main_pipeline.steps.coarse import TrainCoarse
from coarse_to_fine.main_pipeline.steps.evaluate import BYTES_A_QUERY, QUERY_SECONDS, Evaluate
from tests.datasets.test_layout_rows import write_lines

STAGES = {"coarse": {"config": "configs/coarse/t-mass-world.yaml"}, "fine": {"model": "similarity"}}
SENTENCES = {"train": {"x": 4, "y": 4}, "test": {"a": 3, "b": 1}}


@pytest.fixture
def annotations(tmp_path):
    for split, videos in SENTENCES.items():
        rows = [
            {"qid": f"{video}{n}", "query": f"{video} {n}", "vid": video, "duration": 20, "relevant_windows": [[2, 6]]}
            for video, count in videos.items()
            for n in range(count)
        ]
        write_lines(tmp_path / f"{split}.jsonl", *rows)
    counts = {"a": 1, "b": 2, "other": 7}
    rows = [
        {"caption_id": f"{video}{n}", "video_id": video, "text": "a"} for video in counts for n in range(counts[video])
    ]
    write_lines(tmp_path / "captions.jsonl", *rows)
    return tmp_path


def run_file(data, kind, **more):
    return RunFile.model_validate({"name": "one", "data": data, **STAGES, "evaluation": {"queries": [kind]}, **more})


@pytest.mark.parametrize(
    ("captions", "kind", "queries"),
    [
        ({"variants": 5}, "fine", 4),
        ({"variants": 5}, "coarse", 2 * 5),
        ({"variants": 5}, "coarse+fine", 4 * 5),
        ({"variants": 5}, "joined", 4 * 5),
        ({"file": "captions.jsonl"}, "fine", 4),
        ({"file": "captions.jsonl"}, "coarse", 1 + 2),
        ({"file": "captions.jsonl"}, "coarse+fine", 3 * 1 + 1 * 2),
        ({"file": "captions.jsonl"}, "joined", 3 * 1 + 1 * 2),
    ],
)
def test_each_caption_is_a_query_and_so_is_each_pair(annotations, captions, kind, queries):
    splits = {split: {"annotations": f"{split}.jsonl"} for split in SENTENCES}
    data = {"kind": "videos", "root": str(annotations), "videos": "videos", "holdout": 0.5, **splits}
    cost = Evaluate(run_file(data, kind, captions=captions), annotations / "run").cost()
    assert cost.seconds == pytest.approx(queries * QUERY_SECONDS)
    assert cost.bytes == queries * BYTES_A_QUERY


def test_the_world_has_two_captions_a_video(tmp_path):
    data = {"kind": "world", "test": 10}
    cost = {kind: Evaluate(run_file(data, kind), tmp_path).cost() for kind in ("fine", "coarse", "coarse+fine")}
    assert cost["coarse"].seconds == pytest.approx(20 * QUERY_SECONDS)
    assert cost["coarse+fine"].seconds == pytest.approx(2 * cost["fine"].seconds)


def test_training_on_captions_takes_longer_the_more_there_are(annotations):
    splits = {split: {"annotations": f"{split}.jsonl"} for split in SENTENCES}
    data = {"kind": "videos", "root": str(annotations), "videos": "videos", "holdout": 0.5, **splits}
    few, many = (
        TrainCoarse(run_file(data, "fine", captions={"variants": count}), annotations / "run").cost().seconds
        for count in (1, 1000)
    )
    assert many > 5 * few
