"""Released T-MASS checkpoints into an encoder part and our head, and back; the names are mapped one to one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from coarse_to_fine.checkpoint_files import Source, read_checkpoint
from coarse_to_fine.coarse_grained.t_mass.config import TMassConfig
from coarse_to_fine.coarse_grained.t_mass.model import TMass
from coarse_to_fine.errors import WeightsError
from coarse_to_fine.model_folders import misfits, shortened

ENCODER_PREFIX = "clip."
LOGIT_SCALE = "clip.logit_scale"
RELEASE_NAMES = {
    "pool_frames.layer_norm1": "pooling.norm_input",
    "pool_frames.cross_attn.q_proj": "pooling.query",
    "pool_frames.cross_attn.k_proj": "pooling.key",
    "pool_frames.cross_attn.v_proj": "pooling.value",
    "pool_frames.cross_attn.out_proj": "pooling.output",
    "pool_frames.layer_norm2": "pooling.norm_attended",
    "pool_frames.linear_proj": "pooling.linear",
    "pool_frames.layer_norm3": "pooling.norm_pooled",
    "stochastic.std_branch.linear_proj": "radius.linear",
}
"""Layer of the release -> our layer; each has a weight and a bias."""
UNUSED_PARAMETER = "stochastic.std_branch.learnable_scalar"
DROPPED = {
    UNUSED_PARAMETER: "a parameter that nothing uses and nothing initialises; it may hold NaN",
    "clip.text_model.embeddings.position_ids": "the numbers 0, 1, 2, ...; a buffer of older transformers",
    "clip.vision_model.embeddings.position_ids": "the numbers 0, 1, 2, ...; a buffer of older transformers",
}
"""Names that are left out on purpose, with the reason."""


@dataclass(frozen=True)
class ReleasedCheckpoint:
    """A released checkpoint, split.

    Attributes:
        encoder: the fine-tuned CLIP under its Hugging Face names (without `clip.`); features must come from it.
        head: our model in eval mode.
    """

    encoder: dict[str, Tensor]
    head: TMass


def import_release(path: Source, **fields: Any) -> ReleasedCheckpoint:
    """Read `model_best.pth` or another checkpoint of the release. Never downloads, never runs what a pickle holds.

    Args:
        path: a file of `torch.save` with the entry `state_dict`, the state dict alone, or safetensors.
        fields: fields of `TMassConfig` that shapes do not tell: `num_heads` (the release trains with 1), `prior` and
            `prior_std` ('normal' with 3e-3 for LSMDC), `trials`, `dropout`.

    Raises:
        WeightsError: the file is missing or unsafe, or holds other tensors than a T-MASS.
    """
    encoder, head = split_release(read_checkpoint(path).state, str(path))
    weight = head["stochastic.std_branch.linear_proj.weight"]
    config = TMassConfig(embed_dim=weight.shape[0], num_frames=weight.shape[1], **fields)
    model = TMass(config)
    load_head(model, head, str(path))
    return ReleasedCheckpoint(encoder, model.eval())


def export_release(model: TMass, encoder: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict that the release's own code loads; the parameter that it does not use is zero.

    Args:
        model: the head.
        encoder: the CLIP under its Hugging Face names.
    """
    state = model.state_dict()
    released = {ENCODER_PREFIX + name: value for name, value in encoder.items()}
    released |= {name: state[own].clone() for name, own in head_names().items()}
    released[UNUSED_PARAMETER] = torch.zeros(1)
    return released


def head_names() -> dict[str, str]:
    """Every name of the release's head -> our name."""
    names = {
        f"{theirs}.{kind}": f"{ours}.{kind}" for theirs, ours in RELEASE_NAMES.items() for kind in ("weight", "bias")
    }
    return {**names, LOGIT_SCALE: "logit_scale"}


def split_release(state: Mapping[str, Tensor], source: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The encoder's tensors without their prefix, and the head's under the names of the release.

    Raises:
        WeightsError: a tensor of the head is missing, or there is a tensor that belongs to neither.
    """
    kept = {name: value for name, value in state.items() if name not in DROPPED}
    head = {name: value for name, value in kept.items() if name in head_names()}
    encoder = {
        name.removeprefix(ENCODER_PREFIX): value for name, value in kept.items() if name.startswith(ENCODER_PREFIX)
    }
    problems = [f"missing {name}" for name in head_names() if name not in head]
    problems += [f"unknown {name}" for name in kept if name not in head and not name.startswith(ENCODER_PREFIX)]
    if problems:
        raise WeightsError(
            f"{source} does not hold a T-MASS: {shortened(problems)}; expected {', '.join(RELEASE_NAMES)}, "
            "and CLIP under clip.*; choose a checkpoint of the T-MASS release"
        )
    return encoder, head


def load_head(model: TMass, state: Mapping[str, Tensor], source: str) -> None:
    """Put tensors under the names of the release into a head; without a temperature the model keeps its own.

    Raises:
        WeightsError: missing, unknown or misshaped tensors, each named.
    """
    names = head_names()
    own = model.state_dict()
    state = {LOGIT_SCALE: own["logit_scale"], **{name: value for name, value in state.items() if name not in DROPPED}}
    if problems := misfits(state, {name: own[ours] for name, ours in names.items()}):
        raise WeightsError(
            f"{source} does not fit the head: {shortened(problems)}; expected the tensors of {model.config!r}; "
            "choose a checkpoint of this architecture"
        )
    model.load_state_dict({names[name]: value.to(torch.float32) for name, value in state.items()})
