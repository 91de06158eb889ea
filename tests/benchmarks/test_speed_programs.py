"""The programs that time stage one, stage two and training run, compare equal results, and report what they promise."""

from __future__ import annotations

import importlib
import json

import pytest
import torch


@pytest.fixture
def run(capsys):
    """Runs a program of `benchmarks/` and gives its last line; the number of threads is as before afterwards."""
    threads = torch.get_num_threads()

    def call(name: str, *given: object) -> dict:
        importlib.import_module(name).main([*map(str, given), "--threads", "1"])
        return json.loads(capsys.readouterr().out.strip().splitlines()[-1])

    yield call
    torch.set_num_threads(threads)


def test_stage_one_is_timed_by_every_path(run):
    sizes = ["--plain", 6, "--cached", 6, 1200, "--batched", 6, "--width", 32, "--queries", 3, "--repeats", 1]
    rows = run("coarse_search", *sizes)["rows"]
    assert [(row["path"], row["segments"], row["queries"]) for row in rows] == [
        ("plain", 6, 1), ("one by one", 6, 1), ("search", 6, 1), ("search_many", 6, 3), ("search", 1200, 1),
    ]  # fmt: skip
    read = 1200 * (12 * (32 * 2 + 32 * 4 + 27 * 4) + 14 * 14 * 4)
    assert rows[-1]["megabytes_read"] == pytest.approx(read / 2**20, abs=0.05)
    assert all(row["ms_per_query"] > 0 for row in rows)


def test_recall_of_candidates_is_written_with_a_plot_and_no_file_stays(run, tmp_path):
    given = ["--segments", 60, "--queries", 2, "--width", 32, "--rank", 8, "--steps", 1, "--repeats", 1]
    report = run("candidates", *given, "--folder", tmp_path, "--out", tmp_path)
    assert [row["candidates"] for row in report["rows"]] == [50]
    assert 0.5 < report["rows"][0]["recall"] <= 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["candidates.md", "candidates.svg"]
    assert (
        (tmp_path / "candidates.svg").read_text(encoding="utf-8").startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    )


def test_all_segments_as_candidates_lose_nothing(run, tmp_path):
    given = ["--segments", 50, "--queries", 2, "--width", 32, "--rank", 8, "--steps", 1, "--repeats", 1]
    assert run("candidates", *given, "--folder", tmp_path)["rows"][0]["recall"] == 1


@pytest.mark.slow
def test_a_step_of_every_model_is_timed_both_ways(run):
    given = ["--size", "small", "--clips", 8, "--batch", 2, "--repeats", 1]
    rows = run("training_step", *given)["rows"]
    assert [row["model"] for row in rows] == ["encoder", "t-mass", "t-mass-v2", "qd-detr", "mesm"]
    assert all(row["ms"] > 0 and row["one_by_one_ms"] > 0 for row in rows)


@pytest.mark.parametrize("model", ["qd-detr", "mesm"])
def test_fine_search_is_timed_plain_and_from_caches(run, model):
    given = ["--model", model, "--size", "small", "--clips", 5, "--batch", 1, 2, "--videos", 2, "--repeats", 1]
    rows = run("fine_search", *given)["rows"]
    assert [(row["path"], row["batch"]) for row in rows] == [("plain", 1), ("cached", 1), ("cached", 2)]


@pytest.mark.parametrize("segments", [2000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_a_library_of_any_size_is_open_within_a_second(run, tmp_path, segments):
    """Four gigabytes for the large one."""
    seconds = run("open_library", "--segments", segments, "--folder", tmp_path)["seconds"]
    assert seconds["open"] < 1
    assert list(seconds) == ["open", "describe", "first answer", "second answer"]
    assert not list(tmp_path.iterdir())
