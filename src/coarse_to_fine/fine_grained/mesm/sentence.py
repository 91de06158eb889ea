"""Segment-sentence enhancement: a video summed up in one extra word.

The release feeds the sentences of a video with one of them masked and takes the output at the masked place. Its layers
have no self-attention, so that place never sees another sentence: with a correct mask the result depends on the video
alone and is the same for all its sentences. Here it is computed with that one place.

Axes: B batch (sentences), V videos, S sentences of a video, L clips, D width. Masks: True = real.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from coarse_to_fine.fine_grained.inputs import pad_rows
from coarse_to_fine.fine_grained.layers.attention import key_padding
from coarse_to_fine.fine_grained.layers.text_to_video import TextToVideoEncoder, official_mask


class SegmentSentence(nn.Module):
    """Text-to-video layers that read clips into a learned word.

    The learned word starts at 0, the attention's output matrices as `nn.Linear` has them, all else Xavier-uniform or as
    PyTorch has it.
    """

    def __init__(self, width: int, heads: int, feed_forward: int, dropout: float, layers: int) -> None:
        super().__init__()
        self.heads = heads
        self.masked_sent_token = nn.Parameter(torch.zeros(width))
        self.recon_trans = TextToVideoEncoder(width, heads, feed_forward, dropout, layers)
        for layer in self.recon_trans.typed_layers():
            layer.self_attn.out_proj.reset_parameters()
            nn.init.zeros_(layer.self_attn.out_proj.bias)

    def forward(self, clips: Float[Tensor, "V L D"], clip_mask: Bool[Tensor, "V L"]) -> Float[Tensor, "V D"]:
        """The summary of each video, a unit row; positions do not enter."""
        place = self.masked_sent_token.expand(len(clips), 1, -1)  # (V, 1, D)
        read = self.recon_trans(place, None, clips, None, key_padding(clip_mask))
        return functional.normalize(read[:, 0], dim=-1)

    def official(
        self,
        sentences: Float[Tensor, "B D"],
        group: Int[Tensor, " B"],
        clips: Float[Tensor, "B L D"],
        clip_mask: Bool[Tensor, "B L"],
    ) -> Float[Tensor, "B D"]:
        """The same under the release's mask, by which sentences and batch mates leak in; for reproducing it only.

        Args:
            sentences: projected sentence vectors; those of a video stand together.
            group: number of the video that a sentence belongs to, ascending.
            clips, clip_mask: the clips that each row reads.
        """
        words, mask = sentences_of_video(sentences, group)  # (B, S, D), (B, S)
        own = place_in_video(group)
        rows = torch.arange(len(words), device=words.device)
        words = words.clone()
        words[rows, own] = self.masked_sent_token
        read = self.recon_trans(words, None, clips, None, official_mask(mask, clip_mask, self.heads))
        return functional.normalize(read[rows, own], dim=-1)


def place_in_video(group: Int[Tensor, " B"]) -> Int[Tensor, " B"]:
    """Which sentence of its video each row is, from 0."""
    earlier = (group[:, None] == group[None, :]).tril(-1)
    return earlier.sum(1)


def sentences_of_video(
    sentences: Float[Tensor, "B D"], group: Int[Tensor, " B"]
) -> tuple[Float[Tensor, "B S D"], Bool[Tensor, "B S"]]:
    """For each row all sentences of its video, zero-padded, and the mask."""
    return pad_rows([sentences[group == number] for number in group])
