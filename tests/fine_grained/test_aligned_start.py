"""Clips and words can start in the space of the encoder that made them."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from coarse_to_fine.errors import ConfigError
from coarse_to_fine.fine_grained.aligned_start import start_aligned
from coarse_to_fine.fine_grained.qd_detr.config import QdDetrConfig
from coarse_to_fine.fine_grained.qd_detr.locate import QdDetr

SHARED, WORDS = 24, 12


def model(**changes: object) -> QdDetr:
    torch.manual_seed(0)
    settings = {"video_feature_dims": [SHARED], "text_feature_dim": WORDS, "hidden_dim": 32, "heads": 4}
    settings |= {"feed_forward_dim": 16, "projection_stages": 1, "dropout": 0.0, "input_dropout": 0.0, **changes}
    return QdDetr(QdDetrConfig.model_validate(settings)).eval()


def start(detector: QdDetr, projection: torch.Tensor) -> None:
    readers = detector.transformer.t2v_encoder.typed_layers()
    start_aligned(detector.input_vid_proj, detector.input_txt_proj, readers, projection)


@torch.no_grad()
def test_a_clip_looks_most_at_the_word_that_the_encoder_puts_beside_it() -> None:
    detector = model()
    projection = torch.randn(SHARED, WORDS)
    start(detector, projection)
    words = torch.randn(40, WORDS)
    clips = functional.normalize(functional.layer_norm(words, (WORDS,)) @ projection.T, dim=1)
    time = torch.tensor([0.4, 0.5]).expand(40, 2)
    read, seen = detector.input_txt_proj(words), detector.input_vid_proj(torch.cat([clips, time], dim=1))
    weight = detector.transformer.t2v_encoder.typed_layers()[0].self_attn.in_proj_weight
    logits = (seen @ weight[:32].T) @ (read @ weight[32:64].T).T
    assert (logits.argmax(dim=1) == torch.arange(40)).float().mean() > 0.9


def test_another_architecture_is_refused_with_what_it_needs() -> None:
    with pytest.raises(ConfigError, match="projection_stages 1"):
        start(model(projection_stages=2), torch.randn(SHARED, WORDS))
    with pytest.raises(ConfigError, match=r"video_feature_dims \[30\]"):
        start(model(), torch.randn(30, WORDS))
