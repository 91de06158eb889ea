"""MESM: clips are enhanced by words, a summary of the video joins the words, then a detector with anchors.

Axes: B batch, L clips, T words, D width, Q moment queries, N decoder layers. Masks: True = real.
Source: Liu et al., "Towards Balanced Alignment: Modal-Enhanced Semantic Modeling for Video Moment Retrieval",
AAAI 2024.
"""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from coarse_to_fine.fine_grained.layers.attention import key_padding
from coarse_to_fine.fine_grained.layers.decoder import AnchorDecoder
from coarse_to_fine.fine_grained.layers.encoder import Encoder
from coarse_to_fine.fine_grained.layers.heads import saliency_of, windows_of
from coarse_to_fine.fine_grained.layers.initialisation import equal_vectors, xavier_matrices
from coarse_to_fine.fine_grained.layers.positions import video_position_code
from coarse_to_fine.fine_grained.layers.projection import InputProjection, Perceptron, ProjectionStage
from coarse_to_fine.fine_grained.layers.text_to_video import TextToVideoEncoder
from coarse_to_fine.fine_grained.mesm.config import MesmConfig
from coarse_to_fine.fine_grained.mesm.enhancement import EnhancementEncoder, reading_mask
from coarse_to_fine.fine_grained.mesm.sentence import SegmentSentence


class Memory(NamedTuple):
    """The video after it has read summary and words."""

    clips: Tensor
    """(B, L, D)"""
    overall: Tensor
    """(B, D) the global token."""
    enhanced: Tensor
    """(B, L, D) the clips after the frame-word enhancement."""


class Sentences(NamedTuple):
    """Projected words and the summary of the video that stands before them."""

    words: Tensor
    """(B, T, D)"""
    mask: Tensor
    """(B, T)"""
    summary: Tensor | None
    """(B, D), or None in a model without it."""

    def expanded(self) -> tuple[Tensor, Tensor]:
        """[summary; words], (B, 1 + T, D), and its mask."""
        if self.summary is None:
            return self.words, self.mask
        words = torch.cat([self.summary[:, None], self.words], dim=1)
        return words, torch.cat([self.mask.new_ones(len(self.mask), 1), self.mask], dim=1)

    def chosen(self, rows: Int[Tensor, " B"]) -> Sentences:
        """Those of other rows, summary included."""
        return Sentences(self.words[rows], self.mask[rows], None if self.summary is None else self.summary[rows])


class MesmOutput(NamedTuple):
    """Predictions of every decoder layer, the last one is the result; index 0 of the logits is the foreground."""

    logits: Tensor
    """(N, B, Q, 2)"""
    spans: Tensor
    """(N, B, Q, 2) centre and width in [0, 1]."""
    saliency: Tensor
    """(B, L); values at padding mean nothing."""
    memory: Memory


Layers = TypeVar("Layers", bound=TextToVideoEncoder)


class Stack(nn.Module, Generic[Layers]):
    """Holds a text-to-video encoder under the name that the released checkpoints have it; starts Xavier-uniform."""

    t2v_encoder: Layers

    def __init__(self, encoder: Layers) -> None:
        super().__init__()
        self.t2v_encoder = encoder
        xavier_matrices(self)
        if len(encoder.layers):
            equal_vectors(encoder.layers)


class Transformer(nn.Module):
    """Encoder and decoder; every matrix in here starts Xavier-uniform, the layers of a stack with equal vectors."""

    def __init__(self, config: MesmConfig) -> None:
        super().__init__()
        sizes = (config.hidden_dim, config.heads, config.feed_forward_dim, config.dropout)
        self.encoder = Encoder(*sizes, config.encoder_layers)
        self.decoder = AnchorDecoder(*sizes, config.decoder_layers)
        xavier_matrices(self)
        for stack in (self.encoder, self.decoder):
            if len(stack.layers):
                equal_vectors(stack.layers)


class MesmNetwork(nn.Module):
    """The network on prepared rows; parameter names are those of the released checkpoints.

    | parameter | starts as |
    |---|---|
    | matrices of `enhance_encoder`, `t2v_encoder`, `transformer` | Xavier-uniform |
    | global token, its position, anchors | N(0, 1) |
    | masked word, unknown word, masked sentence | 0 |
    | all else | PyTorch's defaults |
    """

    def __init__(self, config: MesmConfig) -> None:
        super().__init__()
        self.config = config
        width, stages, dropout = config.hidden_dim, config.projection_stages, config.input_dropout
        sizes = (width, config.heads, config.feed_forward_dim, config.dropout)
        self.global_rep_token = nn.Parameter(torch.randn(width))
        self.global_rep_pos = nn.Parameter(torch.randn(width))
        self.input_txt_proj = InputProjection(config.text_feature_dim, width, stages, dropout)
        self.input_vid_proj = InputProjection(config.video_input_dim, width, stages, dropout)
        enhancement = EnhancementEncoder(*sizes, config.enhancement_layers, config.share_feed_forward)
        self.enhance_encoder = Stack(enhancement)
        if config.summary_layers:
            self.ss_reconstructor = SegmentSentence(*sizes, config.summary_layers)
        self.t2v_encoder = Stack(TextToVideoEncoder(*sizes, config.alignment_layers))
        self.transformer = Transformer(config)
        self.span_embed = Perceptron(width, width, width, 2)
        self.class_embed = nn.Linear(width, 2)
        self.query_embed = nn.Embedding(config.queries, 2)
        self.saliency_proj1 = nn.Linear(width, width)
        self.saliency_proj2 = nn.Linear(width, width)
        if config.word_classes:
            self.masked_token = nn.Parameter(torch.zeros(config.text_feature_dim))
            self.unknown_token = nn.Parameter(torch.zeros(config.text_feature_dim))
            stage = ProjectionStage(width, width, dropout, relu=True)
            self.output_txt_proj = nn.Sequential(stage, nn.Linear(width, config.word_classes))

    def forward(
        self,
        video: Float[Tensor, "B L C"],
        video_mask: Bool[Tensor, "B L"],
        text: Float[Tensor, "B T W"],
        text_mask: Bool[Tensor, "B T"],
    ) -> MesmOutput:
        """Windows and saliency of each (video, sentence) pair, every video summed up on its own."""
        clips, words = self.input_vid_proj(video), self.input_txt_proj(text)
        return self.detect(clips, video_mask, Sentences(words, text_mask, self.summarise(clips, video_mask)))

    def summarise(self, clips: Float[Tensor, "B L D"], clip_mask: Bool[Tensor, "B L"]) -> Float[Tensor, "B D"] | None:
        """One word that stands for the video, from projected clips; None in a model without it."""
        if not self.config.summary_layers:
            return None
        summary: Tensor = self.ss_reconstructor(clips, clip_mask)
        return summary

    def detect(
        self, clips: Float[Tensor, "B L D"], video_mask: Bool[Tensor, "B L"], sentences: Sentences
    ) -> MesmOutput:
        """The same from projected clips, projected words and summaries on."""
        position = video_position_code(video_mask, self.config.hidden_dim)
        memory = self.encode(clips, video_mask, sentences, position)
        anchors = self.query_embed.weight.expand(len(clips), -1, -1)  # (B, Q, 2)
        decoded = self.transformer.decoder(anchors, memory.clips, position, video_mask)
        return MesmOutput(*windows_of(decoded, self.class_embed, self.span_embed), self.saliency(memory), memory)

    def encode(
        self,
        clips: Float[Tensor, "B L D"],
        video_mask: Bool[Tensor, "B L"],
        sentences: Sentences,
        position: Float[Tensor, "B L D"],
    ) -> Memory:
        """Clips read the words, then summary and words, then each other."""
        config = self.config
        mask = reading_mask(video_mask, sentences.mask, config.heads, config.official_mask)
        enhanced = self.enhance_encoder.t2v_encoder(clips, position, sentences.words, None, mask)
        words, words_mask = sentences.expanded()
        mask = reading_mask(video_mask, words_mask, config.heads, config.official_mask)
        aligned = self.t2v_encoder.t2v_encoder(enhanced, position, words, None, mask)
        return Memory(*self.contextualise(aligned, video_mask, position), enhanced)

    def contextualise(
        self, clips: Float[Tensor, "B L D"], video_mask: Bool[Tensor, "B L"], position: Float[Tensor, "#B L D"]
    ) -> tuple[Float[Tensor, "B L D"], Float[Tensor, "B D"]]:
        """The encoder over [global token; clips]. The token reads the clips and is read by nothing, itself included."""
        batch = len(clips)
        rows = torch.cat([self.global_rep_token.expand(batch, 1, -1), clips], dim=1)  # (B, 1 + L, D)
        positions = torch.cat([self.global_rep_pos.expand(len(position), 1, -1), position], dim=1)
        mask = torch.cat([video_mask.new_zeros(batch, 1), video_mask], dim=1)
        rows = self.transformer.encoder(rows, positions, key_padding(mask))
        return rows[:, 1:], rows[:, 0]

    def saliency(self, memory: Memory) -> Float[Tensor, "B L"]:
        """Relevance of each clip, any sign."""
        return saliency_of(memory.clips, memory.overall, self.saliency_proj1, self.saliency_proj2)
