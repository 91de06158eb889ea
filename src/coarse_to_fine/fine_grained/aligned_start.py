"""Initial values with which clips and words begin in one space: that of the encoder they come from.

A fine model must find out which words a clip shows. The encoder's own projection already says that, but words reach
the model as states before that projection, and its two input projections start independent of each other: with few
videos most of the training goes into finding the relation anew. Here both start as one random basis of the shared
space, and the heads by which clips read words start as comparisons in it. Only initial values: all of them are trained.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coarse_to_fine.encoders.clip import ClipEncoder
from coarse_to_fine.encoders.load import load_encoder
from coarse_to_fine.errors import ConfigError
from coarse_to_fine.fine_grained.feature_blocks import TIME_CHANNELS
from coarse_to_fine.fine_grained.layers.projection import InputProjection
from coarse_to_fine.fine_grained.layers.text_to_video import TextToVideoLayer

SHARPNESS = 1.2
"""Scale of queries and keys; a clip and a word at cosine 1 then differ from unrelated ones by about 5 in the logit."""

SPREAD = 0.8
"""Length of a row of the words' projection; rows of the clips' have length 1, their inputs a little less spread."""

TIME_SHARE = 0.3
"""Factor on the initial weights of the two time channels, which are large beside the entries of a unit feature."""

NOISE = 0.02


@torch.no_grad()
def start_aligned(
    video: InputProjection,
    text: InputProjection,
    readers: Iterable[TextToVideoLayer],
    text_projection: Float[Tensor, "S W"],
) -> None:
    """Set the input projections and the queries and keys of the layers by which clips read words, in place.

    Draws from torch's global generator.

    Args:
        video, text: one stage each; the clips have S features and then time channels, the words W features.
        readers: layers whose queries are clips and whose keys are words.
        text_projection: the encoder's map from word states to the space of its pictures.

    Raises:
        ConfigError: the projections have other widths, or more stages.
    """
    (shared, words), clips, read = text_projection.shape, _linears(video), _linears(text)
    if len(clips) != 1 or not shared <= clips[0].in_features <= shared + TIME_CHANNELS or read[0].in_features != words:
        raise ConfigError(
            f"an aligned start needs projection_stages 1, video_feature_dims [{shared}] and text_feature_dim {words}; "
            f"there are {len(clips)} stages for clips of {clips[0].in_features} channels with time and words "
            f"of {read[0].in_features}; set them, or leave out aligned_to"
        )
    width = clips[0].out_features
    basis = _orthonormal_rows(width, shared)  # (D, S)
    clips[0].weight[:, :shared] = basis
    clips[0].weight[:, shared:] *= TIME_SHARE
    seen = basis @ text_projection
    read[0].weight.copy_(SPREAD * seen / seen.norm(dim=1).mean())
    for linear in (clips[0], read[0]):
        nn.init.zeros_(linear.bias)
    for layer in readers:
        for rows in (slice(0, width), slice(width, 2 * width)):  # queries, keys
            layer.self_attn.in_proj_weight[rows] = SHARPNESS * torch.eye(width) + NOISE * torch.randn(width, width)


def shared_space(encoder: str) -> Float[Tensor, "S W"]:
    """The text projection of a CLIP by name or folder.

    Raises:
        ConfigError: the encoder is not a CLIP.
        WeightsError: its files are not on this machine.
    """
    loaded = load_encoder(encoder)
    if not isinstance(loaded, ClipEncoder):
        raise ConfigError(f"{encoder} is not a CLIP, whose words a linear map takes to the pictures; drop aligned_to")
    weight: Tensor = loaded.towers.text_projection.weight
    return weight


def _orthonormal_rows(count: int, width: int) -> Float[Tensor, "count width"]:
    drawn: Tensor = torch.linalg.qr(torch.randn(max(count, width), min(count, width))).Q
    return drawn if count >= width else drawn.T


def _linears(projection: InputProjection) -> list[nn.Linear]:
    return [module for module in projection.modules() if isinstance(module, nn.Linear)]
