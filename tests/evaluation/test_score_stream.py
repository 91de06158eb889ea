"""Ranks from a stream of scores: the same for every cut, equal to the full matrix, within bounded memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from coarse_to_fine.errors import DataError
from coarse_to_fine.evaluation.score_stream import ScoreBlock, blocks_of, rank_stream
from coarse_to_fine.evaluation.video_lists import Standing, ranks, recalls
from coarse_to_fine.evaluation.video_retrieval import video_to_text

MEMORY_PROGRAM = """
import numpy as np
from coarse_to_fine.evaluation.score_stream import ScoreBlock, rank_stream
from tests.evaluation.peak_memory import peak_mib
VIDEOS, QUERIES, WIDTH = 50_000, 500, 4096
true = np.random.default_rng(1).integers(0, VIDEOS, QUERIES)
def stream():
    for first in range(0, VIDEOS, WIDTH):
        rng = np.random.default_rng(first)
        yield ScoreBlock(first, rng.random((QUERIES, min(WIDTH, VIDEOS - first)), dtype=np.float32))
found = rank_stream(stream, [[int(v)] for v in true])
assert found.videos == VIDEOS and found.top_videos.shape == (QUERIES, 100)
mean = np.mean([each.rank for each in found.standings])
assert abs(mean / VIDEOS - 0.5) < 0.05, mean
print(peak_mib())
"""


def tied_scores(seed: int, queries: int = 9, videos: int = 5000) -> np.ndarray:
    return (np.random.default_rng(seed).integers(-40, 40, (queries, videos)) / 8).astype(np.float32)


@pytest.mark.parametrize("width", [1, 7, 4096])
def test_the_cut_of_the_gallery_does_not_matter(width: int) -> None:
    scores = tied_scores(0)
    true = [[int(v)] for v in np.random.default_rng(1).integers(0, 5000, len(scores))]
    whole, cut = (rank_stream(blocks_of(scores, w), true, top=20) for w in (5000, width))
    assert cut.standings == whole.standings
    np.testing.assert_array_equal(cut.top_videos, whole.top_videos)
    np.testing.assert_array_equal(cut.top_scores, whole.top_scores)


@pytest.mark.parametrize("seed", range(10))
def test_a_stream_agrees_with_counting_over_the_matrix(seed: int) -> None:
    scores = tied_scores(seed, 5, 60)
    rng = np.random.default_rng(seed)
    true = [sorted({int(v) for v in rng.integers(0, 60, int(rng.integers(1, 4)))}) for _ in range(5)]
    found = rank_stream(blocks_of(scores, 7), true, top=100)
    for row, videos, standing in zip(scores, true, found.standings):
        best = max(row[v] for v in videos)
        wrong = [score for v, score in enumerate(row) if v not in videos]
        assert standing == Standing(sum(bool(s > best) for s in wrong), sum(bool(s == best) for s in wrong))
    expected = [sorted(range(60), key=lambda v: (-row[v], v)) for row in scores]
    np.testing.assert_array_equal(found.top_videos, expected)


@pytest.mark.parametrize("width", [1, 7, 60])
@pytest.mark.parametrize("seed", range(10))
def test_texts_of_a_video_are_ranked_as_over_the_matrix(seed: int, width: int) -> None:
    scores = tied_scores(seed, 25, 60)
    owner = np.random.default_rng(seed).integers(0, 20, 25)
    found = rank_stream(blocks_of(scores, width), [[int(v)] for v in owner])
    expected = video_to_text(torch.from_numpy(scores), torch.from_numpy(owner), recalls=(1, 5))
    assert found.described == tuple(sorted(set(owner.tolist()))) and len(found.described) == expected.queries
    assert np.mean(ranks(found.text_standings)) == pytest.approx(expected.mean_rank)
    assert np.median(ranks(found.text_standings)) == pytest.approx(expected.median_rank)
    for k in (1, 5):
        assert 100 * recalls(found.text_standings, k).mean() == pytest.approx(expected.recall[k])


def test_a_text_of_two_videos_competes_with_neither() -> None:
    scores = np.array([[3, 9, 0], [1, 8, 0], [2, 5, 7]], dtype=np.float32)
    found = rank_stream(blocks_of(scores, 2), [[0, 1], [1], [2]])
    assert found.described == (0, 1, 2)
    # video 0 asks with 3 against 1 and 2, video 1 with 9 against 5, video 2 with 7 against 0 and 0
    assert found.text_standings == (Standing(0, 0), Standing(0, 0), Standing(0, 0))


def test_bad_streams_are_refused() -> None:
    scores = tied_scores(0, 2, 10)
    with pytest.raises(DataError, match="true videos"):
        rank_stream(blocks_of(scores, 3), [[0], [10]])
    with pytest.raises(DataError, match="true videos"):
        rank_stream(blocks_of(scores, 3), [[0], []])
    with pytest.raises(DataError, match="expected \\(3, columns\\)"):
        rank_stream(blocks_of(scores, 3), [[0], [1], [2]])
    with pytest.raises(DataError, match="from video 4"):
        rank_stream(lambda: [ScoreBlock(0, scores[:, :3]), ScoreBlock(4, scores[:, 4:])], [[0], [1]])
    scores[1, 7] = np.nan
    with pytest.raises(DataError, match="query 1 with video 7 is NaN"):
        rank_stream(blocks_of(scores, 3), [[0], [1]])


def test_fifty_thousand_videos_and_five_hundred_queries_fit_in_two_gigabytes() -> None:
    command = [sys.executable, "-c", MEMORY_PROGRAM]
    found = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert int(found.stdout) < 2048, f"{found.stdout} MiB"


def test_expected_recall_of_ties_by_hand() -> None:
    tied = Standing(above=2, tied=3)
    assert [tied.recall(k) for k in (0, 2, 3, 4, 6, 100)] == [0, 0, 0.25, 0.5, 1, 1]
    assert tied.rank == 4.5
