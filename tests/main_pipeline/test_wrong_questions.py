"""Questions of another kind than expected get one line of the package, never a traceback of PyTorch or Python."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import torch

from coarse_to_fine.coarse_grained import load_coarse
from coarse_to_fine.coarse_grained.t_mass.config import TMassConfig
from coarse_to_fine.coarse_grained.t_mass.model import TMass
from coarse_to_fine.errors import UserError
from coarse_to_fine.fine_grained import load_fine
from coarse_to_fine.library import Library
from coarse_to_fine.main_pipeline import Pipeline, Query
from coarse_to_fine.main_pipeline.choosing import chosen_videos, read_since
from tests.library.small_encoder import SmallEncoder
from tests.library.small_videos import write_video

SENTENCE = "a red square moves"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    folder = tmp_path_factory.mktemp("questions")
    for number in range(2):
        write_video(folder / "videos" / f"v{number}.mp4", 4, number)
    with Library.create(folder / "library.ctf", encoder=SmallEncoder()) as library:
        library.add(folder / "videos")
        yield Pipeline(library, load_coarse("mean-pool"), load_fine("similarity"))


def refused(call, message):
    with pytest.raises(UserError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert str(caught.value).count(";") >= 1


@pytest.mark.parametrize("given", [None, 5, Query, b"a square"])
def test_several_queries_are_a_list(pipeline, given):
    for way in (pipeline.search_many, pipeline.rank_videos_many, pipeline.score_videos_many):
        refused(lambda way=way: way(given), "queries is .*; expected several sentences; (give a|put it into a) list")


@pytest.mark.parametrize("given", ["5", 2.5, None, [3], True])
def test_counts_and_seeds_are_whole_numbers(pipeline, given):
    for name in ("top_videos", "top_moments", "seed"):
        refused(lambda name=name: pipeline.search(SENTENCE, **{name: given}), f"{name} is .*; expected a whole number")
    refused(lambda: pipeline.rank_videos(SENTENCE, given), "top_videos is .*; expected a whole number")
    refused(lambda: pipeline.score_videos_many([SENTENCE], given), "seed is .*; expected a whole number")


def test_a_seed_has_64_bits(pipeline):
    refused(lambda: pipeline.search(SENTENCE, seed=2**64), "expected a whole number of at most 64 bits")
    assert pipeline.search(SENTENCE, seed=-1)


def test_whole_numbers_of_numpy_are_whole_numbers(pipeline):
    stochastic = TMass(TMassConfig(embed_dim=16, num_frames=12))
    drawn = [
        pipeline.with_models(coarse=stochastic).search(SENTENCE, top_videos=kind(2), seed=kind(3))
        for kind in (int, np.int64)
    ]
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (5, "among is 5; expected ids of videos; give a list"),
        ([["v0"]], r"among names 1 id not there \(\['v0'\]\)"),
        ([None, "v9"], r"among names 2 ids not there \(None, v9\)"),
    ],
)
def test_what_is_searched_among_are_ids(pipeline, given, message):
    refused(lambda: pipeline.search(SENTENCE, among=given), message)


def test_whole_videos_are_no_ids(pipeline):
    videos = pipeline.library.videos()
    refused(lambda: pipeline.search(SENTENCE, among=videos), r"not there \(of type StoredVideo\); expected ids")
    for given in (videos[0], ["v0"], None):
        refused(lambda given=given: pipeline.moments(SENTENCE, given), "^no video .*; expected an id of")


@pytest.mark.parametrize("given", [None, 5, SENTENCE, [SENTENCE], [(SENTENCE,)], (SENTENCE, "v0"), {SENTENCE: "v0"}])
def test_moments_are_asked_for_in_pairs(pipeline, given):
    refused(lambda: pipeline.moments_many(given), r"pairs .*; expected \(sentence, video id\) pairs; ")


@pytest.mark.parametrize("parts", [{"plus": 5}, {"plus": [5]}, {"minus": None}, {"minus": {"a": 1}}])
def test_sentences_of_a_query_are_a_tuple(parts):
    refused(lambda: Query("a tree", **parts), "(plus|minus) is .*; expected several sentences")


@pytest.mark.parametrize("given", [5, torch.zeros(3, 3), b"a.jpg"])
def test_a_picture_is_asked_for_by_its_file(given):
    refused(lambda: Query(image=given), "image is .*; expected a path; save the picture to a file")


def test_videos_are_chosen_of_stored_ones(pipeline):
    library = pipeline.library
    for given in (library, pipeline, None, 5):
        refused(lambda given=given: chosen_videos(given), "videos is .*; expected stored videos; give library.videos")
    for given in (["v0"], "library.ctf"):
        refused(lambda given=given: chosen_videos(given, path="*"), "expected a stored video; give library.videos")


@pytest.mark.parametrize("given", [5, ["*.mp4"], Path("videos")])
def test_a_pattern_of_paths_is_text(pipeline, given):
    videos = pipeline.library.videos()
    refused(lambda: chosen_videos(videos, path=given), "path is .*; expected a shell pattern")


@pytest.mark.parametrize("given", ["7d", 5, date(2024, 1, 1), timedelta(3)])
def test_the_earliest_time_is_a_datetime(pipeline, given):
    videos = pipeline.library.videos()
    refused(lambda: chosen_videos(videos, since=given), "since is .*; expected a datetime; give")


def test_times_that_no_file_has_are_refused(pipeline):
    videos = pipeline.library.videos()
    refused(lambda: chosen_videos(videos, since=datetime(1, 1, 1)), "since is 0001-01-01 .*; expected a time that a")
    refused(lambda: read_since(7), "the date is 7; expected text")
