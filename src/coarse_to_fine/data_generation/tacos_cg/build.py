"""Builds the coarse captions of a split: generate, validate, fall back, write."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from coarse_to_fine.atomic_files import write_text_atomically
from coarse_to_fine.data_generation.tacos_cg import prompt
from coarse_to_fine.data_generation.tacos_cg.endpoint import Endpoint, EndpointError, EndpointRefusedError
from coarse_to_fine.data_generation.tacos_cg.extractive import Caption, extractive_captions
from coarse_to_fine.data_generation.tacos_cg.passes import by_video, odd_and_even
from coarse_to_fine.data_generation.tacos_cg.quality import Quality, quality
from coarse_to_fine.data_generation.tacos_cg.validation import caption_problem, normalised
from coarse_to_fine.data_generation.tacos_cg.words import TfIdf, content_words
from coarse_to_fine.datasets.records import MomentQuery

MOST_REQUESTS = 3
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Built:
    """Captions of a split and what they are worth.

    Attributes:
        rows: one a caption, in the layout of `coarse.<split>.jsonl`.
        quality: measured on the passes that the generator did not read; None where all were read.
        incomplete: videos without the wanted number of captions.
        rejected: captions of an endpoint that were refused, by reason.
    """

    rows: tuple[dict[str, Any], ...]
    quality: Quality | None
    incomplete: tuple[str, ...]
    rejected: Mapping[str, int]


def fit_tf_idf(queries: Sequence[MomentQuery]) -> TfIdf:
    """tf-idf of training queries, one document a video."""
    return TfIdf.fit(
        [word for query in group for word in content_words(query.text)] for group in by_video(queries).values()
    )


def build_captions(
    queries: Sequence[MomentQuery],
    tf_idf: TfIdf,
    variants: int = 5,
    sentences: int = 2,
    endpoint: Endpoint | None = None,
    all_passes: bool = False,
    progress: Progress | None = None,
) -> Built:
    """Captions for every video of a split; from the odd passes only, unless `all_passes`.

    Args:
        queries: fine queries of the split in file order.
        tf_idf: fitted on the training split.
        variants: captions a video.
        sentences: fine sentences that an extractive caption joins.
        endpoint: asked first where given; what it cannot give well is extracted.
        all_passes: read all annotation passes (then nothing is left to measure the captions with).
        progress: called after each video.

    Raises:
        EndpointRefusedError: by the endpoint, which would refuse the other videos too.
        CostLimitError: by the endpoint.
    """
    videos = by_video(queries)
    rows: list[dict[str, Any]] = []
    taken: set[str] = set()
    rejected: dict[str, int] = {}
    held_out: dict[str, list[str]] = {}
    for done, (video, group) in enumerate(videos.items(), start=1):
        odd, even = odd_and_even(group)
        # a video with one pass has nothing to hold out; it is read whole and left out of the check
        read = group if all_passes or not even else odd
        if even and not all_passes:
            held_out[video] = [query.text for query in even]
        written = _written(endpoint, read, group, variants, taken, rejected) if endpoint else []
        spare = extractive_captions(read, tf_idf, variants, sentences)
        made = written + [(caption, "extractive") for caption in spare[: variants - len(written)]]
        taken.update(normalised(caption.text) for caption, _ in made)
        rows += [_row(video, place, *one, endpoint) for place, one in enumerate(made)]
        if progress:
            progress(done, len(videos), video)
    texts: dict[str, list[str]] = {video: [] for video in videos}
    for row in rows:
        texts[row["video_id"]].append(row["text"])
    measured = quality({video: texts[video] for video in held_out}, held_out, tf_idf, variants) if held_out else None
    incomplete = tuple(video for video, found in texts.items() if len(found) != variants)
    return Built(tuple(rows), measured, incomplete, rejected)


def write_captions(built: Built, path: Path) -> None:
    """`coarse.<split>.jsonl`, written whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in built.rows))


def _written(
    endpoint: Endpoint,
    read: Sequence[MomentQuery],
    group: Sequence[MomentQuery],
    variants: int,
    taken: set[str],
    rejected: dict[str, int],
) -> list[tuple[Caption, str]]:
    kept: list[str] = []
    for attempt in range(MOST_REQUESTS):
        try:
            texts = endpoint.captions([query.text for query in read], variants, attempt)
        except EndpointRefusedError:
            raise
        except EndpointError as error:
            rejected[str(error)] = rejected.get(str(error), 0) + 1
            break
        for text in texts:
            problem = caption_problem(text, [query.text for query in group], kept, taken)
            if problem is None and len(kept) < variants:
                kept.append(text)
            elif problem is not None:
                rejected[problem] = rejected.get(problem, 0) + 1
        if len(kept) == variants:
            break
    ids = tuple(query.query_id for query in read)
    return [(Caption(text, ids), "endpoint") for text in kept]


def _row(video: str, place: int, caption: Caption, backend: str, endpoint: Endpoint | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "caption_id": f"{video}#c{place}",
        "video_id": video,
        "text": caption.text,
        "variant": place,
        "backend": backend,
        "source_query_ids": list(caption.source_query_ids),
    }
    if backend == "endpoint" and endpoint is not None:
        row["model"] = endpoint.config.model
        row["prompt_sha256"] = hashlib.sha256(prompt.TEMPLATE.encode()).hexdigest()
        row["created"] = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return row
