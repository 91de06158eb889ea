"""Matching, losses, gradients and training steps of QD-DETR against the official release."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from coarse_to_fine.fine_grained.losses import class_error, giou_loss, label_loss, matched_spans, span_loss
from coarse_to_fine.fine_grained.matching import CostWeights, match
from coarse_to_fine.fine_grained.objective import DetectorLossConfig, saliency_loss, total_loss
from coarse_to_fine.fine_grained.targets import WindowTargets
from tests.parity.cases import Case
from tests.parity.qd_detr_network import all_losses, loss_config, network, split_spans

ZERO_GRADIENT_ATOL = 5.1e-4


@pytest.mark.parity("qd_detr", "train_step")
def test_training_step(case: Case) -> None:
    model = network(case).train()
    losses = all_losses(model, case)
    for name, value in case.values["losses"].items():
        case.assert_close(losses[name], torch.tensor(value), name)
    total = total_loss(losses, loss_config(case))
    case.assert_close(total, torch.tensor(case.values["total"]), "total")
    total.backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert sorted(name for name, grad in gradients.items() if grad is None) == sorted(case.values["no_gradient"])
    expected = case.group("grad")
    assert expected.keys() == {name for name, grad in gradients.items() if grad is not None}
    for name, gradient in expected.items():
        case.assert_close(gradients[name], gradient, name)
    norm = math.sqrt(sum(float(grad.square().sum()) for grad in gradients.values() if grad is not None))
    assert norm == pytest.approx(case.values["grad_norm"], rel=1e-3)


@pytest.mark.parity("qd_detr", "train_loop")
def test_training_loop(case: Case) -> None:
    config = case.config
    model = network(case).train()
    optimiser = torch.optim.AdamW(
        model.parameters(),
        lr=config["lr"],
        betas=tuple(config["betas"]),
        eps=config["eps"],
        weight_decay=config["weight_decay"],
    )
    for step, recorded in enumerate(case.values["steps"]):
        total = total_loss(all_losses(model, case, f"in.step{step}"), loss_config(case))
        optimiser.zero_grad()
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), config["grad_clip"])
        optimiser.step()
        assert float(total.detach()) == pytest.approx(recorded["total"], rel=1e-4)
        assert float(norm) == pytest.approx(recorded["grad_norm_before_clip"], rel=1e-3)
    after = case.group("after")
    state = model.state_dict()
    assert after.keys() <= state.keys()
    for name, expected in after.items():
        width = config["hidden_dim"]
        if has_zero_gradient(name):
            assert (state[name] - expected).abs().max() <= ZERO_GRADIENT_ATOL, name
        elif name.endswith("in_proj_bias"):
            keys = slice(width, 2 * width)
            assert (state[name][keys] - expected[keys]).abs().max() <= ZERO_GRADIENT_ATOL, name
            for rows in (slice(0, width), slice(2 * width, 3 * width)):
                case.assert_close(state[name][rows], expected[rows], name)
        else:
            case.assert_close(state[name], expected, name)


def has_zero_gradient(name: str) -> bool:
    """Parameters whose true gradient is 0, where Adam amplifies rounding."""
    key_bias = name.endswith(
        ("sa_kcontent_proj.bias", "sa_kpos_proj.bias", "ca_kcontent_proj.bias", "ca_kpos_proj.bias")
    )
    first = "decoder.layers.0." in name
    constant_values = first and any(f".sa_{part}_proj." in name for part in ("qcontent", "qpos", "kcontent", "kpos"))
    return key_bias or constant_values or (first and name.endswith("sa_v_proj.weight"))


def predictions(case: Case) -> tuple[Tensor, Tensor, list[Tensor]]:
    part = case.group("in")
    return part["pred_logits"].requires_grad_(), part["pred_spans"].requires_grad_(), split_spans(part)


@pytest.mark.parity("qd_detr", "matcher")
def test_matching(case: Case) -> None:
    logits, spans, truth = predictions(case)
    config = case.config
    weights = CostWeights(config["set_cost_span"], config["set_cost_giou"], config["set_cost_class"])
    found = match(logits, spans, truth, weights)
    for sample, pairs in enumerate(case.values["pairs"]):
        own = found.sample == sample
        assert [found.query[own].tolist(), found.target[own].tolist()] == pairs


@pytest.mark.parity("qd_detr", "loss_span")
def test_span_loss(case: Case) -> None:
    logits, spans, truth = predictions(case)
    loss = span_loss(*matched_spans(spans, truth, match(logits, spans, truth)))
    check_loss(case, "loss_span", loss, spans, "pred_spans")


@pytest.mark.parity("qd_detr", "loss_giou")
def test_giou_loss(case: Case) -> None:
    logits, spans, truth = predictions(case)
    loss = giou_loss(*matched_spans(spans, truth, match(logits, spans, truth)))
    check_loss(case, "loss_giou", loss, spans, "pred_spans")


@pytest.mark.parity("qd_detr", "loss_label")
def test_label_loss(case: Case) -> None:
    logits, spans, truth = predictions(case)
    matches = match(logits, spans, truth)
    check_loss(case, "loss_label", label_loss(logits, matches, case.config["eos_coef"]), logits, "pred_logits")
    assert float(class_error(logits, matches)) == pytest.approx(case.values["class_error"], abs=1e-3)


def check_loss(case: Case, name: str, loss: Tensor, leaf: Tensor, leaf_name: str) -> None:
    case.assert_close(loss, torch.tensor(case.values[name]), name)
    loss.backward()
    assert leaf.grad is not None
    case.assert_close(leaf.grad, case.tensors[f"grad.{leaf_name}"], "gradient")


@pytest.mark.parity("qd_detr", "loss_saliency")
def test_saliency_loss(case: Case) -> None:
    part = case.group("in")
    scores, foreign = (part[name].requires_grad_() for name in ("saliency_scores", "saliency_scores_neg"))
    truth = WindowTargets([], part["saliency_all"], part["saliency_pos"], part["saliency_neg"])
    config = DetectorLossConfig(margin=case.config["saliency_margin"], temperature=case.config["tau"])
    loss = saliency_loss(scores, foreign, part["video_mask"].bool(), truth, config)
    case.assert_close(loss, torch.tensor(case.values["loss_saliency"]))
    loss.backward()
    for leaf, name in ((scores, "saliency_scores"), (foreign, "saliency_scores_neg")):
        assert leaf.grad is not None
        case.assert_close(leaf.grad, case.tensors[f"grad.{name}"], name)
