"""Files: frames and time stamps of the videos, the annotation layout, resuming after a kill, the demo set."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from coarse_to_fine.data_generation.world import Scene, demo_scenes, demo_searches, render_frame, sample_scene
from coarse_to_fine.data_generation.world.annotations import query_rows
from coarse_to_fine.data_generation.world.encode import frame_ticks, frame_times, write_video
from coarse_to_fine.data_generation.world.generate import generate_world, write_scenes
from coarse_to_fine.data_generation.world.scene import Encoding
from coarse_to_fine.errors import ConfigError, DataError

CONSTANT = Encoding(160, 120, 12, False, 25, 24)
VARIABLE = Encoding(192, 144, 25, True, 12, 24)


def short(seed: int, encoding: Encoding = CONSTANT, seconds: float = 4.0) -> Scene:
    return replace(sample_scene(seed, "test"), duration_s=seconds, encoding=encoding)


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("encoding", [CONSTANT, VARIABLE], ids=["constant", "variable"])
def test_a_video_decodes_to_its_frames_at_their_times(encoding: Encoding, tmp_path: Path):
    scene = replace(short(3, encoding, 8.0), noise=0)
    write_video(scene, tmp_path / "a b.mp4")
    with av.open(str(tmp_path / "a b.mp4")) as container:
        stream = container.streams.video[0]
        frames = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(stream)]
        assert stream.codec_context.name == "h264" and stream.codec_context.pix_fmt == "yuv420p"
        assert container.duration / 1e6 == pytest.approx(scene.duration_s, abs=0.01)
    assert [time_s for time_s, _ in frames] == pytest.approx(frame_times(scene).tolist(), abs=1e-4)
    for time_s, picture in frames[:: len(frames) // 5]:
        assert picture.shape == (encoding.height, encoding.width, 3)
        assert np.abs(picture.astype(int) - render_frame(scene, time_s)).mean() < 8
    assert [path.name for path in tmp_path.iterdir()] == ["a b.mp4"]


def test_key_frames_are_no_further_apart_than_the_scene_says(tmp_path: Path):
    write_video(short(4), tmp_path / "v.mp4")
    with av.open(str(tmp_path / "v.mp4")) as container:
        stream = container.streams.video[0]
        keys = [index for index, frame in enumerate(container.decode(stream)) if frame.key_frame]
    assert keys[0] == 0 and len(keys) >= 2 and max(np.diff(keys)) <= CONSTANT.key_distance


def test_a_variable_rate_really_varies_and_ends_at_the_last_tick():
    ticks = frame_ticks(short(5, VARIABLE, 60.0))
    assert len(set(np.diff(ticks).tolist())) > 1 and ticks[0] == 0 and ticks[-1] == 60 * 25 - 1
    assert (np.diff(frame_ticks(short(5, CONSTANT, 60.0))) == 1).all()


def test_the_annotation_layout_holds_videos_queries_and_coarse_captions(tmp_path: Path):
    scenes = [short(seed) for seed in range(2)]
    result = write_scenes(tmp_path, scenes, workers=1)
    write_scenes(tmp_path, [replace(scenes[0], split="val", video_id="val-000000")], workers=1)

    def rows(name: str) -> list[dict]:
        return [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]

    assert [row["video_id"] for row in rows("videos.jsonl")] == ["test-000000", "test-000001", "val-000000"]
    assert all((tmp_path / row["path"]).is_file() for row in rows("videos.jsonl"))
    assert len(rows("queries.test.jsonl")) == result.queries == sum(len(scene.events) for scene in scenes)
    assert set(rows("queries.test.jsonl")[0]) == {"query_id", "video_id", "text", "windows_s", "extras"}
    assert [row["variant"] for row in rows("coarse.test.jsonl")] == [0, 1, 0, 1]
    described = json.loads((tmp_path / "dataset.json").read_text())
    assert described["name"] == "world" and set(described["splits"]) == {"test", "val"}
    assert described["splits"]["test"] == {"videos": 2, "queries": result.queries, "coarse": 4}


def test_two_processes_write_the_same_bytes_as_one(tmp_path: Path):
    scenes = [short(seed) for seed in range(3)]
    seen: list[tuple[int, int]] = []
    write_scenes(tmp_path / "one", scenes, workers=1)
    write_scenes(tmp_path / "two", scenes, workers=2, progress=lambda done, total: seen.append((done, total)))
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_the_bytes_of_a_video_do_not_depend_on_what_memory_held_before(tmp_path: Path):
    found = set()
    for fill in (0, 7, 255):
        litter = [np.full(size, fill, np.uint8) for size in (1 << 12, 1 << 14, 20_000, 60_000, 1 << 17) * 40]
        del litter
        write_video(short(2), tmp_path / "v.mp4")
        found.add((tmp_path / "v.mp4").read_bytes())
    assert len(found) == 1


def test_complete_videos_are_skipped(tmp_path: Path):
    scenes = [short(seed) for seed in range(2)]
    write_scenes(tmp_path, scenes[:1], workers=1)
    kept = (tmp_path / "videos" / "test-000000.mp4").stat()
    assert write_scenes(tmp_path, scenes, workers=1).skipped == 1
    assert (tmp_path / "videos" / "test-000000.mp4").stat() == kept


_PROGRAM = """
import sys
from dataclasses import replace
from coarse_to_fine.data_generation.world import sample_scene
from coarse_to_fine.data_generation.world.generate import write_scenes
from coarse_to_fine.data_generation.world.scene import Encoding

if __name__ == "__main__":
    small = Encoding(160, 120, 12, False, 25, 24)
    scenes = [replace(sample_scene(seed, "test"), duration_s=8.0, encoding=small) for seed in range(6)]
    write_scenes(sys.argv[1], scenes, workers=int(sys.argv[2]))
"""


def test_a_run_killed_at_any_moment_goes_on_to_the_same_set(tmp_path: Path):
    program = tmp_path / "program.py"
    program.write_text(_PROGRAM)
    subprocess.run([sys.executable, program, tmp_path / "whole", "1"], check=True)
    videos = tmp_path / "killed" / "videos"
    for wait_s in (0.02, 0.1, 0.2):
        there = set(videos.glob("*"))  # videos, and what a killed run left half written
        process = subprocess.Popen([sys.executable, program, tmp_path / "killed", "1"])
        deadline = time.monotonic() + 20
        while not set(videos.glob("*")) - there and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(wait_s)
        assert set(videos.glob("*")) - there and process.poll() is None  # it is killed at work
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert digests(tmp_path / "killed") != digests(tmp_path / "whole")
    subprocess.run([sys.executable, program, tmp_path / "killed", "1"], check=True)
    assert digests(tmp_path / "killed") == digests(tmp_path / "whole")


def test_wrong_numbers_and_a_folder_of_another_version_are_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="0 videos"):
        generate_world(tmp_path, 0)
    with pytest.raises(ConfigError, match="0 worker"):
        generate_world(tmp_path, 1, workers=0)
    (tmp_path / "dataset.json").write_text('{"name": "world", "world_version": 99, "splits": {}}')
    with pytest.raises(DataError, match="version 99"):
        generate_world(tmp_path, 1)


def test_a_folder_with_other_videos_of_the_split_is_refused_and_left_as_it_is(tmp_path: Path):
    scenes = [short(seed) for seed in range(3)]
    write_scenes(tmp_path, scenes[:2], workers=1)
    (tmp_path / "videos" / "holiday.mp4").write_bytes(b"own")
    before = digests(tmp_path)
    message = r"1 video of test .* drew \(test-000001.mp4\); expected none but .*; choose another folder, repeat"
    with pytest.raises(DataError, match=message):
        write_scenes(tmp_path, scenes[:1], workers=1)
    with pytest.raises(DataError, match=r"2 videos of test .*test-000000.mp4, test-000001.mp4"):
        write_scenes(tmp_path, scenes[2:], workers=1)
    (tmp_path / "dataset.json").unlink()  # as a killed first run leaves it, without rows
    (tmp_path / "videos.jsonl").unlink()
    with pytest.raises(DataError, match="2 videos of test"):
        write_scenes(tmp_path, scenes[2:], workers=1)
    assert write_scenes(tmp_path, scenes, workers=1).skipped == 2
    assert before.items() - digests(tmp_path).items() <= {
        item for item in before.items() if not item[0].startswith("videos/")
    }


def test_generate_world_writes_the_videos_of_its_seed(tmp_path: Path):
    result = generate_world(tmp_path, 1, seed=2, split="val", workers=1)
    assert [path.name for path in (tmp_path / "videos").iterdir()] == ["val-200000.mp4"]
    assert (result.videos, result.coarse, result.split) == (1, 2, "val")


def test_the_demo_is_short_and_its_searches_have_true_windows():
    scenes = {scene.video_id: scene for scene in demo_scenes()}
    assert len(scenes) >= 24 and all(scene.duration_s <= 60 and scene.split == "test" for scene in scenes.values())
    searches = demo_searches()
    assert searches == demo_searches()
    kinds = [search.kind for search in searches]
    assert len(searches) >= 8 and {"fine", "coarse", "coarse+fine"} == set(kinds)
    for search in searches:
        scene = scenes[search.video_id]
        if search.kind == "coarse":
            assert search.windows_s == ((0.0, scene.duration_s),)
        else:
            sentence = search.moment if search.kind == "coarse+fine" else search.query
            truths = {row["text"]: row["windows_s"] for row in query_rows(scene)}
            assert [list(window) for window in search.windows_s] == truths[sentence]
