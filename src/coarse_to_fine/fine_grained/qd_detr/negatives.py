"""Foreign sentences for the clips of a batch: pairs that should have no salient clip. Training only.

Axes: B batch, L clips, T words, D width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from coarse_to_fine.fine_grained.layers.positions import video_position_code
from coarse_to_fine.fine_grained.qd_detr.model import Memory, QdDetrNetwork


def rolled(batch: int) -> Int[Tensor, " B"]:
    """The release's choice: sample b gets the words of b + 1, the last those of the first.

    With one sample the "foreign" sentence is its own, and a neighbour of the same video counts as foreign.
    """
    return torch.arange(batch).roll(-1)


def next_foreign(videos: Sequence[str], texts: Sequence[str]) -> tuple[Int[Tensor, " B"], Bool[Tensor, " B"]]:
    """For each sample the next one (in the rolled order) of another video and with another sentence.

    The second result says whether there is one; where there is none the sample points at itself and is to be left out.
    """
    batch = len(videos)
    chosen, found = torch.arange(batch), torch.zeros(batch, dtype=torch.bool)
    for index, video in enumerate(videos):
        for step in range(1, batch):
            other = (index + step) % batch
            if videos[other] != video and texts[other] != texts[index]:
                chosen[index], found[index] = other, True
                break
    return chosen, found


def negative_memory(
    network: QdDetrNetwork,
    clips: Float[Tensor, "B L D"],
    video_mask: Bool[Tensor, "B L"],
    words: Float[Tensor, "B T D"],
    text_mask: Bool[Tensor, "B T"],
    chosen: Int[Tensor, " B"],
    keep_positions: bool = False,
) -> Memory:
    """The memory of the same projected clips beside the projected words of the chosen samples.

    With `keep_positions` learned text positions, if on, stay those of the own words, as in the release; they contain
    the own words themselves.
    """
    position = video_position_code(video_mask, network.config.hidden_dim)
    chosen = chosen.to(words.device)
    own = network.txt_position_embed(words) if keep_positions and network.config.text_positions else None
    return network.encode(clips, video_mask, words[chosen], text_mask[chosen], position, own)
