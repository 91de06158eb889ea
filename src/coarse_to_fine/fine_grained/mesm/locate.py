"""MESM as a fine model: whatever depends on the video, the sentence or the weights alone is computed once.

Axes: B batch, L clips, T words, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from coarse_to_fine.fine_grained.base import FineModel
from coarse_to_fine.fine_grained.batching import evaluating, run_by_length
from coarse_to_fine.fine_grained.inputs import pad_rows, require_segment
from coarse_to_fine.fine_grained.layers.attention import key_padding
from coarse_to_fine.fine_grained.layers.decoder import DecoderOutput
from coarse_to_fine.fine_grained.layers.decoder_parts import DecoderParts
from coarse_to_fine.fine_grained.layers.heads import saliency_of, windows_of
from coarse_to_fine.fine_grained.layers.shared_parts import SharedParts
from coarse_to_fine.fine_grained.layers.text_to_video import KeyValue, TextToVideoLayer
from coarse_to_fine.fine_grained.mesm.config import MesmConfig
from coarse_to_fine.fine_grained.mesm.features import clip_rows
from coarse_to_fine.fine_grained.mesm.model import MesmNetwork
from coarse_to_fine.fine_grained.mesm.sampling import stretch_of_clip
from coarse_to_fine.fine_grained.mesm.text import word_rows
from coarse_to_fine.fine_grained.postprocess import moment_output
from coarse_to_fine.recipes import Recipe
from coarse_to_fine.types import MomentOutput, SegmentFeatures, TextFeatures


@dataclass(frozen=True, slots=True)
class MesmVideo:
    """What depends on a segment only.

    Attributes:
        clips: (L, D) projected clips that the model reads.
        query: (L, D) their query vectors in the first layer that reads words.
        summary: for each alignment layer the key and the value of the video's summary, each (1, D); empty without it.
        stored_clips: clips of the segment; more than L where long videos are averaged down.
        duration_s: length of the segment in seconds.
    """

    clips: Tensor
    query: Tensor
    summary: list[KeyValue]
    stored_clips: int
    duration_s: float


class Mesm(MesmNetwork, FineModel):
    """The network with `video_cache` and `locate`; equal to the plain forward to 1e-5.

    Pairs never see each other here: the mask is key padding whatever `config.official_mask` says, which is what the
    release gives for one sentence alone. `forward` itself follows `config.official_mask`.
    """

    name: ClassVar[str] = "mesm"
    config_class = MesmConfig
    config: MesmConfig

    def __init__(self, config: MesmConfig) -> None:
        super().__init__(self.checked_config(config))

    @classmethod
    def recipe_class(cls) -> type[Recipe]:
        from coarse_to_fine.fine_grained.mesm.recipe import MesmRecipe

        return MesmRecipe

    def video_cache(self, segment: SegmentFeatures) -> MesmVideo:
        require_segment(segment)
        with evaluating(self):
            rows = clip_rows(segment.clips, self.config).to(self.global_rep_token.device)
            clips = self.input_vid_proj(rows)
            position = DecoderParts(self.transformer.decoder, self.query_embed.weight).position(len(clips))
            query = self._first_layer().self_attn.project_query(clips + position)
            every = torch.ones(1, len(clips), dtype=torch.bool, device=clips.device)
            summary = self.summarise(clips[None], every)
            read = [] if summary is None else self.t2v_encoder.t2v_encoder.key_values(summary[None])
            parts = [(key[0], value[0]) for key, value in read]
            return MesmVideo(clips, query, parts, len(segment.clips), segment.duration_s)

    def locate(self, pairs: Sequence[tuple[MesmVideo, TextFeatures]], batch_size: int = 8) -> list[MomentOutput]:
        lengths = [len(video.clips) for video, _ in pairs]
        with evaluating(self):
            return run_by_length(pairs, lengths, batch_size, partial(self._locate_batch, shared=_Shared(self)))

    def _locate_batch(self, pairs: Sequence[tuple[MesmVideo, TextFeatures]], shared: _Shared) -> list[MomentOutput]:
        lengths = [len(video.clips) for video, _ in pairs]
        clips, video_mask = pad_rows([video.clips for video, _ in pairs])  # (B, L, D), (B, L)
        position, _ = pad_rows([shared.position(length) for length in lengths])
        aligned = self._read_sentences(pairs, clips, position, shared)
        memory, overall = self.contextualise(aligned, video_mask, position)
        reference, side = shared.first_side(len(pairs))
        decoded = self.transformer.decoder.run(reference, side, memory, shared.key_positions(lengths), video_mask)
        last = DecoderOutput(decoded.hidden[-1:], decoded.references[-1:])
        logits, spans = windows_of(last, self.class_embed, self.span_embed)
        curve = saliency_of(memory, overall, self.saliency_proj1, self.saliency_proj2)
        return [
            moment_output(logits[0, i].cpu(), spans[0, i].cpu(), self._saliency_row(curve[i], video), video.duration_s)
            for i, (video, _) in enumerate(pairs)
        ]

    def _read_sentences(
        self, pairs: Sequence[tuple[MesmVideo, TextFeatures]], clips: Tensor, position: Tensor, shared: _Shared
    ) -> Tensor:
        """Enhancement and alignment of the padded clips, (B, L, D), by the words of their sentences."""
        query, _ = pad_rows([video.query for video, _ in pairs])
        key_values, mask = shared.words([text for _, text in pairs])
        enhancing = key_values[: self.config.enhancement_layers]
        aligning = key_values[self.config.enhancement_layers :]
        first: Tensor | None = query
        if self.config.enhancement_layers:
            clips = self.enhance_encoder.t2v_encoder.read(clips, position, enhancing, key_padding(mask), first)
            first = None
        if self.config.summary_layers:
            aligning = [
                (_with_summary(pairs, layer, 0, key), _with_summary(pairs, layer, 1, value))
                for layer, (key, value) in enumerate(aligning)
            ]
            mask = torch.cat([mask.new_ones(len(mask), 1), mask], dim=1)
        return self.t2v_encoder.t2v_encoder.read(clips, position, aligning, key_padding(mask), first)

    def _saliency_row(self, curve: Tensor, video: MesmVideo) -> Tensor:
        """(L,) scores of the stored clips: where clips were averaged, each has the score of its stretch."""
        own = curve[: len(video.clips)].cpu()
        return own[stretch_of_clip(video.stored_clips, len(own))]

    def _first_layer(self) -> TextToVideoLayer:
        layers = [*self.enhance_encoder.t2v_encoder.typed_layers(), *self.t2v_encoder.t2v_encoder.typed_layers()]
        return layers[0]


class _Shared(SharedParts):
    """What the pairs of one `locate` call share."""

    def __init__(self, model: MesmNetwork) -> None:
        super().__init__(model.transformer.decoder, model.query_embed.weight)
        self.model = model

    def key_values(self, text: TextFeatures) -> list[KeyValue]:
        """Of the enhancement layers, then of the alignment layers."""
        model = self.model
        rows = word_rows(text.tokens, model.config).to(model.global_rep_token.device)
        words = model.input_txt_proj(rows)[None]  # (1, T, D)
        layers = model.enhance_encoder.t2v_encoder.key_values(words) + model.t2v_encoder.t2v_encoder.key_values(words)
        return [(key[0], value[0]) for key, value in layers]


def _with_summary(pairs: Sequence[tuple[MesmVideo, TextFeatures]], layer: int, part: int, words: Tensor) -> Tensor:
    """[summary; words] of each pair as keys (part 0) or values (part 1) of an alignment layer, (B, 1 + T, D)."""
    summaries = torch.stack([video.summary[layer][part] for video, _ in pairs])
    return torch.cat([summaries, words], dim=1)
