"""The joined stages: one by one equals many, times lie in the video, long videos give an event once."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from coarse_to_fine.coarse_grained import load_coarse
from coarse_to_fine.errors import UserError
from coarse_to_fine.fine_grained import load_fine
from coarse_to_fine.fine_grained.similarity.model import Similarity
from coarse_to_fine.fusion import FusionConfig, bundled_fusion, fuse, video_log_probability
from coarse_to_fine.library import Library
from coarse_to_fine.main_pipeline import Pipeline, Query
from tests.library.small_encoder import SmallEncoder
from tests.library.small_videos import write_video

SENTENCES = ["a red square moves", "the ground is blue", "nothing happens", "z"]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pipeline")
    for number, seconds in enumerate((3, 8, 21, 200)):
        write_video(folder / "videos" / f"v{number}.mp4", seconds, number)
    with Library.create(folder / "library.ctf", encoder=SmallEncoder()) as made:
        made.add(folder / "videos")
        yield made


@pytest.fixture(scope="module")
def pipeline(library):
    return Pipeline(library, load_coarse("mean-pool"), load_fine("similarity"))


def test_hits_lie_in_their_videos_and_are_sorted(pipeline, library):
    durations = {video.video_id: video.duration_s for video in library.videos()}
    for sentence in SENTENCES:
        hits = pipeline.search(sentence, top_moments=50)
        assert hits
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        for hit in hits:
            assert 0 <= hit.start_s < hit.end_s <= durations[hit.video_id]
            assert 0 <= hit.score <= 1
            assert hit.segment_s[0] <= hit.start_s < hit.end_s <= hit.segment_s[1] + 1e-6 or hit.video_id == "v3"


def test_many_queries_at_once_give_what_each_gives_alone(pipeline):
    together = pipeline.search_many([*SENTENCES, Query("a red square", "it moves to the left")], top_moments=7)
    alone = [pipeline.search(sentence, top_moments=7) for sentence in SENTENCES]
    alone.append(pipeline.search("a red square", moment="it moves to the left", top_moments=7))
    for many, one in zip(together, alone, strict=True):
        assert [(hit.video_id, hit.coarse_rank) for hit in many] == [(hit.video_id, hit.coarse_rank) for hit in one]
        for a, b in zip(many, one, strict=True):
            assert (a.start_s, a.end_s) == pytest.approx((b.start_s, b.end_s))
            assert a.score == pytest.approx(b.score, abs=1e-6)


def test_the_coarse_sentence_ranks_and_the_fine_one_locates(pipeline):
    both = pipeline.search("the ground is blue", moment="a red square moves", top_videos=1, top_moments=3)
    ranked = pipeline.rank_videos("the ground is blue", top_videos=1)
    alone = pipeline.moments("a red square moves", ranked[0].video_id)
    assert {hit.video_id for hit in both} == {ranked[0].video_id}
    if ranked[0].video_id != "v3":
        assert both[0].moment_score == pytest.approx(alone.hits[0].score, abs=1e-6)


def test_more_than_there_is_gives_all(pipeline, library):
    assert len(pipeline.rank_videos("a square", top_videos=10**6)) == len(library)
    assert pipeline.search("a square", top_videos=10**6, top_moments=10**6)


def test_ranks_count_from_one_and_scores_fall(pipeline):
    videos = pipeline.rank_videos("a square")
    assert [video.rank for video in videos] == [1, 2, 3, 4]
    assert [video.score for video in videos] == sorted((video.score for video in videos), reverse=True)


@pytest.mark.parametrize("sentence", ["", " ", "...", "?"])
def test_a_sentence_without_words_is_refused_with_an_example(pipeline, sentence):
    with pytest.raises(UserError, match="such as"):
        pipeline.search(sentence)


@pytest.mark.parametrize("counts", [{"top_videos": 0}, {"top_moments": 0}, {"top_videos": -1}])
def test_counts_below_one_are_refused(pipeline, counts):
    with pytest.raises(UserError, match="expected 1 or more"):
        pipeline.search("a square", **counts)


def test_moments_of_a_long_video_cover_its_whole_curve(pipeline, library):
    video = library.video("v3")
    found = pipeline.moments("a red square", "v3")
    assert len(library.segments("v3")) == 2
    assert len(found.saliency) == video.clip_count
    spans = [(hit.start_s, hit.end_s) for hit in found.hits]
    assert len(set(spans)) == len(spans)
    assert all(0 <= start < end <= video.duration_s for start, end in spans)


def test_a_video_that_is_not_there_is_named(pipeline):
    with pytest.raises(UserError, match="no video 'nowhere'"):
        pipeline.moments("a square", "nowhere")


@pytest.mark.parametrize(
    ("search", "call"),
    [("search", "segment_features"), ("search", "video"), ("rank_videos", "video"), ("rank_videos", "segments")],
)
def test_a_video_removed_after_it_was_ranked_is_not_found(tmp_path, monkeypatch, search, call):
    for number in range(3):
        write_video(tmp_path / "videos" / f"v{number}.mp4", 4.0, number)
    with Library.create(tmp_path / "library.ctf", encoder=SmallEncoder()) as made:
        made.add(tmp_path / "videos")
        pipeline = Pipeline(made, load_coarse("mean-pool"), load_fine("similarity"))
        original = getattr(made, call)

        def remove_first(*arguments):
            monkeypatch.undo()
            with Library.open(made.path) as other:
                other.remove("v1")
            return original(*arguments)

        monkeypatch.setattr(made, call, remove_first)
        assert {hit.video_id for hit in getattr(pipeline, search)("a red square")} == {"v0", "v2"}


def test_an_empty_library_gives_no_hit(tmp_path):
    with Library.create(tmp_path / "empty.ctf", encoder=SmallEncoder()) as empty:
        pipeline = Pipeline(empty, load_coarse("mean-pool"), load_fine("similarity"))
        assert pipeline.search("a square") == []
        assert pipeline.rank_videos("a square") == []


def test_a_video_that_is_added_later_is_found(tmp_path):
    with Library.create(tmp_path / "growing.ctf", encoder=SmallEncoder()) as growing:
        pipeline = Pipeline(growing, load_coarse("mean-pool"), load_fine("similarity"))
        growing.add(write_video(tmp_path / "one.mp4", 4, 1))
        assert {hit.video_id for hit in pipeline.search("a square")} == {"one"}
        growing.add(write_video(tmp_path / "two.mp4", 4, 2))
        assert {hit.video_id for hit in pipeline.search("a square", top_moments=50)} == {"one", "two"}
        growing.remove("one")
        assert {hit.video_id for hit in pipeline.search("a square")} == {"two"}


def test_a_file_that_changed_is_seen_anew_by_both_stages(tmp_path):
    """Its segments keep their ids, so nothing that was computed of them may stay."""
    write_video(tmp_path / "videos" / "v.mp4", 8, 1)
    with Library.create(tmp_path / "library.ctf", encoder=SmallEncoder()) as made:
        made.add(tmp_path / "videos")
        running = Pipeline(made, load_coarse("mean-pool"), load_fine("similarity"))
        before = running.moments(SENTENCES[0], "v")
        write_video(tmp_path / "videos" / "v.mp4", 8, 5)
        made.add(tmp_path / "videos")
        after = running.moments(SENTENCES[0], "v")
        fresh = Pipeline(made, load_coarse("mean-pool"), load_fine("similarity"))
        assert after.hits == fresh.moments(SENTENCES[0], "v").hits != before.hits
        assert running.search(SENTENCES[0]) == fresh.search(SENTENCES[0])


def test_the_bundled_fusion_goes_with_bundled_models_alone(tmp_path):
    with Library.create(tmp_path / "library.ctf", encoder="tiny-world"):
        pass
    named = Pipeline.load(tmp_path / "library.ctf", "mean-pool", "similarity", "cpu")
    assert named.fusion == bundled_fusion("mean-pool", "similarity") != FusionConfig()
    load_coarse("t-mass", encoder="tiny-world").save_pretrained(tmp_path / "t-mass")
    own = Pipeline.load(tmp_path / "library.ctf", tmp_path / "t-mass", "similarity", "cpu")
    assert own.fusion == own.with_models(fine="mesm").fusion == FusionConfig()
    assert own.with_models(coarse="t-mass").fusion == bundled_fusion("t-mass", "similarity")


def test_models_that_were_given_are_no_bundled_ones(tmp_path):
    """By whatever name: their fusion is not that of the bundled weights, in a copy neither."""
    with Library.create(tmp_path / "library.ctf", encoder="tiny-world") as library:
        parts = load_coarse("t-mass", encoder="tiny-world"), load_fine("mesm", encoder="tiny-world")
        given = Pipeline(library, *parts)
        copies = copy.copy(given), given.with_models(fine="similarity"), Pipeline.load(library, *parts, device="cpu")
        assert {one.fusion for one in (given, *copies)} == {FusionConfig()}
        named = given.with_models("t-mass", "mesm")
        assert named.fusion == bundled_fusion("t-mass", "mesm") != FusionConfig()
        assert named.with_models(coarse=parts[0]).fusion == FusionConfig()


class Dropped(Similarity):
    """Drops clips while it is trained."""

    def video_cache(self, segment):
        clips = functional.dropout(segment.clips, 0.5, self.training)
        return super().video_cache(replace(segment, clips=clips))


def test_a_model_that_was_just_made_is_searched_with_in_eval_mode(library, pipeline):
    model = Dropped()
    assert model.training
    hits = Pipeline(library, load_coarse("mean-pool").train(), model).search(SENTENCES[0])
    assert hits == pipeline.search(SENTENCES[0])
    hits = pipeline.with_models(fine=Dropped()).search(SENTENCES[0])
    assert hits == pipeline.search(SENTENCES[0])


def test_a_fusion_that_was_given_stays_with_other_models(tmp_path):
    given = FusionConfig(alpha=0.3)
    with Library.create(tmp_path / "library.ctf", encoder="tiny-world"):
        pass
    made = Pipeline.load(tmp_path / "library.ctf", "mean-pool", "similarity", "cpu", given)
    assert made.fusion == made.with_models("t-mass", "mesm").fusion == given


def test_fused_scores_are_a_weighted_geometric_mean():
    log_p = video_log_probability(torch.tensor([0.4, 0.3]), temperature=0.1)
    assert log_p.exp().sum() == pytest.approx(1.0)
    confidence = torch.tensor([0.9, 0.5])
    assert fuse(log_p, confidence, FusionConfig(alpha=0.0)).tolist() == pytest.approx([0.9, 0.5])
    assert fuse(log_p, confidence, FusionConfig(alpha=1.0)).tolist() == pytest.approx(log_p.exp().tolist())
    middle = fuse(log_p, confidence, FusionConfig(alpha=0.5))
    assert middle.tolist() == pytest.approx((log_p.exp() * confidence).sqrt().tolist())
    assert fuse(log_p, torch.zeros(2), FusionConfig()).isfinite().all()
