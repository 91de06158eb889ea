"""Splits that share videos: found before training or evaluation, never after."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping

from coarse_to_fine.errors import DataError
from coarse_to_fine.wording import counted, first_of

CUT = re.compile(r"([\w-]{11})_\d+\.\d+_\d+\.\d+")


def source_video(video_id: str) -> str:
    """What a video was cut from: the id before the times in `<11 characters>_<start>_<end>`, else the video itself.

    Clips of QVHighlights are named so; neighbours of one source are near-duplicates.
    """
    found = CUT.fullmatch(video_id)
    return found[1] if found else video_id


def refuse_shared_videos(splits: Mapping[str, Iterable[str]]) -> None:
    """Check that no two splits share a video or clips of one source video.

    Charades-STA, Charades-CD and Charades-CG re-split the same videos, so a training split of one and a test split of
    another share hundreds of them.

    Args:
        splits: video ids by the name of the split.

    Raises:
        DataError: two splits share videos; names both, the number and the first three.
    """
    known = [(name, {source_video(video) for video in videos}) for name, videos in splits.items()]
    for (name, sources), (other, more) in itertools.combinations(known, 2):
        shared = sorted(sources & more)
        if shared:
            raise DataError(
                f"{name} and {other} share {counted(len(shared), 'video')} ({first_of(shared, 3)}); "
                "expected none, nor clips of one source video; take both splits from one data set"
            )
