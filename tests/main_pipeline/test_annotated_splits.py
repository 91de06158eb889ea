"""Splits of annotation files: read once, again where a file has changed; held-out videos."""

from __future__ import annotations

import json

from coarse_to_fine.main_pipeline import annotated_splits
from coarse_to_fine.main_pipeline.annotated_splits import held_out_videos, read_split
from coarse_to_fine.main_pipeline.run_config import VideoData


def test_a_file_is_read_once_until_it_changes(tmp_path, monkeypatch):
    read = []
    plain = annotated_splits.load_annotations
    monkeypatch.setattr(
        annotated_splits, "load_annotations", lambda path, split: read.append(path.name) or plain(path, split=split)
    )
    rows = [
        json.dumps({"qid": number, "query": "a cat", "vid": f"v{number}", "duration": 9, "relevant_windows": [[1, 2]]})
        for number in range(4)
    ]
    train = tmp_path / "train.jsonl"
    train.write_text("\n".join(rows))
    named = {"train": {"annotations": train.name}, "test": {"annotations": train.name}}
    data = VideoData.model_validate({"kind": "videos", "root": str(tmp_path), "videos": ".", "holdout": 0.25, **named})
    found = [len(read_split(data, split, 0).queries) for split in ("train", "val", "train")]
    assert (found, read) == ([3, 1, 3], [train.name])
    train.write_text("\n".join(rows[:3]))
    assert sum(len(read_split(data, split, 0).queries) for split in ("train", "val")) == 3
    assert read == [train.name] * 2


def test_held_out_videos_depend_on_ids_and_seed_alone():
    names = {f"v{number}" for number in range(100)}
    chosen = held_out_videos(names, 0.2, 0)
    assert len(chosen) == 20
    assert chosen == held_out_videos(names, 0.2, 0) != held_out_videos(names, 0.2, 1)
    assert len(held_out_videos(names | {"w"}, 0.2, 0) & chosen) >= 19
    assert held_out_videos({"a"}, 0.1, 0) == set()


def test_clips_of_one_source_video_are_held_out_together():
    names = {f"_-sour{source:03d}_y_{60 * clip}.0_{60 * clip + 150}.0" for source in range(100) for clip in range(3)}
    chosen = held_out_videos(names, 0.05, 0)
    assert len(chosen) == 15
    assert not {name[:11] for name in chosen} & {name[:11] for name in names - chosen}
