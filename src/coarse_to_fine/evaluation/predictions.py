"""Readers of prediction files: what a system answered to each query, in the submission layouts.

JSON lines, one row a query, any of these fields:

- `pred_relevant_windows` [[start_s, end_s, score], ...] and `pred_saliency_scores` [score of each clip] (QVHighlights);
- `predictions` [[video_id, start_s, end_s, score], ...] or, for ranked videos, [[video_id, score], ...];
- `videos` [[video_id, score], ...] and `moments` [[video_id, start_s, end_s, score], ...] (ours);
- `vid` or `video_id`, the true video, which has to be that of the query.

The one JSON document of a TVR submission (`video2idx` with `VCMR`, `SVMR`, `VR`) is read too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from coarse_to_fine.arguments import require_path
from coarse_to_fine.atomic_files import replacing
from coarse_to_fine.errors import DataError
from coarse_to_fine.evaluation.json_rows import PREDICTION_FIELDS, WINDOW_FIELDS, Row, read_document, read_rows
from coarse_to_fine.evaluation.overlap import Float64, FloatArray

TVR_SECTIONS = {"VCMR": "moments", "SVMR": "given_video", "VR": "videos"}


@dataclass(frozen=True, slots=True, eq=False)
class RankedMoments:
    """Moments of several videos, best first: `video_ids` (N) and `spans` (N, 3) [start_s, end_s, score]."""

    video_ids: tuple[str, ...]
    spans: Float64[FloatArray, "N 3"]

    def __len__(self) -> int:
        return len(self.video_ids)

    def sorted(self) -> RankedMoments:
        """By descending score; ties keep their order."""
        order = np.argsort(-self.spans[:, 2], kind="stable")
        return RankedMoments(tuple(self.video_ids[at] for at in order), self.spans[order])

    def of(self, video_id: str) -> Float64[FloatArray, "n 3"]:
        """The windows of one video, in list order."""
        return self.spans[np.array([found == video_id for found in self.video_ids], dtype=np.bool_)]


@dataclass(frozen=True, slots=True, eq=False)
class RankedVideos:
    """Videos with their scores, best first.

    Attributes:
        video_ids: every video that was ranked, or the best of them.
        scores: of each.
        counted: where only the best are listed: score of each video that may be right, how many of all videos score
            higher, and how many the same, itself among them.
    """

    video_ids: tuple[str, ...]
    scores: Float64[FloatArray, " N"]
    counted: Mapping[str, tuple[float, int, int]] | None = None

    def __len__(self) -> int:
        return len(self.video_ids)


@dataclass(frozen=True, slots=True, eq=False)
class QueryPrediction:
    """What was answered to one query; None: the file does not say it.

    Attributes:
        query_id: as text.
        windows: (P, 3) moments inside the given true video, in file order.
        saliency: (L,) rank score of each clip, any sign.
        videos: ranked videos.
        moments: ranked moments of the whole corpus.
        given_video: TVR's SVMR list.
        video_id: the true video that the answer says it is about.
        text: the sentence, where it is to be written too.
    """

    query_id: str
    windows: Float64[FloatArray, "P 3"] | None = None
    saliency: Float64[FloatArray, " L"] | None = None
    videos: RankedVideos | None = None
    moments: RankedMoments | None = None
    given_video: RankedMoments | None = None
    video_id: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """The answers of one file by query id, and what was noticed while reading."""

    by_id: Mapping[str, QueryPrediction]
    source: str
    notes: tuple[str, ...] = field(default=())


def query_prediction(
    query_id: str,
    videos: Sequence[tuple[str, float]] | None = None,
    moments: Sequence[tuple[str, float, float, float]] | None = None,
    given_video: Sequence[Sequence[float]] | None = None,
    saliency: Sequence[float] | None = None,
) -> QueryPrediction:
    """The answer to one query from plain lists, each best first; None: not computed.

    Args:
        query_id: as in the truth.
        videos: (video_id, score) of the coarse stage, all videos or the best 100.
        moments: (video_id, start_s, end_s, score) of both stages.
        given_video: (start_s, end_s, score) of the fine stage on the true video.
        saliency: rank score of each clip of the true video.
    """
    return QueryPrediction(
        query_id,
        None if given_video is None else np.array(given_video, dtype=np.float64).reshape(-1, 3),
        None if saliency is None else np.array(saliency, dtype=np.float64),
        None if videos is None else RankedVideos(tuple(v for v, _ in videos), np.array([s for _, s in videos], float)),
        None
        if moments is None
        else RankedMoments(
            tuple(row[0] for row in moments), np.array([row[1:] for row in moments], dtype=np.float64).reshape(-1, 3)
        ),
    )


def write_predictions(path: Path, rows: Iterable[QueryPrediction]) -> None:
    """Write `videos`, `moments`, `pred_relevant_windows`, `pred_saliency_scores`, those that are known.

    Rows about moments in given videos alone are those of a submission to QVHighlights (`qid`, `query`, `vid`), as its
    server and its official tool read them; others name their query by `query_id`.
    """
    with replacing(path) as unfinished, unfinished.open("w", encoding="utf-8") as file:
        for row in rows:
            fields = _names(row)
            if row.videos is not None:
                fields["videos"] = [list(pair) for pair in zip(row.videos.video_ids, row.videos.scores.tolist())]
            if row.moments is not None:
                fields["moments"] = [[v, *span] for v, span in zip(row.moments.video_ids, row.moments.spans.tolist())]
            if row.windows is not None:
                fields["pred_relevant_windows"] = row.windows.tolist()
            if row.saliency is not None:
                fields["pred_saliency_scores"] = row.saliency.tolist()
            file.write(json.dumps(fields, ensure_ascii=False) + "\n")


def _names(row: QueryPrediction) -> dict[str, Any]:
    """The fields that say which query a row answers."""
    if row.videos is not None or row.moments is not None:
        return {"query_id": row.query_id}
    number = row.query_id.isascii() and row.query_id.isdigit() and str(int(row.query_id)) == row.query_id
    named = {"qid": int(row.query_id) if number else row.query_id, "query": row.text, "vid": row.video_id}
    return {name: value for name, value in named.items() if value is not None}


def predictions_in_memory(rows: Iterable[QueryPrediction], source: str = "memory") -> Predictions:
    """The answers of a running system.

    Raises:
        DataError: two answers to one query.
    """
    found: dict[str, QueryPrediction] = {}
    for row in rows:
        if row.query_id in found:
            raise DataError(f"{source}: two answers to query {row.query_id}; expected one; merge their lists")
        found[row.query_id] = row
    return Predictions(found, source)


def read_predictions(path: str | Path) -> Predictions:
    """Read a prediction file of any layout named above.

    Raises:
        DataError: names file and row: a broken line, a NaN, a window that ends before it starts, a field that only some
            rows have, one query in two rows.
    """
    require_path(path, "the file of answers")
    path = Path(path)
    document = read_document(path, {"video2idx", *TVR_SECTIONS})
    if document is not None:
        return _read_tvr(path, document)
    found: dict[str, QueryPrediction] = {}
    first_seen: dict[str, str] = {}
    fields: set[str] = set()
    reversed_moments = 0
    for row in read_rows(path):
        query_id = row.query_id
        if query_id in found:
            first = first_seen[query_id]
            raise row.error(f"query {query_id} again, first in {first}", "one row a query", "merge or remove a row")
        fields = _same_fields(row, fields)
        found[query_id], bad = _prediction(row)
        reversed_moments += bad
        first_seen[query_id] = row.where
    notes = (f"{reversed_moments} moments end before they start and count as misses",) if reversed_moments else ()
    return Predictions(found, path.name, notes)


VIDEO_FIELDS = ("vid", "video_id")


def _same_fields(row: Row, before: set[str]) -> set[str]:
    """The fields of a row, which have to be those of the rows before it."""
    here = {name for name in PREDICTION_FIELDS if row.fields.get(name) is not None}
    if not here:
        true = [name for name in WINDOW_FIELDS if name in row.fields]
        advice = "this file holds annotations: give it as the truth" if true else "correct the row"
        raise row.error(f"fields {sorted(row.fields)}", f"one of {', '.join(PREDICTION_FIELDS)}", advice)
    if before and here != before:
        odd = sorted(before ^ here)
        raise row.error(f"{', '.join(odd)} in some rows only", "the same fields in every row", "complete the rows")
    return here


def _prediction(row: Row) -> tuple[QueryPrediction, int]:
    fields = row.fields
    videos = moments = None
    if fields.get("videos") is not None:
        ids, scores = row.named_numbers("videos", 1)
        videos = RankedVideos(ids, scores[:, 0])
    if fields.get("predictions") is not None:
        if _is_pairs(fields["predictions"]):
            ids, scores = row.named_numbers("predictions", 1)
            videos = RankedVideos(ids, scores[:, 0])
        else:
            moments = RankedMoments(*row.named_numbers("predictions", 3))
            row.refuse_reversed("predictions", moments.spans)
    bad = 0
    if fields.get("moments") is not None:
        moments = RankedMoments(*row.named_numbers("moments", 3))
        bad = int(np.count_nonzero(moments.spans[:, 1] < moments.spans[:, 0]))
    found = QueryPrediction(
        row.query_id,
        row.windows("pred_relevant_windows", 3) if fields.get("pred_relevant_windows") is not None else None,
        row.vector("pred_saliency_scores") if fields.get("pred_saliency_scores") is not None else None,
        videos,
        moments,
        video_id=row.text(*VIDEO_FIELDS),
    )
    return found, bad


def _is_pairs(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], list) and len(value[0]) == 2


def _read_tvr(path: Path, document: Mapping[str, Any]) -> Predictions:
    """A TVR submission: video indices are turned back into ids."""
    names = _tvr_videos(path, document)
    parts: dict[str, dict[str, Any]] = {}
    for section, target in TVR_SECTIONS.items():
        if document.get(section) is None:
            continue
        for position, fields in enumerate(Row(str(path), document).items(section)):
            row = Row.of(f"{path}: {section}[{position}]", fields)
            lists = parts.setdefault(row.query_id, {})
            if target in lists:
                raise row.error(f"query {row.query_id} again", "one row a query", "merge or remove a row")
            indices, spans = row.named_numbers("predictions", 3)
            unknown = [index for index in indices if index not in names]
            if unknown:
                raise row.error(f"video index {unknown[0]}", "an index of video2idx")
            row.refuse_reversed("predictions", spans)
            ids = tuple(names[index] for index in indices)
            lists[target] = RankedVideos(ids, spans[:, 2]) if target == "videos" else RankedMoments(ids, spans)
    if not parts:
        raise DataError(f"{path}: none of {', '.join(TVR_SECTIONS)}; expected a TVR submission; name its lists so")
    return Predictions({query_id: QueryPrediction(query_id, **lists) for query_id, lists in parts.items()}, path.name)


def _tvr_videos(path: Path, document: Mapping[str, Any]) -> dict[str, str]:
    """The video id of each index, which the rows hold as text."""
    indices_of = document.get("video2idx")
    if not isinstance(indices_of, dict) or any(type(index) is not int for index in indices_of.values()):
        found = f"video2idx is {str(indices_of)[:60]}" if "video2idx" in document else "a TVR submission, no video2idx"
        raise DataError(
            f"{path}: {found}; expected an object of video names and their whole numbers; write it as the release does"
        )
    return {str(index): name for name, index in indices_of.items()}
