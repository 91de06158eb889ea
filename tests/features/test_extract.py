"""Features of an annotation set, from files and drawn, and their joining with the annotations."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from coarse_to_fine.datasets.layout import LayoutVideo, read_annotations, write_annotations
from coarse_to_fine.datasets.records import MomentQuery, VideoInfo
from coarse_to_fine.errors import DataError, FingerprintError
from coarse_to_fine.features.drawn import DrawnVideo
from coarse_to_fine.features.examples import ExampleSet
from coarse_to_fine.features.extract import extract_drawn, extract_files, extract_texts
from coarse_to_fine.features.sampling import Sampling
from coarse_to_fine.features.store import FeatureReader
from tests.library.small_encoder import SmallEncoder
from tests.library.small_videos import write_video

SHORT = Sampling(segment_seconds=10, segment_overlap_seconds=4, frames_per_segment=3)


def query(number, video_id, windows, text="a square moves", **extras):
    return MomentQuery(f"q{number}", video_id, text, tuple(windows), "train", extras=extras)


@pytest.fixture
def annotations(tmp_path):
    """Three videos (10, 6 and 4 s), the last without a file, and queries of the first two."""
    videos = []
    for number, seconds in enumerate((10.0, 6.0)):
        write_video(tmp_path / "set" / "videos" / f"v{number}.mp4", seconds, seed=number)
        videos.append(LayoutVideo(VideoInfo(f"v{number}", seconds, 5.0), f"videos/v{number}.mp4"))
    videos.append(LayoutVideo(VideoInfo("v2", 4.0)))
    queries = [query(0, "v0", [(1.0, 3.0)]), query(1, "v1", [(0.0, 2.0), (4.0, 6.0)], text="another")]
    write_annotations(tmp_path / "set", "train", videos, queries, name="small")
    return read_annotations(tmp_path / "set", "train")


def painted(seed, time_s):
    return np.full((24, 32, 3), int(time_s * 7 + seed) % 256, np.uint8)


def drawn(count, seconds=9.0):
    times = np.arange(0, seconds, 0.1)
    return [
        DrawnVideo(f"d{number}", seconds, times, partial(painted, number), f"paint {number}") for number in range(count)
    ]


def test_files_of_a_set_are_extracted_once(annotations, tmp_path):
    encoder = SmallEncoder()
    report = extract_files(annotations, encoder, tmp_path / "features")
    assert (report.made, report.there, report.failed) == (2, 0, ())
    reader = FeatureReader(tmp_path / "features")
    assert list(reader) == ["v0#0", "v1#0"]
    assert reader.read("v0#0")["clips"].shape == (5, 16)
    assert reader.read("v0#0")["frames"].shape == (12, 16)
    encoded = encoder.encoded
    report = extract_files(annotations, encoder, tmp_path / "features")
    assert (report.made, report.there, encoder.encoded) == (0, 2, encoded)


def test_missing_and_broken_files_are_listed(annotations, tmp_path):
    annotations.videos["v0"].path.write_bytes(b"broken")
    annotations.videos["v1"].path.unlink()
    report = extract_files(annotations, SmallEncoder(), tmp_path / "features")
    assert report.made == 0
    assert sorted(name for name, _ in report.failed) == ["v0", "v1"]
    assert len((tmp_path / "features" / "failed.jsonl").read_text().splitlines()) == 2


def test_another_encoder_is_refused(annotations, tmp_path):
    extract_files(annotations, SmallEncoder(), tmp_path / "features")
    with pytest.raises(FingerprintError, match=r"encoder\.fingerprint"):
        extract_files(annotations, SmallEncoder(seed=1), tmp_path / "features")


@pytest.mark.slow  # each process imports torch
def test_drawn_videos_give_the_same_in_other_processes(tmp_path):
    videos = drawn(5)
    assert extract_drawn(videos, SmallEncoder(), tmp_path / "here").made == 5
    assert extract_drawn(videos[:3], SmallEncoder(), tmp_path / "there", processes=2).made == 3
    report = extract_drawn(videos, SmallEncoder(), tmp_path / "there")
    assert (report.made, report.there) == (2, 3)
    here, there = FeatureReader(tmp_path / "here"), FeatureReader(tmp_path / "there")
    assert list(here) == list(there) == [f"d{number}#0" for number in range(5)]
    for name in here:
        assert torch.equal(here.read(name)["clips"], there.read(name)["clips"])
        assert torch.equal(here.read(name)["frames"], there.read(name)["frames"])


def test_long_drawn_video_has_an_item_a_segment(tmp_path):
    extract_drawn(drawn(1, seconds=21.0), SmallEncoder(), tmp_path, sampling=SHORT)
    reader = FeatureReader(tmp_path)
    bounds = [(reader.item(name).about["start_s"], reader.item(name).about["end_s"]) for name in reader]
    assert bounds == [(0, 10), (6, 16), (12, 21)]
    assert torch.equal(reader.read("d0#0")["clips"][3:], reader.read("d0#1")["clips"][:2])


def test_shorter_file_of_the_same_name_leaves_nothing_of_the_longer(tmp_path):
    for seconds in (21.0, 9.0):
        videos = [replace(video, source=f"{seconds} s") for video in drawn(1, seconds)]
        extract_drawn(videos, SmallEncoder(), tmp_path, sampling=SHORT)
    assert list(FeatureReader(tmp_path)) == ["d0#0"]


def test_texts_are_encoded_once_each(tmp_path):
    encoder = SmallEncoder()
    report = extract_texts(["one", "two/with slash", "one", "視"], encoder, tmp_path)
    assert (report.made, report.there) == (3, 0)
    assert extract_texts(["two/with slash", "three"], encoder, tmp_path).there == 1
    reader = FeatureReader(tmp_path)
    (direct,) = encoder.encode_text(["two/with slash"])
    assert torch.equal(reader.read("two/with slash")["tokens"], direct.tokens)


@pytest.fixture
def joined(tmp_path):
    """Makes examples of queries about a 21 s video in segments 0-10, 6-16, 12-21."""

    def make(*queries):
        extract_drawn(drawn(1, seconds=21.0), SmallEncoder(), tmp_path / "videos", sampling=SHORT)
        extract_texts([one.text for one in queries], SmallEncoder(), tmp_path / "texts")
        return ExampleSet(queries, tmp_path / "videos", tmp_path / "texts")

    return make


def test_windows_are_relative_to_each_segment_that_shows_them(joined):
    examples = joined(query(0, "d0", [(7.0, 9.0)]), query(1, "d0", [(15.0, 20.0), (1.0, 3.0)]))
    assert [(one.query_id, one.segment.segment_id, one.windows_s.tolist()) for one in examples] == [
        ("q0", "d0#0", [[7.0, 9.0]]),
        ("q0", "d0#1", [[1.0, 3.0]]),
        ("q1", "d0#0", [[1.0, 3.0]]),
        ("q1", "d0#2", [[3.0, 8.0]]),
    ]
    assert examples[0].text.embedding.shape == (16,)
    assert examples[3].duration_s == 9.0
    assert [one.query_id for one in examples.queries()] == ["q0", "q0", "q1", "q1"]


def test_window_that_no_segment_shows_half_goes_to_the_one_that_shows_most(joined):
    examples = joined(query(0, "d0", [(0.0, 21.0)]))
    assert [(one.segment.segment_id, one.windows_s.tolist()) for one in examples] == [
        ("d0#0", [[0.0, 10.0]]),
        ("d0#1", [[0.0, 10.0]]),
    ]


def test_coarse_caption_pairs_with_every_segment(joined):
    examples = joined(query(0, "d0", []))
    assert [one.segment.segment_id for one in examples] == ["d0#0", "d0#1", "d0#2"]
    assert examples[0].windows_s.shape == (0, 2)


def test_window_past_the_end_is_left_out_and_said(joined):
    examples = joined(query(0, "d0", [(30.0, 40.0)]), query(1, "d0", [(1.0, 2.0)]))
    assert [one.query_id for one in examples] == ["q1"]
    assert examples.left_out == ["q0"]


def test_saliency_is_moved_into_the_segment(joined):
    saliency = {"clip_s": 2.0, "clip_ids": [2, 3, 4, 8], "scores": [[1, 2, 3], [2, 2, 2], [4, 4, 4], [0, 0, 1]]}
    first, second = joined(query(0, "d0", [(6.0, 10.0)], saliency=saliency))
    assert first.saliency.clip_ids == (2, 3, 4)
    assert second.saliency.clip_ids == (0, 1)
    assert second.saliency.scores == ((2, 2, 2), (4, 4, 4))
    wrong = saliency | {"clip_s": 1.0}
    with pytest.raises(DataError, match="clips of 1 s, the features have clips of 2 s"):
        joined(query(0, "d0", [(6.0, 10.0)], saliency=wrong))[0]


def test_missing_features_are_counted(joined, tmp_path):
    joined(query(0, "d0", [(1.0, 2.0)]))
    other = query(1, "nowhere", [(1.0, 2.0)])
    with pytest.raises(DataError, match="lacks 1 video of the annotations, the first is 'nowhere'"):
        ExampleSet([other], tmp_path / "videos", tmp_path / "texts")
    unknown = query(1, "d0", [(1.0, 2.0)], text="unknown")
    with pytest.raises(DataError, match="lacks 1 sentence of"):
        ExampleSet([unknown], tmp_path / "videos", tmp_path / "texts")


def test_examples_are_known_by_what_is_in_them(annotations, tmp_path):
    """Wherever they lie; another window, sentence or encoder is noticed."""
    found = {}
    for name, seed in (("a", 0), ("copy", 0), ("other", 1)):
        encoder, folder = SmallEncoder(seed), tmp_path / name
        extract_files(annotations, encoder, folder / "videos")
        extract_texts([query.text for query in annotations.queries] + ["new"], encoder, folder / "texts")
        found[name] = ExampleSet(annotations.queries, folder / "videos", folder / "texts").sha256()
    first, second = annotations.queries
    places = tmp_path / "a" / "videos", tmp_path / "a" / "texts"
    for name, changed in (("window", replace(first, windows_s=((1.0, 3.5),))), ("text", replace(first, text="new"))):
        found[name] = ExampleSet([changed, second], *places).sha256()
    assert found["a"] == found["copy"] and len(set(found.values())) == 4
