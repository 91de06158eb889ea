"""Predictions from the decoder's states and from the memory: windows of every layer, and the saliency curve.

Axes: N decoder layers, B batch, Q moment queries, L clips, D width.
"""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor, nn

from coarse_to_fine.fine_grained.layers.decoder import DecoderOutput
from coarse_to_fine.fine_grained.layers.positions import inverse_sigmoid


def windows_of(
    decoded: DecoderOutput, class_head: nn.Module, span_head: nn.Module
) -> tuple[Float[Tensor, "N B Q 2"], Float[Tensor, "N B Q 2"]]:
    """Logits (index 0 is the foreground) and spans; a span refines the reference that entered the layer."""
    spans = (span_head(decoded.hidden) + inverse_sigmoid(decoded.references)).sigmoid()
    return class_head(decoded.hidden), spans


def saliency_of(
    clips: Float[Tensor, "B L D"], overall: Float[Tensor, "B D"], clip_map: nn.Linear, overall_map: nn.Linear
) -> Float[Tensor, "B L"]:
    """Scaled product of each clip with the global token."""
    scores: Tensor = (clip_map(clips) * overall_map(overall)[:, None]).sum(-1) / math.sqrt(clips.shape[-1])
    return scores
