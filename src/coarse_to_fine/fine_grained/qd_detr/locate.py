"""QD-DETR as a fine model: whatever depends on the video, the sentence or the weights alone is computed once.

Axes: B batch, L clips, T words, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from torch import Tensor

from coarse_to_fine.fine_grained.base import FineModel
from coarse_to_fine.fine_grained.batching import evaluating, run_by_length
from coarse_to_fine.fine_grained.inputs import pad_rows, require_segment
from coarse_to_fine.fine_grained.layers.attention import key_padding
from coarse_to_fine.fine_grained.layers.decoder import DecoderOutput
from coarse_to_fine.fine_grained.layers.shared_parts import SharedParts
from coarse_to_fine.fine_grained.layers.text_to_video import KeyValue
from coarse_to_fine.fine_grained.postprocess import moment_output
from coarse_to_fine.fine_grained.qd_detr.config import QdDetrConfig
from coarse_to_fine.fine_grained.qd_detr.features import clip_rows, word_rows
from coarse_to_fine.fine_grained.qd_detr.model import QdDetrNetwork
from coarse_to_fine.recipes import Recipe
from coarse_to_fine.types import MomentOutput, SegmentFeatures, TextFeatures


@dataclass(frozen=True, slots=True)
class QdDetrVideo:
    """What depends on a segment only.

    Attributes:
        clips: (L, D) projected clips.
        query: (L, D) their query vectors in the first text-to-video layer.
        duration_s: length of the segment in seconds.
    """

    clips: Tensor
    query: Tensor
    duration_s: float


class QdDetr(QdDetrNetwork, FineModel):
    """The network with `video_cache` and `locate`; equal to the plain forward to 1e-5.

    Pairs never see each other here: the mask is key padding whatever `config.mask` says, which is what the release
    gives for one sample alone. `forward` itself follows `config.mask`.
    """

    name: ClassVar[str] = "qd-detr"
    config_class = QdDetrConfig
    config: QdDetrConfig

    def __init__(self, config: QdDetrConfig) -> None:
        super().__init__(self.checked_config(config))

    @classmethod
    def recipe_class(cls) -> type[Recipe]:
        from coarse_to_fine.fine_grained.qd_detr.recipe import QdDetrRecipe

        return QdDetrRecipe

    def video_cache(self, segment: SegmentFeatures) -> QdDetrVideo:
        require_segment(segment)
        with evaluating(self):
            rows = clip_rows(segment.clips, self.config).to(self.global_rep_token.device)
            clips = self.input_vid_proj(rows)
            query = self.transformer.t2v_encoder.typed_layers()[0].self_attn.project_query(
                clips + _Shared(self).position(len(clips))
            )
            return QdDetrVideo(clips, query, segment.duration_s)

    def locate(self, pairs: Sequence[tuple[QdDetrVideo, TextFeatures]], batch_size: int = 8) -> list[MomentOutput]:
        lengths = [len(video.clips) for video, _ in pairs]
        with evaluating(self):
            return run_by_length(pairs, lengths, batch_size, partial(self._locate_batch, shared=_Shared(self)))

    def _locate_batch(self, pairs: Sequence[tuple[QdDetrVideo, TextFeatures]], shared: _Shared) -> list[MomentOutput]:
        clips, video_mask = pad_rows([video.clips for video, _ in pairs])  # (B, L, D), (B, L)
        query, _ = pad_rows([video.query for video, _ in pairs])
        lengths = [len(video.clips) for video, _ in pairs]
        position, _ = pad_rows([shared.position(length) for length in lengths])
        key_values, text_mask = shared.words([text for _, text in pairs])
        clips = self.transformer.t2v_encoder.read(clips, position, key_values, key_padding(text_mask), query)
        memory = self.contextualise(clips, video_mask, position)
        key_positions = shared.key_positions(lengths)
        reference, side = shared.first_side(len(pairs))
        decoded = self.transformer.decoder.run(reference, side, memory.clips, key_positions, video_mask)
        logits, spans = self.heads(DecoderOutput(decoded.hidden[-1:], decoded.references[-1:]))
        saliency = self.saliency(memory)
        return [
            moment_output(logits[0, i].cpu(), spans[0, i].cpu(), saliency[i, : lengths[i]].cpu(), video.duration_s)
            for i, (video, _) in enumerate(pairs)
        ]


class _Shared(SharedParts):
    """What the pairs of one `locate` call share."""

    def __init__(self, model: QdDetrNetwork) -> None:
        super().__init__(model.transformer.decoder, model.query_embed.weight)
        self.model = model

    def key_values(self, text: TextFeatures) -> list[KeyValue]:
        model = self.model
        rows = word_rows(text.tokens, model.config).to(model.global_rep_token.device)
        words = model.input_txt_proj(rows)[None]  # (1, T, D)
        position = model.txt_position_embed(words) if model.config.text_positions else None
        layers = model.transformer.t2v_encoder.key_values(words, position)
        return [(key[0], value[0]) for key, value in layers]
