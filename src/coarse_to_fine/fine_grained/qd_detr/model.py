"""QD-DETR: clips read the words, a decoder with anchors finds the windows, a global token scores the clips.

Axes: B batch, L clips, T words, D width, Q moment queries, N decoder layers. Masks: True = real.
Source: Moon et al., "Query-Dependent Video Representation for Moment Retrieval and Highlight Detection", CVPR 2023.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from coarse_to_fine.fine_grained.layers.attention import key_padding
from coarse_to_fine.fine_grained.layers.decoder import AnchorDecoder, DecoderOutput
from coarse_to_fine.fine_grained.layers.encoder import Encoder
from coarse_to_fine.fine_grained.layers.heads import saliency_of, windows_of
from coarse_to_fine.fine_grained.layers.initialisation import equal_vectors, xavier_matrices
from coarse_to_fine.fine_grained.layers.positions import video_position_code
from coarse_to_fine.fine_grained.layers.projection import InputProjection, Perceptron
from coarse_to_fine.fine_grained.layers.text_to_video import TextToVideoEncoder, official_mask
from coarse_to_fine.fine_grained.qd_detr.config import QdDetrConfig

MIN_WIDTH = 1e-3


class Memory(NamedTuple):
    """The video after it has read the sentence."""

    clips: Tensor
    """(B, L, D)"""
    overall: Tensor
    """(B, D) the global token."""


class QdDetrOutput(NamedTuple):
    """Predictions of every decoder layer, the last one is the result; index 0 of the logits is the foreground."""

    logits: Tensor
    """(N, B, Q, 2)"""
    spans: Tensor
    """(N, B, Q, 2) centre and width in [0, 1]."""
    saliency: Tensor
    """(B, L); values at padding mean nothing."""
    memory: Memory
    decoded: DecoderOutput


class Transformer(nn.Module):
    """The three stacks; every matrix in here starts Xavier-uniform, and the layers of a stack with equal vectors."""

    def __init__(self, config: QdDetrConfig) -> None:
        super().__init__()
        sizes = (config.hidden_dim, config.heads, config.feed_forward_dim, config.dropout)
        self.t2v_encoder = TextToVideoEncoder(*sizes, config.text_to_video_layers)
        self.encoder = Encoder(*sizes, config.encoder_layers)
        self.decoder = AnchorDecoder(*sizes, config.decoder_layers, MIN_WIDTH if config.clamp_width else None)
        xavier_matrices(self)
        for stack in (self.t2v_encoder, self.encoder, self.decoder):
            if len(stack.layers):
                equal_vectors(stack.layers)


class TextPositions(nn.Module):
    """LN(x + E[t]): the optional addition to the text keys; it contains the words themselves."""

    def __init__(self, rows: int, width: int, dropout: float) -> None:
        super().__init__()
        self.position_embeddings = nn.Embedding(rows, width)
        self.LayerNorm = nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)

    def forward(self, words: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        return self.drop(self.LayerNorm(words + self.position_embeddings.weight[: words.shape[1]]))  # type: ignore[no-any-return]


class QdDetrNetwork(nn.Module):
    """The network on prepared rows; parameter names are those of the released checkpoints.

    Everything outside `transformer` starts as PyTorch has it; the global token, its position and the anchors N(0, 1).
    """

    def __init__(self, config: QdDetrConfig) -> None:
        super().__init__()
        self.config = config
        width, stages, dropout = config.hidden_dim, config.projection_stages, config.input_dropout
        self.global_rep_token = nn.Parameter(torch.randn(width))
        self.global_rep_pos = nn.Parameter(torch.randn(width))
        self.transformer = Transformer(config)
        self.txt_position_embed = TextPositions(config.max_words, width, config.input_dropout)
        self.span_embed = Perceptron(width, width, width, 2)
        self.class_embed = nn.Linear(width, 2)
        self.query_embed = nn.Embedding(config.queries, 2)
        self.input_txt_proj = InputProjection(config.text_feature_dim, width, stages, dropout)
        self.input_vid_proj = InputProjection(config.video_input_dim + config.audio_input_dim, width, stages, dropout)
        self.saliency_proj1 = nn.Linear(width, width)
        self.saliency_proj2 = nn.Linear(width, width)

    def forward(
        self,
        video: Float[Tensor, "B L C"],
        video_mask: Bool[Tensor, "B L"],
        text: Float[Tensor, "B T W"],
        text_mask: Bool[Tensor, "B T"],
    ) -> QdDetrOutput:
        """Windows and saliency of each (video, sentence) pair; audio stands beside the video on the channel axis."""
        clips, words = self.input_vid_proj(video), self.input_txt_proj(text)
        return self.detect(clips, video_mask, words, text_mask)

    def detect(
        self,
        clips: Float[Tensor, "B L D"],
        video_mask: Bool[Tensor, "B L"],
        words: Float[Tensor, "B T D"],
        text_mask: Bool[Tensor, "B T"],
    ) -> QdDetrOutput:
        """The same from projected clips and words on."""
        position = video_position_code(video_mask, self.config.hidden_dim)
        memory = self.encode(clips, video_mask, words, text_mask, position)
        anchors = self.query_embed.weight.expand(len(clips), -1, -1)  # (B, Q, 2)
        decoded = self.transformer.decoder(anchors, memory.clips, position, video_mask)
        return QdDetrOutput(*self.heads(decoded), self.saliency(memory), memory, decoded)

    def encode(
        self,
        clips: Float[Tensor, "B L D"],
        video_mask: Bool[Tensor, "B L"],
        words: Float[Tensor, "B T D"],
        text_mask: Bool[Tensor, "B T"],
        position: Float[Tensor, "B L D"],
        word_position: Float[Tensor, "B T D"] | None = None,
    ) -> Memory:
        """Clips read the words, then each other and the global token; the words are dropped before the second.

        `word_position` stands in for the learned positions of `words`, if those are on.
        """
        if self.config.mask == "official":
            mask = official_mask(video_mask, text_mask, self.config.heads)
        else:
            mask = key_padding(text_mask)
        if self.config.text_positions and word_position is None:
            word_position = self.txt_position_embed(words)
        clips = self.transformer.t2v_encoder(clips, position, words, word_position, mask)
        return self.contextualise(clips, video_mask, position)

    def contextualise(
        self, clips: Float[Tensor, "B L D"], video_mask: Bool[Tensor, "B L"], position: Float[Tensor, "#B L D"]
    ) -> Memory:
        """The encoder over [global token; clips]."""
        batch = len(clips)
        token = self.global_rep_token.expand(batch, 1, -1)
        token_position = self.global_rep_pos.expand(len(position), 1, -1)
        rows = torch.cat([token, clips], dim=1)  # (B, 1 + L, D)
        positions = torch.cat([token_position, position], dim=1)
        mask = torch.cat([video_mask.new_ones(batch, 1), video_mask], dim=1)
        rows = self.transformer.encoder(rows, positions, key_padding(mask))
        return Memory(rows[:, 1:], rows[:, 0])

    def heads(self, decoded: DecoderOutput) -> tuple[Float[Tensor, "N B Q 2"], Float[Tensor, "N B Q 2"]]:
        """Logits and spans of the hidden states; a span refines the reference that entered the layer."""
        return windows_of(decoded, self.class_embed, self.span_embed)

    def saliency(self, memory: Memory) -> Float[Tensor, "B L"]:
        """Scaled product of each clip with the global token."""
        return saliency_of(memory.clips, memory.overall, self.saliency_proj1, self.saliency_proj2)
