"""Builds the coarse captions of a split: generate, validate, fall back, write."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from coarse_to_fine.atomic_files import write_text_atomically
from coarse_to_fine.data_generation.tacos_cg import prompt
from coarse_to_fine.data_generation.tacos_cg.endpoint import Endpoint, EndpointError, EndpointRefusedError
from coarse_to_fine.data_generation.tacos_cg.extractive import RELEVANCE, REPEATED_TEXT, Caption, extractive_captions
from coarse_to_fine.data_generation.tacos_cg.passes import by_video, odd_and_even
from coarse_to_fine.data_generation.tacos_cg.progress import Progress
from coarse_to_fine.data_generation.tacos_cg.quality import Quality, quality
from coarse_to_fine.data_generation.tacos_cg.validation import caption_checks, caption_problem, normalised
from coarse_to_fine.data_generation.tacos_cg.words import TfIdf, content_words
from coarse_to_fine.datasets.records import MomentQuery

MOST_REQUESTS = 3


@dataclass(frozen=True, slots=True)
class Built:
    """Captions of a split and what they are worth.

    Attributes:
        rows: one a caption, in the layout of `coarse.<split>.jsonl`.
        quality: measured on the passes that the generator did not read; None where all were read, or nothing was made.
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
        sentences: fine sentences that an extractive caption joins; fewer, where no such caption passes the checks.
        endpoint: asked first where given; what it cannot give well is extracted.
        all_passes: read all annotation passes (then nothing is left to measure the captions with).
        progress: called after each video, then while they are measured.

    Raises:
        EndpointRefusedError: by the endpoint, which would refuse the other videos too.
        CostLimitError: by the endpoint.
    """
    videos = by_video(queries)
    fine = {video: [query.text for query in group] for video, group in videos.items()}
    rows: list[dict[str, Any]] = []
    taken: set[str] = set()
    rejected: dict[str, int] = {}
    held_out: dict[str, list[str]] = {}
    about = {
        "extractive": _about_extraction(variants, sentences, all_passes),
        "endpoint": _about_endpoint(endpoint, variants, all_passes) if endpoint else {},
    }
    for done, (video, group) in enumerate(videos.items(), start=1):
        odd, even = odd_and_even(group)
        # a video with one pass has nothing to hold out; it is read whole and left out of the check
        read = group if all_passes or not even else odd
        if even and not all_passes:
            held_out[video] = [query.text for query in even]
        own = fine[video]
        asked = _asked(endpoint, read, own, variants, taken, rejected) if endpoint else []
        extracted = _extracted(read, own, asked, taken, tf_idf, variants, sentences)
        taken.update(normalised(caption.text) for caption in (*asked, *extracted))
        made = [(caption, about["endpoint"]) for caption in asked]
        made += [(caption, about["extractive"]) for caption in extracted]
        rows += _rows(video, made, own)
        if progress:
            progress(done, len(videos), video)
    texts: dict[str, list[str]] = {video: [] for video in videos}
    for row in rows:
        texts[row["video_id"]].append(row["text"])
    checked = {video: texts[video] for video in held_out}
    measured = quality(checked, held_out, tf_idf, variants, fine, progress=progress) if any(checked.values()) else None
    incomplete = tuple(video for video, found in texts.items() if len(found) != variants)
    return Built(tuple(rows), measured, incomplete, rejected)


def write_captions(built: Built, path: Path) -> None:
    """`coarse.<split>.jsonl`, written whole or not at all."""
    write_text_atomically(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in built.rows))


def _asked(
    endpoint: Endpoint,
    read: Sequence[MomentQuery],
    fine: Sequence[str],
    variants: int,
    taken: Collection[str],
    rejected: dict[str, int],
) -> list[Caption]:
    """Captions of the endpoint that pass the checks, after at most MOST_REQUESTS requests."""
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
            problem = caption_problem(text, fine, kept, taken)
            if problem is None and len(kept) < variants:
                kept.append(text)
            elif problem is not None:
                rejected[problem] = rejected.get(problem, 0) + 1
        if len(kept) == variants:
            break
    ids = tuple(query.query_id for query in read)
    return [Caption(text, ids) for text in kept]


def _extracted(
    read: Sequence[MomentQuery],
    fine: Sequence[str],
    asked: Sequence[Caption],
    taken: Collection[str],
    tf_idf: TfIdf,
    variants: int,
    sentences: int,
) -> list[Caption]:
    """Extracted captions for the variants that the endpoint left open; they pass the same checks."""
    kept = [caption.text for caption in asked]

    def accept(text: str, earlier: Sequence[str]) -> bool:
        return caption_problem(text, fine, [*kept, *earlier], taken) is None

    return extractive_captions(read, tf_idf, variants - len(kept), sentences, accept)


def _rows(video: str, made: Sequence[tuple[Caption, Mapping[str, Any]]], fine: Sequence[str]) -> list[dict[str, Any]]:
    """The captions of a video as they are written, each with what it was measured with beside the others."""
    texts = [caption.text for caption, _ in made]
    rows = []
    for place, (caption, about) in enumerate(made):
        found = caption_checks(caption.text, fine, texts[:place] + texts[place + 1 :])
        rows.append(
            {
                "caption_id": f"{video}#c{place}",
                "video_id": video,
                "text": caption.text,
                "variant": place,
                **about,
                "source_query_ids": list(caption.source_query_ids),
                "checks": {name: round(value, 3) for name, value in found.items()},
            }
        )
    return rows


def _about_extraction(variants: int, sentences: int, all_passes: bool) -> dict[str, Any]:
    """How extracted captions were made; `created` is null, so that the same sentences give the same bytes."""
    parameters = {
        "variants": variants,
        "sentences": sentences,
        "all_passes": all_passes,
        "relevance": RELEVANCE,
        "repeated_text": REPEATED_TEXT,
    }
    return {
        "backend": "extractive",
        "model": None,
        "prompt_sha256": None,
        "parameters": parameters,
        "created": None,
    }


def _about_endpoint(endpoint: Endpoint, variants: int, all_passes: bool) -> dict[str, Any]:
    """How captions of an endpoint were made."""
    config = endpoint.config
    return {
        "backend": "endpoint",
        "model": config.model,
        "prompt_sha256": hashlib.sha256(prompt.TEMPLATE.encode()).hexdigest(),
        "parameters": {
            "variants": variants,
            "all_passes": all_passes,
            "temperature": config.temperature,
            "max_tokens": config.max_tokens,
        },
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
