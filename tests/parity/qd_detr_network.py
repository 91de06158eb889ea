"""The network, inputs and targets of a recorded case of QD-DETR."""

from __future__ import annotations

import torch
from torch import Tensor

from coarse_to_fine.fine_grained.objective import DetectorLossConfig, saliency_loss, window_losses
from coarse_to_fine.fine_grained.qd_detr.model import QdDetrNetwork
from coarse_to_fine.fine_grained.qd_detr.negatives import negative_memory, rolled
from coarse_to_fine.fine_grained.qd_detr.weights import Features, architecture_of
from coarse_to_fine.fine_grained.targets import WindowTargets
from tests.parity.cases import Case


def network(case: Case, mask: str = "official") -> QdDetrNetwork:
    config = case.config
    features = Features(("video",), (config["v_feat_dim"] - 2,), config["a_feat_dim"])
    state = case.group("state")
    architecture = architecture_of(
        state,
        features,
        heads=config["nheads"],
        mask=mask,
        text_positions=config["use_txt_pos"],
        dropout=0.0,
        input_dropout=0.0,
    )
    model = QdDetrNetwork(architecture)
    model.load_state_dict(state)
    return model


def inputs(case: Case, prefix: str = "in") -> tuple[Tensor, Tensor, Tensor, Tensor]:
    part = case.group(prefix)
    video = part["src_vid"]
    if "src_aud" in part:
        video = torch.cat([video, part["src_aud"]], dim=-1)
    return video, part["src_vid_mask"].bool(), part["src_txt"], part["src_txt_mask"].bool()


def split_spans(part: dict[str, Tensor]) -> list[Tensor]:
    return list(part["spans"].split(part["span_counts"].tolist()))


def targets(case: Case, prefix: str = "in") -> WindowTargets:
    part = case.group(prefix)
    return WindowTargets(split_spans(part), part["saliency_all"], part["saliency_pos"], part["saliency_neg"])


def loss_config(case: Case) -> DetectorLossConfig:
    config = case.config
    return DetectorLossConfig(
        span=config["span_loss_coef"],
        giou=config["giou_loss_coef"],
        label=config["label_loss_coef"],
        saliency=config["lw_saliency"],
        background=config["eos_coef"],
        margin=config["saliency_margin"],
        auxiliary=config["aux_loss"],
    )


def all_losses(model: QdDetrNetwork, case: Case, prefix: str = "in") -> dict[str, Tensor]:
    """One training step of the release, negative pass included."""
    video, video_mask, text, text_mask = inputs(case, prefix)
    clips, words = model.input_vid_proj(video), model.input_txt_proj(text)
    output = model.detect(clips, video_mask, words, text_mask)
    foreign = negative_memory(model, clips, video_mask, words, text_mask, rolled(len(video)), keep_positions=True)
    config, truth = loss_config(case), targets(case, prefix)
    losses = window_losses(output.logits, output.spans, truth, config)
    losses["loss_saliency"] = saliency_loss(output.saliency, model.saliency(foreign), video_mask, truth, config)
    return losses
