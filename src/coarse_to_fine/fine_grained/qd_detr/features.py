"""Stored features into the rows that QD-DETR was trained on.

Axes: L clips, T word tokens, C channels.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from coarse_to_fine.fine_grained.feature_blocks import check_clips, check_words
from coarse_to_fine.fine_grained.inputs import temporal_endpoints, unit_rows
from coarse_to_fine.fine_grained.qd_detr.config import QdDetrConfig


def clip_rows(clips: Float[Tensor, "L C"], config: QdDetrConfig) -> Float[Tensor, "L C2"]:
    """Blocks normalised each on its own, then the time channels; audio and its time channels last.

    Args:
        clips: the video blocks in the order of the config, then the audio block, on the channel axis.
        config: widths of the blocks, whether they are normalised, and whether audio has time channels.

    Raises:
        DataError: the width is not that of the model's features.
    """
    check_clips(clips, config)
    widths = [*config.video_feature_dims, config.audio_feature_dim]
    *video, audio = torch.split(clips.to(torch.float32), widths, dim=1)
    time = temporal_endpoints(clips.shape[0], like=clips)
    parts = [*(_rows(block, config) for block in video), time]
    if config.audio_feature_dim:
        parts.append(_rows(audio, config))
    if config.audio_endpoints:
        parts.append(time)
    return torch.cat(parts, dim=1)


def word_rows(tokens: Float[Tensor, "T C"], config: QdDetrConfig) -> Float[Tensor, "t C"]:
    """The first `max_words` word states as unit rows.

    Raises:
        DataError: the width is not that of the model's text features.
    """
    check_words(tokens, config)
    tokens = tokens[: config.max_words].to(torch.float32)
    return unit_rows(tokens) if config.normalise_text else tokens


def _rows(block: Tensor, config: QdDetrConfig) -> Tensor:
    return unit_rows(block) if config.features == "unit" else block
