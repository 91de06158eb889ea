"""Videos of annotations whose files have other names than the stems of their ids, or the same content."""

from __future__ import annotations

import json
import shutil

import pytest

from coarse_to_fine.errors import DataError
from coarse_to_fine.library import Library
from coarse_to_fine.main_pipeline.steps.base import Work
from coarse_to_fine.main_pipeline.steps.library import BuildLibrary
from coarse_to_fine.main_pipeline.steps.prepare import PrepareData
from tests.main_pipeline.experiment_files import experiment, write_experiment

QUIET = Work(lambda done, total, what: None, lambda line: None)
PLAIN = {"captions": None, "evaluation": {"queries": ["fine"], "resamples": 20}}


@pytest.fixture
def files(tmp_path):
    return write_experiment(tmp_path / "files")


def stored(config, root):
    """Ids in the library of the split `test`."""
    PrepareData(config, root).run(QUIET)
    BuildLibrary(config, root).run(QUIET)
    with Library.open(root / "library" / "test.ctf", read_only=True) as library:
        return [video.video_id for video in library.videos()]


def test_a_library_has_the_ids_of_the_annotations(files, tmp_path):
    (files / "videos" / "video 6.mp4").rename(files / "videos" / "video%206.mp4")
    lines = files / "small_test_release.jsonl"
    lines.write_text(lines.read_text().replace('"video 7"', '"video 7.mp4"'))
    config = experiment(files, **PLAIN)
    assert stored(config, tmp_path / "run") == ["video 6", "video 7.mp4"]
    lines.write_text(lines.read_text().replace('"video 7.mp4"', '"video 7"'))
    assert stored(config, tmp_path / "run") == ["video 6", "video 7"]


@pytest.mark.parametrize("split", ["val", "test"])
def test_one_content_under_two_ids_is_said_before_anything_is_trained(files, tmp_path, split):
    first = {"val": 4, "test": 6}[split]
    shutil.copy(files / "videos" / f"video {first}.mp4", files / "videos" / f"video {first + 1}.mp4")
    with pytest.raises(DataError, match=f"{split}: videos .* have the same content .*expected one id") as caught:
        PrepareData(experiment(files, **PLAIN), tmp_path / "run").run(QUIET)
    assert "\n" not in str(caught.value)


def test_a_split_without_windows_is_refused_before_anything_is_trained(files, tmp_path):
    """As QVHighlights' test split; captions of whole videos are ranked without windows."""
    lines = files / "small_test_release.jsonl"
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    lines.write_text("".join(json.dumps(row | {"relevant_windows": []}) + "\n" for row in rows))
    with pytest.raises(DataError, match=r"small_test_release.jsonl: no sentence has a window; .*; leave data.test out"):
        PrepareData(experiment(files, **PLAIN), tmp_path / "run").run(QUIET)
    PrepareData(experiment(files, evaluation={"queries": ["coarse"]}), tmp_path / "run").run(QUIET)


def test_one_content_under_two_ids_is_trained_on(files, tmp_path):
    shutil.copy(files / "videos" / "video 0.mp4", files / "videos" / "video 1.mp4")
    assert stored(experiment(files, **PLAIN), tmp_path / "run") == ["video 6", "video 7"]
