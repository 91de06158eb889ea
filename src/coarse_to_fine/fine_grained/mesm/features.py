"""Stored features into the rows that MESM was trained on.

Axes: L clips, n clips read, C channels.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from coarse_to_fine.fine_grained.feature_blocks import check_clips
from coarse_to_fine.fine_grained.inputs import temporal_endpoints
from coarse_to_fine.fine_grained.mesm.config import MesmConfig
from coarse_to_fine.fine_grained.mesm.sampling import sample_clips


def clip_rows(clips: Float[Tensor, "L C"], config: MesmConfig) -> Float[Tensor, "n C2"]:
    """Blocks with unit rows each, long videos averaged down, then the time channels.

    Args:
        clips: the blocks in the order of the config on the channel axis.
        config: widths of the blocks and the number of clips read at most.

    Raises:
        DataError: the width is not that of the model's features, or there is no clip.
    """
    check_clips(clips, config)
    blocks = torch.split(clips.to(torch.float32), list(config.video_feature_dims), dim=1)
    rows = torch.cat([functional.normalize(block, dim=1) for block in blocks], dim=1)
    if config.max_clips is not None:
        rows = sample_clips(rows, config.max_clips)
    return torch.cat([rows, temporal_endpoints(len(rows), like=rows)], dim=1)
