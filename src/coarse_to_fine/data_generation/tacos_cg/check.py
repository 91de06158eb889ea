"""Reads captions that exist already, whoever made them, and measures them: one `Quality` a split."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from coarse_to_fine.data_generation.tacos_cg.passes import by_video, odd_and_even
from coarse_to_fine.data_generation.tacos_cg.progress import Progress
from coarse_to_fine.data_generation.tacos_cg.quality import Embed, Quality, quality
from coarse_to_fine.data_generation.tacos_cg.words import TfIdf
from coarse_to_fine.datasets.formats import load_annotations
from coarse_to_fine.datasets.layout_rows import caption_files
from coarse_to_fine.datasets.leaks import refuse_shared_videos
from coarse_to_fine.datasets.records import MomentQuery
from coarse_to_fine.errors import DataError, UserError


def read_captions(paths: Sequence[Path]) -> list[MomentQuery]:
    """The captions of all files, and of the files of folders.

    Raises:
        DataError: a file holds moments, or the same caption stands in two of them.
    """
    found: dict[str, MomentQuery] = {}
    for path in (file for given in paths for file in caption_files(given)):
        for caption in load_annotations(path).queries:
            if caption.windows_s:
                raise DataError(
                    f"{path} holds moments with windows; expected captions of whole videos; name the file of captions"
                )
            if caption.query_id in found:
                raise DataError(
                    f"{path}: caption {caption.query_id!r} stands in an earlier file too; expected one version of the "
                    "captions; evaluate each by itself"
                )
            found[caption.query_id] = caption
    return list(found.values())


def check_captions(
    captions: Iterable[MomentQuery],
    splits: Mapping[str, Sequence[MomentQuery]],
    tf_idf: TfIdf,
    variants: int = 5,
    all_passes: bool = False,
    groups: str | None = None,
    embed: Embed | None = None,
    progress: Progress | None = None,
) -> dict[str, Quality]:
    """The quality of captions in each split; captions of all other videos count as those of other splits.

    Args:
        captions: of any splits.
        splits: fine sentences in file order by the name of the split.
        tf_idf: fitted on the training split.
        variants: captions that each video should have.
        all_passes: measure against all fine sentences, not the even annotation passes alone.
        groups: regular expression whose match in a video's id names the video's group.
        embed: of a text encoder, for a second alignment.
        progress: called while texts are compared.

    Raises:
        DataError: splits that share videos, a split without captions or without held-out sentences.
        UserError: a video's id has no group.
    """
    texts = {video: [caption.text for caption in own] for video, own in by_video(captions).items()}
    videos = {name: by_video(queries) for name, queries in splits.items()}
    refuse_shared_videos(videos)
    found = {}
    for name, sentences in videos.items():
        fine = {video: [query.text for query in own] for video, own in sentences.items()}
        held_out = fine if all_passes else _even_passes(name, sentences)
        grouped = video_groups(held_out, groups) if groups else None
        found[name] = quality(texts, held_out, tf_idf, variants, fine, grouped, embed, progress)
    return found


def has_held_out(captions: Iterable[MomentQuery], sentences: Iterable[MomentQuery]) -> bool:
    """Whether a video that captions describe has a second annotation pass to measure them by."""
    described = {caption.video_id for caption in captions}
    return any(odd_and_even(own)[1] for video, own in by_video(sentences).items() if video in described)


def video_groups(videos: Iterable[str], pattern: str) -> dict[str, str]:
    """The part of each video's id that a regular expression finds.

    Raises:
        UserError: it is none, or finds nothing in an id.

    Example:
        >>> video_groups(["s13-d21", "s14-d21"], r"d\\d+$")
        {'s13-d21': 'd21', 's14-d21': 'd21'}
    """
    try:
        found = {video: re.search(pattern, video) for video in videos}
    except re.error as error:
        raise UserError(
            f"groups {pattern!r}: {error}; expected a regular expression such as d[0-9]+$; correct it"
        ) from None
    without = [video for video, match in found.items() if match is None]
    if without:
        raise UserError(
            f"groups {pattern!r} finds nothing in the id {without[0]!r}; expected a part of every id; correct it"
        )
    return {video: match.group() for video, match in found.items() if match is not None}


def _even_passes(name: str, videos: Mapping[str, Sequence[MomentQuery]]) -> dict[str, list[str]]:
    even = {video: [query.text for query in odd_and_even(own)[1]] for video, own in videos.items()}
    held_out = {video: texts for video, texts in even.items() if texts}
    if not held_out:
        raise DataError(
            f"no video of {name} has a second annotation pass; expected held-out sentences; measure against all "
            "sentences with --all-passes"
        )
    return held_out
