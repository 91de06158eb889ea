"""Splits that share videos: found before training or evaluation, never after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from coarse_to_fine.errors import DataError


def refuse_shared_videos(splits: Mapping[str, Iterable[str]]) -> None:
    """Check that no two splits share a video id.

    Charades-STA, Charades-CD and Charades-CG re-split the same videos, so a training split of one and a test split of
    another share hundreds of them.

    Args:
        splits: video ids by the name of the split.

    Raises:
        DataError: two splits share videos; names both, the number and the first three.
    """
    known = [(name, set(videos)) for name, videos in splits.items()]
    for place, (name, videos) in enumerate(known):
        for other, more in known[place + 1 :]:
            shared = sorted(videos & more)
            if shared:
                raise DataError(
                    f"{name} and {other} share {len(shared)} videos ({', '.join(shared[:3])}, ...); "
                    "expected none; take both splits from one data set"
                )
