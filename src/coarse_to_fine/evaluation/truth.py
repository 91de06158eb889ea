"""What is true: the queries of a split with their videos, windows and saliency, from annotation files or records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from coarse_to_fine.arguments import require_path
from coarse_to_fine.datasets.formats import annotation_file, guess_split, load_annotations
from coarse_to_fine.datasets.records import MomentQuery, VideoInfo
from coarse_to_fine.datasets.repair import windows_inside
from coarse_to_fine.datasets.report import DataReport
from coarse_to_fine.errors import DataError
from coarse_to_fine.evaluation.json_rows import PREDICTION_FIELDS, WINDOW_FIELDS, Row, is_number, read_rows
from coarse_to_fine.evaluation.overlap import Float64, FloatArray
from coarse_to_fine.wording import counted, first_of

NO_WINDOWS = np.zeros((0, 2))
CLIP_SECONDS = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class TruthQuery:
    """One query and everything that answers it.

    Attributes:
        query_id: as text.
        video_id: the true video; None where the file does not name it (moments inside given videos only).
        windows: (T, 2) true windows in it, seconds.
        text: the sentence, may be empty.
        duration_s: of the true video, where known.
        relevance: (n, A) score of each clip by each annotator, 0 outside the true windows.
        labels: (n, A) of highlight-only sets.
        kind: `v`, `t` or `vt` in TVR, the variant of a coarse caption.
        others: further right videos with their windows, by id (lenient protocols).
    """

    query_id: str
    video_id: str | None
    windows: Float64[FloatArray, "T 2"]
    text: str = ""
    duration_s: float | None = None
    relevance: Float64[FloatArray, "n A"] | None = None
    labels: Float64[FloatArray, "n A"] | None = None
    kind: str | None = None
    others: Mapping[str, FloatArray] = field(default_factory=dict)

    @property
    def answers(self) -> dict[str, FloatArray]:
        """Windows by right video; empty where the video is not named."""
        return {} if self.video_id is None else {self.video_id: self.windows, **self.others}

    @property
    def answers_or_windows(self) -> list[FloatArray]:
        """The windows of every right video, named or not."""
        return [self.windows, *self.others.values()]

    @property
    def cluster(self) -> str:
        """What the bootstrap resamples: the video, or the query itself where no video is named."""
        return self.video_id if self.video_id is not None else f"query {self.query_id}"


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The queries of a split and the videos that are searched.

    Attributes:
        queries: in file order.
        gallery: ids of all videos that a search can return.
        durations: seconds by video, where known.
        split: name of the split.
        source: the file or the name of the set, for the report.
        closed: whether the gallery was given as complete; else videos that answers name are added to it.
        notes: what was repaired in the annotations, for the report.
        dropped: ids of queries that no window inside their video is left of; answers to them are left out.
    """

    queries: tuple[TruthQuery, ...]
    gallery: tuple[str, ...]
    durations: Mapping[str, float]
    split: str
    source: str
    closed: bool = False
    notes: tuple[str, ...] = ()
    dropped: frozenset[str] = frozenset()

    def with_queries(self, queries: Iterable[TruthQuery]) -> Truth:
        """The same gallery with other queries."""
        return replace(self, queries=tuple(queries))


def truth_from_records(
    queries: Sequence[MomentQuery],
    videos: Sequence[VideoInfo],
    split: str | None = None,
    source: str = "records",
) -> Truth:
    """The truth of records as the readers of data sets give them; the gallery is every video of `videos`."""
    durations = {video.video_id: video.duration_s for video in videos}
    found = tuple(_from_record(query, durations) for query in queries)
    name = split if split is not None else (queries[0].split if queries else "all")
    gallery = tuple(durations) or tuple(dict.fromkeys(query.video_id for query in queries))
    return Truth(found, gallery, durations, name, source)


def read_truth(
    path: str | Path, split: str | None = None, gallery: Path | None = None, *, as_written: bool = False
) -> Truth:
    """Read the truth of a split.

    JSON lines of QVHighlights and Lighthouse (`qid`, `relevant_windows`, ...), of TVR (`desc_id`, `vid_name`, `ts`) and
    ours (`query_id`, `video_id`, `windows_s`; `caption_id` for coarse captions) are read as they stand, but for windows
    that end before they start: those are swapped and counted, as the readers of the data sets do. `cut_to_videos` does
    the other repairs of windows. Any other annotation file goes through those readers, with their repairs.

    Args:
        path: the file, or a folder in our layout.
        split: name of the split; None takes it from the file name, or the only one of a folder.
        gallery: JSON lines with `video_id` and `duration_s` a row, the videos that are searched; None: the videos
            that the truth names. A `videos.jsonl` beside the file gives durations.
        as_written: refuse windows that end before they start, as for the numbers of an official tool.

    Raises:
        DataError: names file and row.
    """
    require_path(path, "the truth")
    path = annotation_file(Path(path), split)
    name = split or guess_split(path)
    if not _is_json_lines(path):
        found = load_annotations(path, split=name)
        notes = tuple(f"{path.name}: {line}" for line in found.report.lines())
        truth = truth_from_records(found.queries, tuple(found.videos.values()), name, path.name)
        return replace(truth, notes=notes, dropped=frozenset(found.report.dropped))
    rows = list(read_rows(path))
    _refuse_answers(rows)
    beside = path.parent / "videos.jsonl"
    durations = _durations(gallery or beside) if gallery is not None or beside.exists() else {}
    report = DataReport(path.name, "", name)
    queries = tuple(
        _from_row(row, durations, _true_windows(row, place, None if as_written else report))
        for place, row in enumerate(rows, start=1)
    )
    _refuse_duplicates(path, queries)
    named = dict.fromkeys(query.video_id for query in queries if query.video_id is not None)
    videos = tuple(named) if gallery is None else tuple(durations)
    if gallery is not None and (outside := [video for video in named if video not in durations]):
        raise DataError(
            f"{path}: {counted(len(outside), 'true video is', 'true videos are')} not in {gallery} "
            f"({first_of(outside)}); expected every true video in the gallery; add them or leave the gallery out"
        )
    known = {query.video_id: query.duration_s for query in queries if query.video_id and query.duration_s is not None}
    notes = tuple(f"{path.name}: {line}" for line in report.lines())
    return Truth(queries, videos, {**known, **durations}, name, path.name, closed=gallery is not None, notes=notes)


def cut_to_videos(truth: Truth) -> Truth:
    """Windows inside their videos by the repairs of the data sets' readers, where the length of the video is known.

    Ends are cut, windows outside a video or of zero length are dropped, and queries that have none left too; the notes
    count it.
    """
    report = DataReport(truth.source, "", truth.split)
    kept = []
    for row, query in enumerate(truth.queries, start=1):
        if query.duration_s is None or not len(query.windows):
            kept.append(query)
            continue
        pairs = [(float(start_s), float(end_s)) for start_s, end_s in query.windows]
        windows = windows_inside(pairs, query.duration_s, row, report)
        if windows:
            kept.append(replace(query, windows=np.array(windows, dtype=np.float64)))
        else:
            report.dropped.append(query.query_id)
    notes = tuple(f"{truth.source}: {line}" for line in report.lines())
    dropped = truth.dropped | frozenset(report.dropped)
    return replace(truth, queries=tuple(kept), notes=(*truth.notes, *notes), dropped=dropped)


def _is_json_lines(path: Path) -> bool:
    """Whether the rows are of a layout that is read as it stands; the data sets' readers know the others."""
    try:
        fields = next(read_rows(path)).fields
    except DataError:
        return False
    return any(name in fields for name in ("qid", "query_id", "desc_id", "caption_id"))


def _durations(path: Path) -> dict[str, float]:
    found = {}
    for row in read_rows(path):
        video_id = row.text("video_id")
        if video_id is None:
            raise row.error(f"fields {sorted(row.fields)}", "video_id and duration_s")
        found[video_id] = _duration(row, "duration_s")
    return {video: duration for video, duration in found.items() if duration is not None}


def _duration(row: Row, name: str) -> float | None:
    value = row.fields.get(name)
    if value is None:
        return None
    if not is_number(value) or not value > 0:
        raise row.error(f"{name} is {value!r}", "a length above 0 s")
    return float(value)


def _from_row(row: Row, durations: Mapping[str, float], windows: FloatArray) -> TruthQuery:
    fields = row.fields
    video_id = row.text("vid", "video_id", "vid_name")
    duration_s = _duration(row, "duration") or _duration(row, "duration_s") or durations.get(video_id or "")
    labels = None
    if fields.get("label") is not None:
        labels = _labels(row)
    return TruthQuery(
        query_id=row.query_id,
        video_id=video_id,
        windows=windows,
        text=" ".join((row.text("query", "text", "desc") or "").split()),
        duration_s=duration_s,
        relevance=_relevance(row, duration_s),
        labels=labels,
        kind=row.text("type", "variant"),
    )


def _true_windows(row: Row, place: int, report: DataReport | None) -> FloatArray:
    """The windows of a row, each with its start first; swapped ones are counted, or refused where there is no report.

    The official tools take a window that ends before it starts for one of negative length.
    """
    name = next((name for name in WINDOW_FIELDS if row.fields.get(name) is not None), None)
    if name is None:
        return NO_WINDOWS
    value = row.fields[name]
    if name == "ts" and isinstance(value, list) and value and not isinstance(value[0], list):
        row = Row(row.where, {"ts": [value]})
    found = row.numbers(name, 2)
    if report is None:
        row.refuse_reversed(name, found, "correct the row, or take the convention default, which swaps the two")
        return found
    for start_s, end_s in found[found[:, 1] < found[:, 0]].tolist():
        report.add("R02", place, (start_s, end_s), (end_s, start_s))
    return np.sort(found, axis=1)


def _labels(row: Row) -> FloatArray:
    """(n, A) of a highlight-only set; a flat list is one annotator."""
    value = row.fields["label"]
    if not isinstance(value, list) or not value:
        raise row.error(f"label is {value!r}"[:80], "a list with one entry a clip")
    return row.numbers("label") if isinstance(value[0], list) else row.vector("label")[:, None]


def _relevance(row: Row, duration_s: float | None) -> FloatArray | None:
    """(n, A) scores of every clip, from QVHighlights' two parallel lists or from `saliency` of our layout."""
    fields: Mapping[str, Any] = row.fields
    if isinstance(fields.get("saliency"), dict):
        inner = fields["saliency"]
        fields = {"relevant_clip_ids": inner.get("clip_ids"), "saliency_scores": inner.get("scores")}
    elif fields.get("saliency") is not None:
        return _per_clip(row)
    if fields.get("saliency_scores") is None or fields.get("relevant_clip_ids") is None:
        return None
    if duration_s is None:
        raise row.error("saliency scores and no duration", "a duration in seconds")
    return _spread(Row(row.where, fields), int(duration_s / CLIP_SECONDS))


def _per_clip(row: Row) -> FloatArray | None:
    value = row.items("saliency")
    if not value:
        return None
    return row.numbers("saliency") if isinstance(value[0], list) else row.vector("saliency")[:, None]


def _spread(row: Row, clips: int) -> FloatArray:
    ids = row.vector("relevant_clip_ids")
    scores = row.numbers("saliency_scores")
    if len(ids) != len(scores):
        raise row.error(f"{len(ids)} relevant_clip_ids and {len(scores)} saliency_scores", "lists of one length")
    if len(ids) and (ids.min() < 0 or ids.max() >= clips or (ids % 1).any()):
        raise row.error(
            f"relevant_clip_ids from {ids.min():g} to {ids.max():g}", f"whole numbers from 0 to {clips - 1}"
        )
    relevance = np.zeros((clips, scores.shape[1]))
    relevance[ids.astype(np.int64)] = scores
    return relevance


def _refuse_answers(rows: Sequence[Row]) -> None:
    """Refuse rows of a prediction file: nothing that is true, and answers."""
    for row in rows:
        answers = [name for name in PREDICTION_FIELDS if name in row.fields]
        if answers and not any(name in row.fields for name in (*WINDOW_FIELDS, "label")):
            raise row.error(
                f"answers ({', '.join(answers)}) and no true windows",
                "annotations",
                "give this file as the predictions, and annotations as the truth",
            )


def _refuse_duplicates(path: Path, queries: Sequence[TruthQuery]) -> None:
    counts = Counter(query.query_id for query in queries)
    twice = [query_id for query_id, count in counts.items() if count > 1]
    if twice:
        raise DataError(
            f"{path}: {len(twice)} query ids stand in several rows ({', '.join(twice[:5])}); expected each id once; "
            "remove the extra rows"
        )


def _from_record(query: MomentQuery, durations: Mapping[str, float]) -> TruthQuery:
    """A record; saliency and labels lie in the extras under the names of the readers."""
    duration_s = durations.get(query.video_id)
    row = Row(f"{query.split} row {query.source_line}", query.extras)
    variant = query.extras.get("variant")
    return TruthQuery(
        query_id=query.query_id,
        video_id=query.video_id,
        windows=np.array(query.windows_s, dtype=np.float64).reshape(-1, 2),
        text=query.text,
        duration_s=duration_s,
        relevance=_relevance(row, duration_s),
        labels=_labels(row) if query.extras.get("label") is not None else None,
        kind=None if variant is None else str(variant),
    )
