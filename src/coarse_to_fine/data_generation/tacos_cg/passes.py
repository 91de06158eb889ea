"""The annotation passes of a video: TACoS lists about 17 of them one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from coarse_to_fine.datasets.records import MomentQuery


def split_passes(queries: Iterable[MomentQuery]) -> list[list[MomentQuery]]:
    """Cut a video's queries, in file order, where the start time goes back; each piece is one annotator's pass."""
    passes: list[list[MomentQuery]] = []
    last = float("inf")
    for query in queries:
        start = query.windows_s[0][0] if query.windows_s else last
        if start < last or not passes:
            passes.append([])
        passes[-1].append(query)
        last = start
    return passes


def by_video(queries: Iterable[MomentQuery]) -> dict[str, list[MomentQuery]]:
    """Queries of each video in file order."""
    videos: dict[str, list[MomentQuery]] = {}
    for query in queries:
        videos.setdefault(query.video_id, []).append(query)
    return videos


def odd_and_even(queries: Sequence[MomentQuery]) -> tuple[list[MomentQuery], list[MomentQuery]]:
    """The 1st, 3rd, ... pass and the 2nd, 4th, ...: one half makes captions, the other half checks them."""
    passes = split_passes(queries)
    return [one for part in passes[::2] for one in part], [one for part in passes[1::2] for one in part]
