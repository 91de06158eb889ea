"""Metrics of a fine model on examples: the video is given, the moment is asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from coarse_to_fine.evaluation.moment_retrieval import AP_THRESHOLDS, average_precision, best_iou_of_first
from coarse_to_fine.features.examples import TrainingExample
from coarse_to_fine.fine_grained.base import FineModel
from coarse_to_fine.types import MomentOutput

RECALL_AT = (0.3, 0.5, 0.7)
METRICS = (*(f"R{n}@{level}" for n in (1, 5) for level in RECALL_AT), "mIoU", "mAP", "mAP@0.5", "mAP@0.75")
"""Names of the metrics of examples."""


def moment_metrics(model: FineModel, examples: Sequence[TrainingExample]) -> dict[str, float]:
    """R1 and R5 at IoU 0.3, 0.5, 0.7, mean IoU, and average precision, all in percent, without suppression."""
    examples = [example for example in examples if len(example.windows_s)]
    if not examples:
        return {}
    return score_outputs(locate_examples(model, examples), examples)


def locate_examples(model: FineModel, examples: Sequence[TrainingExample]) -> list[MomentOutput]:
    """Outputs in the order of the examples; a segment that several examples share is prepared once."""
    examples = list(examples)
    caches = {example.segment.segment_id: example.segment for example in examples}
    prepared = {name: model.video_cache(segment) for name, segment in caches.items()}
    return model.locate([(prepared[example.segment.segment_id], example.text) for example in examples])


def score_outputs(outputs: Sequence[MomentOutput], examples: Sequence[TrainingExample]) -> dict[str, float]:
    """The metrics of outputs that are already there."""
    best, precision = [], []
    for index, output in enumerate(outputs):
        rows = torch.cat([output.windows_s, output.scores[:, None]], dim=1).double().numpy()
        true = examples[index].windows_s.double().numpy()
        best.append(best_iou_of_first(rows, true, (1, 5)))
        precision.append(average_precision(rows, true))
    iou, ap = np.stack(best), np.stack(precision)
    metrics = {f"R{n}@{level}": float((iou[:, i] >= level).mean()) for i, n in enumerate((1, 5)) for level in RECALL_AT}
    metrics |= {"mIoU": float(iou[:, 0].mean()), "mAP": float(ap.mean())}
    metrics |= {f"mAP@{level}": float(ap[:, AP_THRESHOLDS.index(level)].mean()) for level in (0.5, 0.75)}
    return {name: 100 * value for name, value in metrics.items()}
