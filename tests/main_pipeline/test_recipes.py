"""The recipes run on the real annotation files, with features of the releases' layout for a few of their videos."""

from __future__ import annotations

import json

import numpy as np
import pytest

from coarse_to_fine.config import load_config
from coarse_to_fine.datasets.charades_sta import read_durations
from coarse_to_fine.datasets.formats import load_annotations
from coarse_to_fine.datasets.layout import read_annotations
from coarse_to_fine.errors import DataError
from coarse_to_fine.features.store import FeatureReader
from coarse_to_fine.main_pipeline.annotated_splits import read_split, read_splits
from coarse_to_fine.main_pipeline.plan import plan
from coarse_to_fine.main_pipeline.run import run_experiment
from coarse_to_fine.main_pipeline.run_config import RunFile
from coarse_to_fine.main_pipeline.steps import steps_of
from coarse_to_fine.main_pipeline.steps.base import Work
from coarse_to_fine.shipped_configs import find_config
from tests.features.published_files import rows, write_npz
from tests.foreign_weights.layouts import write_clip
from tests.library.small_videos import write_video

SHORT = ("fine.set.run.max_steps=2", "fine.set.recipe.architecture.hidden_dim=16", "evaluation.resamples=10")
SMALL = (
    "fine.set.recipe.architecture.heads=2",
    "fine.set.recipe.architecture.feed_forward_dim=16",
    "data.missing=drop",
)
DROPPED = (8252, 8440, 9623, 9624)
"""Lines of Charades-STA's training file that the release whose features are used leaves out."""


def recipe(name, root, *overrides):
    return load_config(RunFile, find_config(name, "run"), [f"data.root={root}", *SHORT, *SMALL, *overrides])


def link(root, *files):
    for file in files:
        (root / file.name).symlink_to(file)


def write_features(config, splits, count, seed=0):
    """Features of the first videos of each split, and of all their sentences, as the recipe declares them."""
    data = config.data
    for split, file in splits.items():
        found = read_split(data, split, config.seed)
        chosen = list(dict.fromkeys(query.video_id for query in found.queries))[:count]
        for name in chosen:
            length = int(np.ceil(found.videos[name].duration_s / data.features.step_s))
            for stream in data.features.streams:
                write_npz(data.path(stream.path) / f"{name}.npz", **{stream.key: rows(seed, length, stream.width)})
        ids = {query.query_id: query.query_id for query in found.queries} if file is None else file
        for query in found.queries:
            if query.video_id in chosen and query.query_id in ids:
                name = data.features.texts.pattern.format(query_id=ids[query.query_id])
                same = sum(map(ord, query.text))  # equal sentences have equal features
                text = {"last_hidden_state": rows(same, 5, 512), "pooler_output": rows(same, 1, 512)[0]}
                write_npz(data.path(data.features.texts.path) / f"{name}.npz", **text)


def run(config, root):
    notes = []
    run_experiment(config, root, Work(lambda done, total, what: None, notes.append))
    values = json.loads((root / "evaluate" / "report.fine.json").read_text())
    return values, notes


def imported(root, split):
    features = root / "features" / split
    return FeatureReader(features / "videos"), read_annotations(features / "annotations", split).queries


def test_tacos_trains_and_reports(tmp_path, data_dir):
    link(tmp_path, *(data_dir / "tacos" / f"{split}.json" for split in ("train", "val", "test")))
    config = recipe("tacos", tmp_path)
    for split, count in (("train", 9790), ("val", 4436), ("test", 4001)):
        assert len(read_split(config.data, split, 0).queries) == count
    write_features(config, dict.fromkeys(("train", "val", "test")), 2)
    assert plan(steps_of(config, tmp_path / "run"), tmp_path / "run")[0].state == "new"
    values, notes = run(config, tmp_path / "run")
    videos, queries = imported(tmp_path / "run", "test")
    assert (len(videos), len({query.video_id for query in queries}), values["queries"]) == (2, 2, len(queries))
    assert "test: 23 videos without features left out" in notes
    assert "streams clip 512" in json.dumps(values) or "clip" in values["predictions"]


def write_release(root, data_dir):
    """The annotation file of the release whose ids name the text features: without four rows, counted from 0."""
    seconds = read_durations(data_dir / "charades_sta" / "durations.csv")
    number = 0
    joined = {}
    for split in ("train", "test"):
        lines = []
        text = (data_dir / "charades_sta" / f"charades_sta_{split}.txt").read_text()
        for line, row in enumerate(text.splitlines(), start=1):
            if split == "train" and line in DROPPED:
                continue
            head, _, sentence = row.partition("##")
            name, start, end = head.split()
            values = {"qid": number, "query": sentence, "vid": name, "duration": seconds[name]}
            values["relevant_windows"] = [[float(start), min(float(end), seconds[name])]]
            lines.append(json.dumps(values) + "\n")
            joined.setdefault(split, {})[f"{split}:{line}"] = str(number)
            number += 1
        (root / f"charades_{split}_release.jsonl").write_text("".join(lines))
    return joined


def test_charades_sta_selects_on_videos_held_out_of_training(tmp_path, data_dir):
    names = ("charades_sta_train.txt", "charades_sta_test.txt", "durations.csv")
    link(tmp_path, *(data_dir / "charades_sta" / name for name in names))
    joined = write_release(tmp_path, data_dir)
    config = recipe("charades_sta", tmp_path)
    splits = read_splits(config.data, config.splits, config.seed)
    whole = load_annotations(tmp_path / "charades_sta_train.txt")
    assert sum(len(splits[name].queries) for name in ("train", "val")) == len(whole.queries) > 12400
    assert len({query.video_id for query in splits["val"].queries}) == round(0.05 * whole.report.videos) > 250
    assert len(splits["test"].queries) == 3720
    write_features(config, {"train": joined["train"], "val": joined["train"], "test": joined["test"]}, 3)
    values, _ = run(config, tmp_path / "run")
    for split in ("train", "val", "test"):
        videos, queries = imported(tmp_path / "run", split)
        assert len(videos) == 3
        assert {query.split for query in queries} == {split}
    assert values["queries"] == len(queries)


def test_qvhighlights_reports_on_its_validation_file(tmp_path, data_dir):
    source = data_dir / "qvhighlights"
    (tmp_path / "highlight_train_release.jsonl").symlink_to(source / "highlight_train_sample1000.jsonl")
    link(tmp_path, source / "highlight_val_release.jsonl")
    config = recipe("qvhighlights", tmp_path)
    write_features(config, dict.fromkeys(("train", "val", "test")), 4)
    values, _ = run(config, tmp_path / "run")
    assert (config.tested, values["split"], values["queries"]) == (
        "test",
        "test",
        len(imported(tmp_path / "run", "test")[1]),
    )
    streams = imported(tmp_path / "run", "train")[0].manifest.encoder
    assert "slowfast" in json.dumps(dict(streams))
    saliency = [query.extras.get("saliency") for query in imported(tmp_path / "run", "train")[1]]
    assert saliency and all(one is not None for one in saliency)


def test_tacos_cg_goes_from_videos_and_captions_to_both_stages(tmp_path, data_dir):
    link(tmp_path, *(data_dir / "tacos" / f"{split}.json" for split in ("train", "val", "test")))
    link(tmp_path, data_dir / "tacos_cg" / "tacos_cg.json")
    write_clip(tmp_path / "clip", 24, 32)
    for split in ("train", "val", "test"):
        found = load_annotations(data_dir / "tacos" / f"{split}.json")
        captions = {query.video_id for query in load_annotations(data_dir / "tacos_cg" / "tacos_cg.json").queries}
        named = [name for name in dict.fromkeys(query.video_id for query in found.queries) if name in captions]
        for number, name in enumerate(sorted(named, key=lambda one: found.videos[one].duration_s)[:2]):
            write_video(tmp_path / "videos" / f"{name}.avi", found.videos[name].duration_s, number)
    sizes = [f"coarse.set.recipe.architecture.embed_dim={24}", "coarse.set.run.max_steps=2", "workers=1"]
    sizes += [
        "fine.set.recipe.architecture.video_feature_dims=[24]",
        "fine.set.recipe.architecture.text_feature_dim=32",
    ]
    config = recipe("tacos_cg", tmp_path, f"encoder={tmp_path / 'clip'}", "evaluation.top_videos=2", *sizes)
    with pytest.raises(DataError, match="no file"):
        steps_of(recipe("tacos_cg", tmp_path, "captions.file=none.json"), tmp_path)[1].inputs()
    values, notes = run(config, tmp_path / "run")
    assert values["videos"] == 2
    coarse = json.loads((tmp_path / "run" / "evaluate" / "report.coarse.json").read_text())
    captions = (tmp_path / "run" / "captions" / "test" / "coarse.test.jsonl").read_text().splitlines()
    assert coarse["queries"] == len(captions) > 0
    text = (tmp_path / "run" / "report" / "report.md").read_text()
    assert "## Captions of tacos_cg.json\n\n| measure | train | val | test |\n" in text
    measured = json.loads((tmp_path / "run" / "captions" / "quality.json").read_text())
    assert f"| measured against | {' | '.join(one['against'] for one in measured.values())} |" in text
    quality = measured["test"]["quality"]
    assert (quality["captions"], quality["videos"]) == (len(captions), 2)
    assert f"| {quality['support']:.3f} |\n" in text
    assert sum("no file in videos" in note for note in notes) == 75 + 27 + 25 - 6
