"""The set-up for one's own videos: a CLIP folder, published QD-DETR or T-MASS weights, through the command alone.

The weights are random, in the layouts of the releases, so what is found means nothing; that exactly these models find
it is what is tested.
"""

from __future__ import annotations

import json

import pytest
import torch

from coarse_to_fine import Pipeline
from coarse_to_fine.encoders import load_encoder
from coarse_to_fine.fine_grained.qd_detr.weights import import_checkpoint
from tests.foreign_weights.layouts import t_mass_state, write_clip, write_qd_detr, write_t_mass
from tests.library.small_videos import write_videos

SENTENCE = "a red ball jumps over the green cube"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of videos and a CLIP that puts out what ViT-B/32 does, 512 channels of pictures and of words."""
    folder = tmp_path_factory.mktemp("own")
    write_videos(folder / "videos", 3)
    write_clip(folder / "clip", projection_dim=512, text_width=512)
    return folder


@pytest.fixture
def library(ctf, place):
    path = place / "videos.ctf"
    result = ctf("index", place / "videos", "--library", path, "--encoder", place / "clip")
    assert result.code == 0, result.err
    return path


@pytest.fixture(scope="module")
def checkpoint(place, pytestconfig):
    return write_qd_detr(place / "clip_qd_detr_qvhighlight.ckpt", pytestconfig, "lighthouse_clip")


def found(ctf, library, *options):
    result = ctf("search", SENTENCE, "--library", library, *options, "-k", "50", "--json")
    assert result.code == 0, result.err
    return json.loads(result.out)["hits"]


def test_own_videos_are_searched_with_an_imported_detector(ctf, library, checkpoint, tmp_path):
    assert ctf("weights", "import", checkpoint, "--out", tmp_path / "qd-detr-clip").code == 0
    hits = found(ctf, library, "--fine", tmp_path / "qd-detr-clip")
    with Pipeline.load(library).library as opened:
        durations = {video.video_id: video.duration_s for video in opened.videos()}
    assert {hit["video_id"] for hit in hits} == durations.keys()
    assert all(0 <= hit["start_s"] < hit["end_s"] <= durations[hit["video_id"]] for hit in hits)


def test_the_windows_are_those_of_the_released_model(ctf, place, library, checkpoint, tmp_path):
    ctf("weights", "import", checkpoint, "--out", tmp_path / "qd-detr-clip")
    released = import_checkpoint(checkpoint)
    pipeline = Pipeline.load(library, fine=tmp_path / "qd-detr-clip")
    text = load_encoder(place / "clip").encode_text([SENTENCE])[0]
    with pipeline.library as opened:
        for video in opened.videos():
            segment = opened.segment_features([opened.segments(video.video_id)[0].segment_id])[0]
            expected = released.locate([(released.video_cache(segment), text)])[0]
            moments = pipeline.moments(SENTENCE, video.video_id)
            torch.testing.assert_close(moments.saliency, expected.saliency)
            best = moments.hits[0]
            assert [best.start_s, best.end_s] == pytest.approx(expected.windows_s[0].tolist(), abs=1e-3)


def test_a_detector_for_other_features_is_refused_with_both_widths(ctf, library, pytestconfig, tmp_path):
    file = write_qd_detr(tmp_path / "videoonly.ckpt", pytestconfig, "official_slowfast_clip")
    assert ctf("weights", "import", file, "--out", tmp_path / "slowfast").code == 0
    result = ctf("search", SENTENCE, "--library", library, "--fine", tmp_path / "slowfast")
    assert result.code == 2
    assert result.err.count("\n") == 1
    assert "512" in result.err
    assert "2816" in result.err


def test_own_videos_are_ranked_with_an_imported_t_mass_and_its_towers(ctf, place, pytestconfig, tmp_path):
    file = write_t_mass(tmp_path / "model_best.pth", t_mass_state(pytestconfig))
    imported = ctf("weights", "import", file, "--out", tmp_path / "t-mass")
    assert imported.code == 0, imported.err
    library = tmp_path / "videos.ctf"
    assert ctf("index", place / "videos", "--library", library, "--encoder", tmp_path / "t-mass" / "encoder").code == 0
    trained = found(ctf, library, "--coarse", tmp_path / "t-mass")
    assert Pipeline.load(library, coarse=tmp_path / "t-mass").notes(SENTENCE) == []
    mean = found(ctf, library, "--coarse", "mean-pool")
    assert {hit["video_id"] for hit in trained} == {hit["video_id"] for hit in mean}
    assert {hit["coarse_score"] for hit in trained} != {hit["coarse_score"] for hit in mean}


def test_a_head_of_other_towers_is_refused_with_both_widths(ctf, library, pytestconfig, tmp_path):
    file = write_t_mass(tmp_path / "model_best.pth", t_mass_state(pytestconfig))
    assert ctf("weights", "import", file, "--out", tmp_path / "t-mass").code == 0
    result = ctf("search", SENTENCE, "--library", library, "--coarse", tmp_path / "t-mass")
    assert result.code == 2
    assert result.err.count("\n") == 1
    assert "512" in result.err


def test_other_towers_of_the_same_width_are_noted(ctf, place, pytestconfig, tmp_path):
    for name, factor in (("one", 1.0), ("two", 1.5)):
        state = t_mass_state(pytestconfig)
        state["clip.visual_projection.weight"] *= factor
        write_t_mass(tmp_path / f"{name}.pth", state)
        assert ctf("weights", "import", tmp_path / f"{name}.pth", "--out", tmp_path / name).code == 0
    library = tmp_path / "videos.ctf"
    assert ctf("index", place / "videos", "--library", library, "--encoder", tmp_path / "one" / "encoder").code == 0
    result = ctf("search", SENTENCE, "--library", library, "--coarse", tmp_path / "two", "--json")
    assert result.code == 0
    assert "trained on features of other towers than this library's" in json.loads(result.out)["notes"][0]
    assert "index the videos with the towers that came with it" in result.err
