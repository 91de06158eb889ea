"""The benchmark of K against all videos: its counting by hand, and a whole run on a few real files."""

from __future__ import annotations

import json

import numpy as np
import pytest


@pytest.fixture
def bargain():
    import bargain

    return bargain


def answer(bargain, ranks, overlaps, confidences, true_rank=1):
    looked_into = np.arange(1, 1 + max(ranks))
    return bargain.Answer(
        np.array(ranks), np.array(overlaps), np.array(confidences), np.array(true_rank), looked_into, np.array(0.1)
    )


def test_the_rank_counts_only_moments_of_the_first_videos(bargain):
    one = answer(bargain, [2, 3, 1, 2, 1], [-1, -1, 0.6, -1, 0.8], [0.9, 0.2, 0.3, 0.4, 0.5])
    assert [one.rank_within(k, 0.5) for k in (1, 2, 3)] == [1, 2, 3]
    assert [one.rank_within(k, 0.7) for k in (1, 2, 3)] == [2, 4, 5]
    assert one.rank_within(3, 0.9) == 0
    assert answer(bargain, [2], [0.9], [1.0], 2).rank_within(1, 0.5) == 0


def test_the_fine_stage_alone_orders_by_its_confidence(bargain):
    one = answer(bargain, [2, 3, 1, 2, 1], [-1, -1, 0.6, -1, 0.8], [0.9, 0.2, 0.3, 0.4, 0.5])
    assert one.rank_by_fine_stage(0.7) == 2
    assert one.rank_by_fine_stage(0.5) == 2
    assert one.rank_by_fine_stage(0.9) == 0


def test_the_aim_is_the_smallest_k_from_which_on_the_share_is_kept(bargain):
    def row(k, share):
        return {
            "k": k,
            "fine_cost": k / 1000,
            "ms": 1.0,
            "of_exhaustive": {n: {"share": share} for n in bargain.METRICS},
        }

    found = bargain.aim([row(1, 0.99), row(2, 0.9), row(10, 0.985), row(50, 1.0)])
    assert {each["k"] for each in found["smallest_k"].values()} == {10}
    assert found["met"]
    assert not bargain.aim([row(10, 0.9), row(50, 1.0)])["met"]
    assert not bargain.aim([row(10, 1.0), row(50, 0.9)])["met"]
    assert bargain.aim([row(10, None)])["smallest_k"]["R@1 IoU 0.5"] is None


def test_a_run_reports_every_k_and_agrees_with_real_searches(bargain, searched, capsys):
    given = ["--world", searched, "--library", searched / "library.ctf", "--coarse", "mean-pool"]
    given += ["--fine", "similarity", "--k", 1, 3, 99, "--least", 6, "--timed", 3, "--threads", 1]
    given += ["--resamples", 50, "--out", searched / "out"]
    bargain.main(list(map(str, given)))
    report = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert report == json.loads((searched / "out" / "bargain.json").read_text(encoding="utf-8"))
    assert report["same_moments_as_real_searches"] == 1
    assert [row["k"] for row in report["curve"]] == [1, 3]
    assert report["exhaustive"]["k"] == 6
    assert [row["fine_cost"] for row in report["curve"]] == pytest.approx([1 / 6, 1 / 2], abs=1e-4)
    assert (report["segments"], report["queries"]) == (6, 7)
    assert all(row["ms"] > 0 for row in report["curve"])
    assert (searched / "out" / "bargain.png").stat().st_size > 5000
    table = (searched / "out" / "bargain.md").read_text(encoding="utf-8").splitlines()
    assert len({line.count("|") for line in table[2:]}) == 1
    stored = {path: path.stat().st_mtime_ns for path in (searched / "out").glob("answers-*/*.npz")}
    assert len(stored) == 7
    bargain.main(list(map(str, given)))
    assert stored == {path: path.stat().st_mtime_ns for path in (searched / "out").glob("answers-*/*.npz")}


def test_a_small_library_is_refused(bargain, searched):
    given = ["--world", searched, "--library", searched / "library.ctf", "--coarse", "mean-pool"]
    with pytest.raises(bargain.UserError, match="6 segments"):
        bargain.main([*map(str, given), "--fine", "similarity", "--out", str(searched / "other")])
