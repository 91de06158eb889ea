"""The score of T-MASS for candidates that nothing was computed of before and that will not be asked for again.

Axes: T texts, V videos, F frames, D width, S trials.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from coarse_to_fine.coarse_grained.base import blocks
from coarse_to_fine.coarse_grained.t_mass.buffers import buffers_of_thread
from coarse_to_fine.coarse_grained.t_mass.cached import Constants, best_trial
from coarse_to_fine.coarse_grained.t_mass.pooling import EPSILON, FramePooling
from coarse_to_fine.cores import cores_for

FRAME_FLOATS = 2**18
"""V * F * D of one block of frames, for each core: they stay in the core's cache until they are mixed."""
BLOCK_FLOATS = 2**18
"""V * D of one block of mixtures, for each core."""
SHARED_VIDEOS = 128
"""From which on operations are divided among the cores."""


def score_unprepared(
    pooling: FramePooling, known: Sequence[Constants], frames: Float[Tensor, "V F D"]
) -> Float[Tensor, "T V"]:
    """Scores without a cache, `known` of one text each: frames are mixed before they are projected, 2 D D
    multiplications a pair instead of the 2 F D D a video of a cache that serves once."""
    device = pooling.key.weight.device
    scores = torch.empty(len(known), len(frames), device=device)
    for row, one in zip(scores, known):
        for part in blocks(len(frames), torch.get_num_threads() * BLOCK_FLOATS // frames.shape[2]):
            with cores_for("unprepared", len(row[part]), SHARED_VIDEOS):
                row[part] = _score_block(pooling, one, frames[part])
    return scores


def _score_block(pooling: FramePooling, known: Constants, frames: Float[Tensor, "V F D"]) -> Float[Tensor, " V"]:
    videos, count, width = frames.shape
    buffers = buffers_of_thread(known.text.device)
    mixtures, cosines = buffers.get("mixtures", videos, width), buffers.get("cosines", videos, count)
    for part in blocks(videos, torch.get_num_threads() * FRAME_FLOATS // (count * width)):
        own = frames[part]
        _mix(known, buffers.get("frames", *own.shape).copy_(own), mixtures[part], cosines[part])
    pooled = pooling.project(torch.addmm(known.weights.output_bias, mixtures, known.weights.output))
    radius = known.weights.power(torch.mm(cosines, known.weights.radius, out=buffers.get("radius", videos, width)))
    return best_trial(pooled, radius, known)


def _mix(
    known: Constants,
    frames: Float[Tensor, "V F D"],
    mixtures: Float[Tensor, "V D"],
    cosines: Float[Tensor, "V F"],
) -> None:
    """Frames of mean 0 and variance 1 as the text weights them, and its cosines with the frames as they are."""
    with_text, logits = (known.directions @ frames.view(-1, frames.shape[2]).T).view(2, *cosines.shape)
    mean = frames.mean(dim=-1, keepdim=True)
    variance = torch.linalg.vector_norm(frames.sub_(mean), dim=-1).square_().div_(frames.shape[-1])
    inverse_std = torch.rsqrt(variance + EPSILON)
    weights = torch.softmax(logits * inverse_std, dim=1).mul_(inverse_std)
    torch.bmm(weights.unsqueeze(1), frames, out=mixtures.unsqueeze(1))
    length = variance.add_(mean.squeeze(-1).square_()).mul_(frames.shape[-1]).sqrt_()
    torch.div(with_text, length.masked_fill_(length == 0, 1.0), out=cosines)
