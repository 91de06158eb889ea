"""Which files of folders are taken."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from coarse_to_fine.video import find_videos
from coarse_to_fine.video.folder import VIDEO_SUFFIXES
from tests.library.test_sharing import without_rights


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def names(folder: Path, **settings: bool) -> list[str]:
    return [str(path.relative_to(folder)) for path in find_videos([folder], **settings).files]


def test_known_suffixes_are_taken_in_any_case_and_in_order(tmp_path: Path) -> None:
    touch(tmp_path, "b.MP4", "a.mkv", "c/d.webm", "notes.txt", "sound.mp3", "picture.jpg", "c/e.M2TS")
    assert names(tmp_path) == ["a.mkv", "b.MP4", "c/d.webm", "c/e.M2TS"]


@pytest.mark.parametrize("suffix", sorted(VIDEO_SUFFIXES))
def test_suffix(tmp_path: Path, suffix: str) -> None:
    touch(tmp_path, f"x{suffix}")
    assert names(tmp_path) == [f"x{suffix}"]


def test_hidden_files_side_files_and_hidden_folders_are_left_out_unless_asked(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", ".b.mp4", "._a.mp4", ".cache/c.mp4", "@eaDir/a.mp4/SYNOPHOTO_FILM.mp4", "__MACOSX/a.mp4")
    assert names(tmp_path) == ["a.mp4"]
    assert names(tmp_path, include_hidden=True) == ["._a.mp4", ".b.mp4", "a.mp4", ".cache/c.mp4"]
    reasons = {path.name: reason for path, reason in find_videos([tmp_path]).skipped}
    assert reasons == {".b.mp4": "hidden", "._a.mp4": "a side file of another system"}


def test_partial_downloads_are_left_out_and_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4.part", "b.mkv.crdownload", "c.webm.tmp", "d.zip.part", "e.mp4")
    found = find_videos([tmp_path])
    assert [path.name for path in found.files] == ["e.mp4"]
    assert {path.name for path, reason in found.skipped} == {"a.mp4.part", "b.mkv.crdownload", "c.webm.tmp"}
    assert names(tmp_path, include_hidden=True) == ["a.mp4.part", "b.mkv.crdownload", "c.webm.tmp", "e.mp4"]


def test_a_named_file_is_always_taken(tmp_path: Path) -> None:
    touch(tmp_path, ".hidden.bin", "a.mp4.part")
    asked = [tmp_path / ".hidden.bin", tmp_path / "a.mp4.part", tmp_path / "absent"]
    assert find_videos(asked).files == tuple(asked)


def test_links_are_followed_once(tmp_path: Path) -> None:
    touch(tmp_path, "real/a.mp4")
    (tmp_path / "real" / "loop").symlink_to(tmp_path)
    (tmp_path / "same_folder").symlink_to(tmp_path / "real")
    (tmp_path / "same_file.mp4").symlink_to(tmp_path / "real" / "a.mp4")
    (tmp_path / "nowhere.mp4").symlink_to(tmp_path / "absent.mp4")
    found = find_videos([tmp_path])
    assert len(found.files) == 1
    assert [(path.name, reason) for path, reason in found.problems] == [("nowhere.mp4", "a link that leads nowhere")]


def test_odd_names_are_kept(tmp_path: Path) -> None:
    odd = ["-dash.mp4", " trailing .mp4", "new\nline.mp4", "ünï 视频 😀 'q\" #%&.mp4", "x" * 250 + ".mp4"]
    touch(tmp_path, *odd)
    assert sorted(names(tmp_path)) == sorted(odd)


def test_a_folder_named_like_a_video_is_searched(tmp_path: Path) -> None:
    touch(tmp_path, "disc.ts/a.mp4")
    assert names(tmp_path) == ["disc.ts/a.mp4"]


@pytest.mark.skipif(os.name != "posix", reason="needs named pipes")
def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    assert find_videos([tmp_path]).problems == ((tmp_path / "pipe.mp4", "not a regular file"),)


@pytest.mark.skipif(os.name != "posix", reason="needs permissions")
def test_a_folder_that_may_be_listed_and_not_entered_is_said() -> None:
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top)
        touch(folder, "closed/a.mp4")
        folder.chmod(0o755)
        (folder / "closed").chmod(0o444)
        with without_rights():
            found = find_videos([folder, folder / "closed" / "a.mp4"])
        (folder / "closed").chmod(0o755)
    assert found.files == (folder / "closed" / "a.mp4",)
    assert found.problems == ((folder / "closed" / "a.mp4", "Permission denied; check the permissions of the folder"),)


def test_the_same_folder_twice_gives_each_file_once(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4")
    assert len(find_videos([tmp_path, tmp_path, tmp_path / "a.mp4"]).files) == 1


def test_deep_folders_are_searched(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 300)
    deep.mkdir(parents=True)
    (deep / "a.mp4").write_bytes(b"x")
    assert len(find_videos([tmp_path]).files) == 1
