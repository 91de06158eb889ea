"""Metrics of a fine model on samples: the video is given, the moment is asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from coarse_to_fine.evaluation.moment_retrieval import AP_THRESHOLDS, average_precision, best_iou_of_first
from coarse_to_fine.fine_grained.base import FineModel
from coarse_to_fine.fine_grained.samples import FineSample
from coarse_to_fine.types import MomentOutput

RECALL_AT = (0.3, 0.5, 0.7)


def moment_metrics(model: FineModel, samples: Sequence[FineSample], batch_size: int = 8) -> dict[str, float]:
    """R1 and R5 at IoU 0.3, 0.5, 0.7, mean IoU, and average precision, all in percent, without suppression."""
    if not len(samples):
        return {}
    return score_outputs(locate_samples(model, samples, batch_size), samples)


def locate_samples(model: FineModel, samples: Sequence[FineSample], batch_size: int = 8) -> list[MomentOutput]:
    """Outputs in the order of the samples; a segment that several samples share is prepared once."""
    samples = [samples[index] for index in range(len(samples))]
    caches = {sample.segment.segment_id: sample.segment for sample in samples}
    prepared = {name: model.video_cache(segment) for name, segment in caches.items()}
    return model.locate([(prepared[sample.segment.segment_id], sample.text) for sample in samples], batch_size)


def score_outputs(outputs: Sequence[MomentOutput], samples: Sequence[FineSample]) -> dict[str, float]:
    """The metrics of outputs that are already there."""
    best, precision = [], []
    for index, output in enumerate(outputs):
        rows = torch.cat([output.windows_s, output.scores[:, None]], dim=1).double().numpy()
        true = np.asarray(samples[index].windows_s, dtype=np.float64)
        best.append(best_iou_of_first(rows, true, (1, 5)))
        precision.append(average_precision(rows, true))
    iou, ap = np.stack(best), np.stack(precision)
    metrics = {f"R{n}@{level}": float((iou[:, i] >= level).mean()) for i, n in enumerate((1, 5)) for level in RECALL_AT}
    metrics |= {"mIoU": float(iou[:, 0].mean()), "mAP": float(ap.mean())}
    metrics |= {f"mAP@{level}": float(ap[:, AP_THRESHOLDS.index(level)].mean()) for level in (0.5, 0.75)}
    return {name: 100 * value for name, value in metrics.items()}
