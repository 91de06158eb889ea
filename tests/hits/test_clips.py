"""Hits become files of the right length with names that any file system takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from coarse_to_fine.errors import UserError, VideoError
from coarse_to_fine.hits.clips import clip_name, cut_hits, hit_caption, make_reel
from coarse_to_fine.video import probe, read_frames
from coarse_to_fine.video.caption import caption, load_font, shortened
from tests.video.files import Recipe, steady_times
from tests.video.files import write_video as write_film

TICK_S = 0.001
"""Times of clips are right to this; Matroska stores milliseconds."""


def frames(path):
    video = probe(path)
    return [read.picture for read in read_frames(video, video.frame_times_s.tolist())]


def test_every_hit_becomes_a_clip_of_its_length(hits, tmp_path):
    seen = []
    report = cut_hits(hits, tmp_path / "new" / "clips", progress=lambda *step: seen.append(step))
    assert [place for place, _ in report.written] == [1, 2, 3]
    assert report.failed == ()
    for place, clip in report.written:
        assert probe(clip.path).duration_s == pytest.approx(hits[place - 1].end_s - hits[place - 1].start_s, abs=TICK_S)
    assert [(done, total) for done, total, _ in seen] == [(1, 3), (2, 3), (3, 3)]


def test_a_copy_starts_at_a_key_frame_and_keeps_the_codec(hits, tmp_path):
    report = cut_hits(hits, tmp_path, coding="none")
    assert report.failed == ()
    for place, clip in report.written:
        hit, made = hits[place - 1], probe(clip.path)
        assert (clip.coded, clip.reason) == ("none", None)
        assert made.codec == probe(hit.path).codec == "mpeg4"
        assert hit.end_s - hit.start_s <= made.duration_s + 0.21
        assert made.duration_s <= hit.end_s + 0.01
    with pytest.raises(UserError, match="leave one out"):
        cut_hits(hits, tmp_path, coding="none", max_height=100)


def test_pictures_that_can_be_copied_are_and_the_others_say_why_not(hits, tmp_path):
    (_, other), *_ = cut_hits(hits[:1], tmp_path / "mpeg4").written
    assert (other.coded, probe(other.path).codec) == ("all", "h264")
    assert other.reason is not None
    assert "mpeg4" in other.reason
    film = write_film(tmp_path / "film.mp4", steady_times(6), Recipe(gop=30))
    (_, clip), *_ = cut_hits([replace(hits[0], path=str(film), start_s=1.5, end_s=4.0)], tmp_path).written
    assert (clip.coded, clip.reason) == ("ends", None)
    assert probe(clip.path).duration_s == pytest.approx(2.5, abs=TICK_S)
    (_, clip), *_ = cut_hits([replace(hits[0], path=str(film), start_s=1.0, end_s=6.0)], tmp_path).written
    assert clip.coded == "none"


@pytest.mark.parametrize("options", [{"coding": "all"}, {"max_height": 64}])
def test_everything_is_coded_anew_on_request(hits, tmp_path, options):
    film = write_film(tmp_path / "film.mp4", steady_times(4), Recipe(gop=30))
    (_, clip), *_ = cut_hits([replace(hits[0], path=str(film), start_s=1.0, end_s=3.0)], tmp_path, **options).written
    assert (clip.coded, clip.reason) == ("all", None)
    assert probe(clip.path).height == options.get("max_height", 120)


def test_padding_stops_at_the_ends_of_the_video(hits, tmp_path):
    report = cut_hits(hits[:1], tmp_path, pad_s=100)
    assert probe(report.written[0][1].path).duration_s == pytest.approx(probe(hits[0].path).duration_s, abs=TICK_S)


def test_a_missing_video_gets_a_reason_and_the_others_are_cut(hits, tmp_path):
    gone = replace(hits[1], path=str(tmp_path / "gone.mp4"))
    report = cut_hits([hits[0], gone, hits[2]], tmp_path / "clips")
    assert [place for place, _ in report.written] == [1, 3]
    assert [path for path, _ in report.failed] == [gone.path]
    assert "index its folder again" in report.failed[0][1]


@pytest.mark.parametrize("stem", ["视" * 200, "-dash", "new\nline", 'a:b*"c"?', "trailing "])
def test_names_are_allowed_everywhere(hits, stem):
    name = clip_name(replace(hits[0], path=f"/videos/{stem}.mp4", start_s=3725.04, end_s=3731.5), 7)
    assert name.startswith("07 ")
    assert name.endswith(" 1h02m05.0s-1h02m11.5s.mp4")
    assert len(name.encode()) <= 255
    assert name.isprintable()
    assert not set(name) & set('/\\:*?"<>|')


def test_a_reel_holds_all_hits_one_after_the_other(hits, tmp_path):
    reel = make_reel(hits, tmp_path / "reel.mp4", captions=False)
    assert probe(reel).duration_s == pytest.approx(sum(hit.end_s - hit.start_s for hit in hits), abs=3 * TICK_S)


def test_captions_change_the_lowest_rows_alone(hits, tmp_path):
    plain = frames(make_reel(hits[:1], tmp_path / "plain.mp4", captions=False))
    written = frames(make_reel(hits[:1], tmp_path / "written.mp4"))
    assert len(plain) == len(written)
    height = plain[0].shape[0]
    difference = np.abs(plain[0].astype(int) - written[0].astype(int)).mean(axis=(1, 2))
    assert difference[: height // 3].max() < 6
    assert difference[-10:].mean() > 20


def test_a_reel_says_what_is_wrong(hits, tmp_path):
    with pytest.raises(UserError, match="no moment to join"):
        make_reel([], tmp_path / "reel.mp4")
    with pytest.raises(UserError, match=r"ends in \.mp4"):
        make_reel(hits, tmp_path / "reel.gif")
    with pytest.raises(UserError, match="0 or more"):
        make_reel(hits, tmp_path / "reel.mp4", pad_s=-1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "not where it was"), (b"x", "not a video file"), (b"", "the file is empty")]
)
def test_a_reel_names_the_video_that_cannot_be_read(hits, tmp_path, content, reason):
    path = tmp_path / "bad.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(VideoError, match=rf"^{path}: .*{reason}"):
        make_reel([hits[0], replace(hits[1], path=str(path))], tmp_path / "reel.mp4")
    assert not (tmp_path / "reel.mp4").exists()


def test_a_reel_names_the_video_that_became_shorter(hits, tmp_path):
    with pytest.raises(VideoError, match=rf"^{hits[1].path}: the stretch"):
        make_reel([hits[0], replace(hits[1], start_s=900.0, end_s=901.0)], tmp_path / "reel.mp4")


def test_the_caption_names_place_video_and_time(hits):
    text = hit_caption(hits[0], 4)
    assert text.startswith("4  ")
    assert Path(hits[0].path).name in text
    assert "0:01.0-0:03.0" in text


def test_a_caption_that_is_too_long_loses_its_middle():
    font = load_font(12)
    shown = shortened("a long name " * 20, font, 100)
    assert font.getlength(shown) <= 100
    assert "…" in shown
    assert shown.startswith("a long")
    assert shortened("short", font, 100) == "short"


def test_a_caption_of_a_hundred_thousand_letters_is_shortened_with_few_measurements():
    class Font:
        measured = 0

        def getlength(self, text):
            self.measured += 1
            return float(len(text))

    font = Font()
    assert len(shortened("many words " * 10_000, font, 100)) == 100
    assert font.measured < 50


def test_letters_lie_inside_the_picture():
    made = caption("x" * 500, 64, 48)
    assert made.letters.shape[1] == 64
    assert len(made.letters) <= 48
    white = made.on(np.zeros((48, 64, 3), np.uint8))
    assert white.max() > 200
