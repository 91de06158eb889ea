"""Queries that are more than one sentence: sums, differences, pictures; and searches among some videos only."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
import torch
from PIL import Image

from coarse_to_fine.coarse_grained import load_coarse
from coarse_to_fine.errors import UserError
from coarse_to_fine.fine_grained import load_fine
from coarse_to_fine.library import Library
from coarse_to_fine.main_pipeline import Pipeline, Query
from coarse_to_fine.main_pipeline.choosing import chosen_videos, read_since
from coarse_to_fine.main_pipeline.query import asked_features, combined
from coarse_to_fine.video import probe, read_frames
from tests.library.small_encoder import SmallEncoder
from tests.library.small_videos import set_older, write_video


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    folder = tmp_path_factory.mktemp("queries")
    for number in range(5):
        write_video(folder / "videos" / ("old" if number < 2 else "new") / f"v{number}.mp4", 4 + number, number)
    set_older(folder / "videos" / "old" / "v0.mp4", 3 * 24 * 3600)
    with Library.create(folder / "library.ctf", encoder=SmallEncoder()) as library:
        library.add(folder / "videos")
        yield Pipeline(library, load_coarse("mean-pool"), load_fine("similarity"))


def features(query):
    encoder = SmallEncoder()
    texts = dict(zip(query.sentences, encoder.encode_text(query.sentences), strict=True))
    return asked_features(query, texts, encoder), texts


def test_one_sentence_stays_as_the_encoder_gave_it():
    asked, texts = features(Query("a dog", "it jumps"))
    assert asked.coarse is texts["a dog"]
    assert asked.fine is texts["it jumps"]


def test_sums_have_the_direction_of_their_parts_and_the_length_of_a_sentence():
    asked, texts = features(Query("a dog", plus=("snow",), minus=("night",)))
    dog, snow, night = (texts[text].embedding for text in ("a dog", "snow", "night"))
    expected = dog / dog.norm() + snow / snow.norm() - night / night.norm()
    assert torch.cosine_similarity(asked.coarse.embedding, expected, dim=0) == pytest.approx(1, abs=1e-6)
    assert float(asked.coarse.embedding.norm()) == pytest.approx(float((dog.norm() + snow.norm()) / 2), rel=1e-5)


def test_the_fine_stage_gets_the_words_that_are_asked_for():
    asked, texts = features(Query("a dog", plus=("snow",), minus=("night",)))
    assert asked.fine.text == "a dog, snow"
    assert torch.equal(asked.fine.tokens, texts["a dog, snow"].tokens)
    assert torch.equal(asked.fine.embedding, asked.coarse.embedding)
    with_moment, texts = features(Query("a dog", "it jumps", minus=("night",)))
    assert with_moment.fine is texts["it jumps"]


def test_the_order_of_what_is_added_does_not_matter(pipeline):
    one = pipeline.search(Query("a dog", plus=("snow", "ice")), top_moments=20)
    other = pipeline.search(Query("a dog", plus=("ice", "snow")), top_moments=20)
    assert [hit.video_id for hit in one] == [hit.video_id for hit in other]
    assert [hit.score for hit in one] == pytest.approx([hit.score for hit in other], abs=1e-5)


def test_what_cancels_is_refused(pipeline):
    with pytest.raises(UserError, match="cancel"):
        pipeline.search(Query("a dog", minus=("a dog",)))
    with pytest.raises(UserError, match="cancel"):
        combined([torch.ones(4)], [2 * torch.ones(4)], 1.0)


@pytest.fixture(scope="module")
def picture(pipeline, tmp_path_factory):
    """A frame of v3, which no other video looks like."""
    video = probe(pipeline.library.video("v3").path)
    frame = next(iter(read_frames(video, [2.0]))).picture
    path = tmp_path_factory.mktemp("picture") / "frame.png"
    Image.fromarray(frame).save(path)
    return path


def test_a_picture_finds_the_video_that_it_is_from(pipeline, picture):
    hits = pipeline.search(Query(image=picture))
    assert hits[0].video_id == "v3"
    assert pipeline.moments(Query(image=picture), "v3").hits


def test_a_picture_that_was_turned_by_its_camera_is_turned_back(pipeline, picture, tmp_path):
    turned = tmp_path / "turned.jpg"
    image = Image.open(picture)
    note = image.getexif()
    note[0x0112] = 6  # stored a quarter turn to the left of upright
    image.rotate(90, expand=True).save(turned, quality=98, exif=note)
    assert pipeline.search(Query(image=turned))[0].video_id == "v3"


def test_pictures_and_sentences_go_through_one_batch(pipeline, picture):
    queries = [
        "a dog",
        Query(image=picture),
        Query("a cat", minus=("night",)),
        Query("a cat", "it sits", image=picture),
    ]
    together = pipeline.search_many(queries)
    for query, hits in zip(queries, together, strict=True):
        alone = pipeline.search(query)
        assert [hit.video_id for hit in hits] == [hit.video_id for hit in alone]
        assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in alone], abs=1e-6)


def test_a_model_that_needs_words_is_replaced_for_pictures_and_says_so(pipeline, picture, monkeypatch):
    monkeypatch.setattr(pipeline, "fine_name", "qd-detr")
    assert "similarity" in " ".join(pipeline.notes(Query(image=picture)))
    assert pipeline.notes(Query("a dog", image=picture)) == pipeline.notes("a dog") == []
    assert pipeline.search(Query(image=picture))[0].video_id == "v3"


@pytest.mark.parametrize("name", ["missing.png", "text.png"])
def test_what_is_no_picture_is_refused(pipeline, tmp_path, name):
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(UserError, match="expected a picture file"):
        pipeline.search(Query(image=tmp_path / name))


@pytest.mark.parametrize("query", [Query(), Query("", "it jumps"), Query(minus=("night",)), Query("a dog", plus=("",))])
def test_a_query_without_words_is_refused(pipeline, query):
    with pytest.raises(UserError, match="such as"):
        pipeline.search(query)


def test_the_title_reads_as_it_was_asked():
    assert Query("a dog", plus=("snow",), minus=("night", "fog")).title == "a dog + snow - night - fog"
    assert Query(image="/pictures/dog.jpg").title == "image dog.jpg"


def test_only_chosen_videos_are_found(pipeline):
    everything = pipeline.search("a square", top_moments=50)
    some = pipeline.search("a square", top_moments=50, among=["v1", "v4"])
    assert {hit.video_id for hit in some} == {"v1", "v4"}
    coarse = {hit.video_id: hit.coarse_score for hit in everything}
    assert all(hit.coarse_score == pytest.approx(coarse[hit.video_id], abs=1e-6) for hit in some)
    assert pipeline.search("a square", among=[]) == []
    assert {hit.video_id for hit in pipeline.search("a square", top_moments=50)} == set(coarse)


@pytest.mark.parametrize(
    ("among", "said"),
    [("v1", r"among is the text 'v1'; expected ids"), (["v1", "v9", "v8"], r"names 2 ids .* \(v8, v9\)")],
)
def test_ids_that_no_video_has_are_named(pipeline, among, said):
    with pytest.raises(UserError, match=said):
        pipeline.search("a square", among=among)


@pytest.mark.parametrize(
    "ask",
    [
        lambda pipeline: pipeline.search(5),
        lambda pipeline: pipeline.search("a square", 5),
        lambda pipeline: pipeline.moments(5, "v1"),
        lambda pipeline: pipeline.rank_videos(5),
        lambda pipeline: pipeline.search(Query("a square", plus="red")),
        lambda pipeline: pipeline.search(Query("a square", minus=(5,))),
        lambda pipeline: pipeline.search_many("a square"),
        lambda pipeline: pipeline.rank_videos_many("a square"),
    ],
)
def test_what_is_no_sentence_is_refused_in_one_line(pipeline, ask):
    with pytest.raises(UserError, match="expected") as error:
        ask(pipeline)
    assert "\n" not in str(error.value)


def test_videos_are_chosen_by_path_and_date(pipeline):
    videos = pipeline.library.videos()
    assert chosen_videos(videos, path="*/old/*") == ["v0", "v1"]
    assert chosen_videos(videos, path="v3.mp4") == ["v3"]
    assert chosen_videos(videos, since=read_since("2d")) == ["v1", "v2", "v3", "v4"]
    changed = datetime.fromtimestamp(int(Path(pipeline.library.video("v0").path).stat().st_mtime))  # rounding adds
    assert chosen_videos(videos, path="*/old/*", since=changed) == ["v0", "v1"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2024-05-31", datetime(2024, 5, 31)), ("36h", datetime(2024, 6, 1)), ("1w", datetime(2024, 5, 26, 12))],
)
def test_dates_are_read(text, expected):
    assert read_since(text, now=datetime(2024, 6, 2, 12)) == expected


@pytest.mark.parametrize("text", ["yesterday", "31.5.2024", "7", "d", "999999d"])
def test_other_dates_are_refused_with_an_example(text):
    with pytest.raises(UserError, match="2024-05-31"):
        read_since(text)
