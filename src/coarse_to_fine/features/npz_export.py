"""Our features as npz files in the layout of Moment-DETR, for other tools.

`clip_features/<video>.npz` (`features` (L, D)), `frame_features/<video>.npz` (`features` (S, F, D), `segments_s`
(S, 2)), `clip_text_features/qid<query>.npz` (`last_hidden_state` (T, W), `pooler_output` (D,)); float32.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from coarse_to_fine import __version__
from coarse_to_fine.atomic_files import write_atomically, write_text_atomically
from coarse_to_fine.datasets.layout import AnnotationSet, with_alternates
from coarse_to_fine.errors import FingerprintError
from coarse_to_fine.features.examples import segment_features, segments_by_video, text_features
from coarse_to_fine.features.published.names import written_stem
from coarse_to_fine.features.store import FeatureItem, FeatureReader

PROVENANCE = "provenance.json"


@dataclass(frozen=True, slots=True)
class ExportReport:
    """Files written now and files that were there before."""

    written: int
    there: int


def export_npz(
    annotations: AnnotationSet, videos: FeatureReader, texts: FeatureReader, out: str | Path
) -> ExportReport:
    """Write the features of a split's videos and queries; files that are there are kept.

    Args:
        annotations: the queries, each a file of its own.
        videos, texts: feature folders; what they lack is left out.
        out: gets one folder a kind and `provenance.json`.

    Raises:
        FingerprintError: `out` holds features of another encoder or sampling.
    """
    out = Path(out)
    _claim(out, videos, texts)
    written = there = 0
    for video_id, items in segments_by_video(videos).items():
        name = f"{written_stem(video_id)}.npz"
        clips, frames = out / "clip_features" / name, out / "frame_features" / name
        if clips.exists() and frames.exists():
            there += 2
            continue
        segments = [segment_features(videos, item) for item in items]
        bounds = [[segment.start_s, segment.end_s] for segment in segments]
        _write(clips, features=whole_video(items, [segment.clips for segment in segments]))
        _write(frames, features=torch.stack([segment.frames for segment in segments]), segments_s=torch.tensor(bounds))
        written += 2
    for query in (*with_alternates(annotations.queries), *annotations.coarse):
        path = out / "clip_text_features" / f"qid{written_stem(query.query_id)}.npz"
        if path.exists():
            there += 1
        elif query.text in texts:
            found = text_features(texts, query.text)
            _write(path, last_hidden_state=found.tokens, pooler_output=found.embedding)
            written += 1
    return ExportReport(written, there)


def whole_video(items: Sequence[FeatureItem], clips: Sequence[Float[Tensor, "_ D"]]) -> Float[Tensor, "L D"]:
    """Clips of overlapping segments as the clips of their video, each once."""
    rows: dict[int, Tensor] = {}
    for item, segment in zip(items, clips, strict=True):
        first = round(item.about["start_s"] / item.about["clip_seconds"])
        rows.update({first + place: row for place, row in enumerate(segment)})
    return torch.stack([rows[place] for place in sorted(rows)])


def _claim(out: Path, videos: FeatureReader, texts: FeatureReader) -> None:
    """Write what made the features, or compare it with what is there."""
    provenance = {
        name: {
            "encoder": dict(reader.manifest.encoder),
            "sampling": dict(reader.manifest.sampling),
            "fingerprint": reader.manifest.fingerprint,
        }
        for name, reader in (("videos", videos), ("texts", texts))
    }
    path = out / PROVENANCE
    if path.exists():
        _refuse_other(json.loads(path.read_text(encoding="utf-8")), provenance, out)
        return
    for folder in ("clip_features", "frame_features", "clip_text_features"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    text = json.dumps({**provenance, "created_by": f"coarse-to-fine {__version__}"}, indent=2, ensure_ascii=False)
    write_text_atomically(path, text + "\n")


def _refuse_other(there: Mapping[str, object], made: Mapping[str, Mapping[str, object]], out: Path) -> None:
    for name, values in made.items():
        if there.get(name) != values:
            raise FingerprintError(
                f"{out} holds {name} features that were made differently (see {PROVENANCE}); expected the same encoder "
                "and sampling; choose another folder"
            )


def _write(path: Path, **arrays: Tensor) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **{name: value.float().numpy() for name, value in arrays.items()})  # type: ignore[arg-type]
    write_atomically(path, buffer.getvalue())
