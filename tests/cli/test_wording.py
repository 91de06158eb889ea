"""What verbs say: numbers with their nouns, rounded values, and no more than is needed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from coarse_to_fine.cli import train
from coarse_to_fine.fusion import FusionConfig
from coarse_to_fine.library import Library
from coarse_to_fine.wording import counted
from tests.library.small_videos import write_video

FREE = ("--coarse", "mean-pool", "--fine", "similarity")


@pytest.fixture
def one_video(tmp_path):
    write_video(tmp_path / "videos" / "a.mp4", 6, 1, "mp4")
    with Library.create(tmp_path / "library.ctf") as library:
        library.add(tmp_path / "videos")
    return tmp_path / "library.ctf"


def test_one_thing_is_no_plural(ctf, one_video):
    assert counted(0, "video") == "0 videos"
    assert counted(1, "query", "queries") == "1 query"
    said = ctf("library", "info", "--library", one_video).out
    assert "  1 video, " in said and " in 1 segment\n" in said and " in 1 block, 0 copies of" in said
    assert ctf("library", "check", "--library", one_video).out == "1 video in 1 block read, 0 problems\n"
    assert "holds 1 video\n" in ctf("index", one_video.parent / "videos", "--library", one_video).out


def test_a_check_of_annotations_counts_in_words(ctf, tmp_path):
    file = tmp_path / "train.jsonl"
    file.write_text('{"qid": 1, "query": "a cat", "vid": "v_0_9", "duration": 9, "relevant_windows": [[0, 2]]}\n')
    said = ctf("data", "check", file).out.splitlines()[0]
    assert said.endswith("1 of 1 query, 1 video, 1 window, 0 rows refused")


def test_the_scope_of_the_small_encoder_is_short_in_a_search_and_whole_when_indexing(ctf, one_video):
    short = ctf("search", "a cat", "--library", one_video, *FREE).err
    assert short == "ctf: the encoder tiny-world knows only the drawn world of this package\n"
    assert "clip-vit-b-32" in ctf("index", one_video.parent / "videos", "--library", one_video).err


def test_the_end_of_a_training_is_readable(capsys, tmp_path):
    result = SimpleNamespace(steps=40, best_step=30, best_metrics={"R1@0.5": 43.21098765432109, "loss": 0.00123456789})
    train.report(result, tmp_path, as_json=False)
    assert capsys.readouterr().out == f"{tmp_path}: best of 40 steps is 30: R1@0.5 43.21, loss 0.001235\n"


def test_a_fusion_is_never_chosen_on_a_test_split(ctf, tmp_path):
    for split in ("test", "test_composition"):
        result = ctf("train", "fusion", tmp_path, "--split", split, "--out", tmp_path / "fusion.json")
        assert (result.code, result.out) == (2, "")
        assert f"--split {split}; expected a validation split" in result.err


def test_a_chosen_fusion_is_one_readable_line_or_json(ctf, monkeypatch, one_video, tmp_path):
    monkeypatch.setattr("coarse_to_fine.experiment.read_queries", lambda *_: None)
    chosen = FusionConfig(alpha=0.25, temperature=0.05), 41.666666
    monkeypatch.setattr("coarse_to_fine.experiment.choose_fusion", lambda *_: chosen)
    out = tmp_path / "new" / "fusion.json"
    arguments = ("train", "fusion", tmp_path, "--library", one_video, *FREE, "--out", out)
    assert ctf(*arguments).out == f"{out}: alpha 0.25, temperature 0.05; R@1 at IoU 0.5 on val 41.67\n"
    assert ctf(*arguments, "--json").out.startswith("{")
    assert out.is_file()


def test_the_help_names_both_trained_fine_stages(ctf):
    said = ctf("--help").out
    assert "MESM" in said and "QD-DETR" in said
