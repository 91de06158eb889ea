"""Geometry, post-processing and labels of QD-DETR against the official release."""

from __future__ import annotations

import math

import pytest
import torch

from coarse_to_fine.fine_grained.inputs import unit_rows
from coarse_to_fine.fine_grained.labels import annotated_labels, annotated_pairs, span_targets
from coarse_to_fine.fine_grained.postprocess import official_nms, official_rounding
from coarse_to_fine.spans import (
    center_width_to_start_end,
    pairwise_giou,
    pairwise_iou,
    start_end_to_center_width,
)
from tests.parity.cases import Case
from tests.parity.released_windows import official_rows


@pytest.mark.parity("qd_detr", "span_ops")
def test_span_geometry(case: Case) -> None:
    first, second = case.tensors["in.spans1"], case.tensors["in.spans2"]
    case.assert_close(start_end_to_center_width(first), case.tensors["out.cxw1"], "centre and width")
    back = center_width_to_start_end(case.tensors["out.cxw1"])
    case.assert_close(back, case.tensors["out.xx_back"], "start and end")
    iou, union = pairwise_iou(first, second)
    case.assert_close(iou, case.tensors["out.iou"], "IoU")
    case.assert_close(union, case.tensors["out.union"], "union")
    case.assert_close(pairwise_giou(first, second), case.tensors["out.giou"], "GIoU")


@pytest.mark.parity("qd_detr", "nms")
def test_suppression(case: Case) -> None:
    for recorded in case.values["cases"]:
        kept = official_nms(recorded["in"], recorded["thd"], max_after=recorded["max_after_nms"])
        assert kept == recorded["out"], recorded


@pytest.mark.parity("qd_detr", "postprocess")
def test_rounding(case: Case) -> None:
    for rows, two, one in zip(
        case.values["in"], case.values["out_qvhighlights"], case.values["out_clip1"], strict=True
    ):
        torch.testing.assert_close(torch.tensor(official_rounding(rows)), torch.tensor(two), rtol=0, atol=1e-6)
        torch.testing.assert_close(torch.tensor(official_rounding(rows, 1.0)), torch.tensor(one), rtol=0, atol=1e-6)


@pytest.mark.parity("qd_detr", "decode")
def test_decoding(case: Case) -> None:
    part = case.group("in")
    for sample, duration in enumerate(case.config["durations"]):
        rows = official_rows(part["pred_logits"][sample], part["pred_spans"][sample], float(duration))
        case.assert_close(torch.tensor(rows), torch.tensor(case.values["ranked"][sample]), "ranked")
        case.assert_close(torch.tensor(official_rounding(rows)), torch.tensor(case.values["final"][sample]), "final")
        half = part["saliency_scores"][sample].half()
        recorded = torch.tensor(case.values["saliency"][sample])
        case.assert_close(half[: len(recorded)], recorded, "saliency")


@pytest.mark.parity("qd_detr", "labels")
def test_labels(case: Case) -> None:
    if "in.feature" in case.tensors:
        case.assert_close(unit_rows(case.tensors["in.feature"]), case.tensors["out.normalised"], "unit rows")
    clip_seconds = case.config["clip_len"]
    for recorded in case.values["cases"]:
        clips, ids = recorded["ctx_l"], recorded["relevant_clip_ids"]
        scores = [[float(vote) for vote in votes] for votes in recorded["saliency_scores"]]
        labels = annotated_labels(clips, ids, scores)
        expected = torch.tensor(recorded["all_labels"])  # one longer where an id equals the number of clips
        case.assert_close(labels, expected[:clips], "labels")
        generator = torch.Generator().manual_seed(0)
        positive, negative = annotated_pairs(clips, ids, scores, generator)
        assert len(positive) == len(negative) == recorded["n_pairs"]
        assert (int(positive[0]), int(negative[0])) == (recorded["hard_pos"], recorded["hard_neg"])
        spans = span_targets(torch.tensor(recorded["windows"]), clips * clip_seconds)
        case.assert_close(spans, torch.tensor(recorded["span_cxw"]), "spans")


@pytest.mark.parity("qd_detr", "contrastive_align")
def test_contrastive_alignment_is_the_constant_that_we_leave_out(case: Case) -> None:
    assert case.values["loss_contrastive_align"] == pytest.approx(math.log(case.config["num_queries"]), abs=1e-5)
