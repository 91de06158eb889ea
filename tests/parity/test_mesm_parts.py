"""Positions, spans, projections, video sampling, post-processing and metrics of MESM against the official release."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from coarse_to_fine.evaluation.moment_retrieval import (
    AP_THRESHOLDS,
    LengthRange,
    average_precision,
    first_window_iou,
)
from coarse_to_fine.fine_grained.inputs import temporal_endpoints
from coarse_to_fine.fine_grained.layers.positions import inverse_sigmoid, reference_code, video_position_code
from coarse_to_fine.fine_grained.layers.projection import InputProjection
from coarse_to_fine.fine_grained.mesm.sampling import sample_clips
from coarse_to_fine.fine_grained.postprocess import official_nms, official_rounding
from coarse_to_fine.spans import (
    center_width_to_start_end,
    pairwise_giou,
    pairwise_iou,
    start_end_to_center_width,
)
from tests.parity.cases import Case
from tests.parity.released_windows import official_rows


@pytest.mark.parity("mesm", "position_sine")
def test_video_position_code(case: Case) -> None:
    code = video_position_code(case.tensors["in.mask"].bool(), case.config["hidden_dim"])
    case.assert_close(code, case.tensors["out.pos"])


@pytest.mark.parity("mesm", "position_query")
def test_reference_code(case: Case) -> None:
    case.assert_close(reference_code(case.tensors["in.reference"], case.config["hidden_dim"]), case.tensors["out.pos"])


@pytest.mark.parity("mesm", "inverse_sigmoid")
def test_inverse_sigmoid(case: Case) -> None:
    case.assert_close(inverse_sigmoid(case.tensors["in.x"], case.config["eps"]), case.tensors["out.y"])


@pytest.mark.parity("mesm", "spans")
def test_span_geometry(case: Case) -> None:
    a, b, out = case.tensors["in.a"], case.tensors["in.b"], case.group("out")
    case.assert_close(start_end_to_center_width(a), out["a_cxw"], "centre and width")
    case.assert_close(center_width_to_start_end(out["a_cxw"]), out["a_back"], "start and end")
    iou, union = pairwise_iou(a, b)
    case.assert_close(iou, out["iou"], "IoU")
    case.assert_close(union, out["union"], "union")
    case.assert_close(pairwise_giou(a, b), out["giou"], "GIoU")
    for row, value in enumerate(out["paired_iou"].tolist()):
        pair = np.array([[*a[row].tolist(), 1.0]]), np.array([b[row].tolist()])
        assert first_window_iou(*pair) == pytest.approx(value, abs=1e-5)


@pytest.mark.parity("mesm", "input_projection")
def test_input_projection(case: Case) -> None:
    config = case.config
    projection = InputProjection(config["in_dim"], config["hidden_dim"], config["n_input_proj"], 0.0)
    projection.load_state_dict(case.group("state.input_vid_proj"))
    case.assert_close(projection.eval()(case.tensors["in.x"]), case.tensors["out.y"])


def clip_rounding(rows: Sequence[Sequence[float]], clip_seconds: float, longest_s: float) -> list[list[float]]:
    """TACoS has clips of relative length (-1): its windows are clamped and not rounded."""
    return official_rounding(rows, clip_seconds if clip_seconds > 0 else None, longest_s)


@pytest.mark.parity("mesm", "post_processing")
def test_rounding(case: Case) -> None:
    for run in case.values["runs"]:
        found = clip_rounding(run["in"], run["clip_len"], run["max_ts_val"])
        case.assert_close(torch.tensor(found), torch.tensor(run["out"]), str(run["clip_len"]))


@pytest.mark.parity("mesm", "nms")
def test_suppression(case: Case) -> None:
    for run in case.values["runs"]:
        assert official_nms(run["in"], run["nms_thd"], len(run["in"]), run["max_after_nms"]) == run["out"], run


@pytest.mark.parity("mesm", "rank_windows")
def test_ranked_windows(case: Case) -> None:
    part = case.group("in")
    for clip_seconds, samples in case.values["by_clip_len"].items():
        longest_s = case.config["max_ts_val"][clip_seconds]
        for sample, recorded in enumerate(samples):
            rows = official_rows(
                part["pred_logits"][sample], part["pred_spans"][sample], float(part["duration"][sample])
            )
            found = clip_rounding(rows, float(clip_seconds), longest_s)
            case.assert_close(torch.tensor(found), torch.tensor(recorded["windows"]), "windows")
            real = part["saliency_scores"][sample][part["video_mask"][sample].bool()]
            case.assert_close(real.half(), torch.tensor(recorded["saliency"]), "saliency")


@pytest.mark.parity("mesm", "video_sampling")
def test_video_sampling(case: Case) -> None:
    for index, limit in enumerate(case.config["max_video_l"]):
        rows = sample_clips(case.tensors[f"in.feat{index}"], limit)
        case.assert_close(rows, case.tensors[f"out.feat{index}"], f"rows {index}")
        timed = torch.cat([rows, temporal_endpoints(len(rows))], dim=1)
        case.assert_close(timed, case.tensors[f"out.tef{index}"], f"with time {index}")


RANGES = {"short": (0.0, 10.0), "middle": (10.0, 30.0), "long": (30.0, 150.0), "superlong": (150.0, 600.0)}


def length_range(name: str) -> LengthRange:
    return LengthRange(name, *RANGES.get(name, (None, None)))


def percent(values: Sequence[float]) -> float:
    return float(f"{100 * float(np.mean(values)):.2f}")


def metric_rows(case: Case) -> list[tuple[np.ndarray, np.ndarray]]:
    """Predicted and true windows of each query."""
    truth = {row["qid"]: row["relevant_windows"] for row in case.values["ground_truth"]}
    pairs = []
    for row in case.values["predictions"]:
        predicted = np.array(row["pred_relevant_windows"], dtype=np.float64).reshape(-1, 3)
        pairs.append((predicted, np.array(truth[row["qid"]], dtype=np.float64)))
    return pairs


@pytest.mark.parity("mesm", "metrics")
def test_metrics(case: Case) -> None:
    metrics: dict[str, Any] = case.values["metrics"]
    pairs = metric_rows(case)
    for name, recorded in metrics.items():
        if name == "brief":
            continue
        kept = [(predicted, length_range(name).keep(true)) for predicted, true in pairs]
        kept = [(predicted, true) for predicted, true in kept if len(true)]
        precision = np.stack([average_precision(predicted, true) for predicted, true in kept])
        iou = np.array([first_window_iou(predicted, true) for predicted, true in kept])
        ours = {str(m): percent(precision[:, at].tolist()) for at, m in enumerate(AP_THRESHOLDS)}
        ours["average"] = percent(precision.mean(1).tolist())
        assert ours == pytest.approx(recorded["MR-mAP"], abs=0.0101), name
        first = {m: percent((iou >= float(m)).tolist()) for m in recorded["MR-R1"] if m != "miou"}
        assert {**first, "miou": percent(iou.tolist())} == pytest.approx(recorded["MR-R1"], abs=0.0101), name


@pytest.mark.parity("mesm", "metrics_empty")
def test_queries_without_windows_count_as_zero(case: Case) -> None:
    pairs = metric_rows(case)
    precision = np.stack([average_precision(predicted, true) for predicted, true in pairs])
    answered = [row for row, (predicted, _) in zip(precision, pairs, strict=True) if len(predicted)]
    recorded = case.values["official_mAP_skipping_empty"]
    for at, level in enumerate(AP_THRESHOLDS):
        official = percent([float(row[at]) for row in answered])
        assert official == pytest.approx(recorded[str(level)], abs=0.0101)
        ours = percent(precision[:, at].tolist())
        assert ours == pytest.approx(recorded[str(level)] * len(answered) / len(pairs), abs=0.02)
    assert first_window_iou(np.zeros((0, 3)), pairs[0][1]) == 0
