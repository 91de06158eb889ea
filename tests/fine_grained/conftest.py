"""Small fine models and random features."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

from coarse_to_fine.fine_grained import FINE_MODELS
from coarse_to_fine.fine_grained.base import FineModel
from coarse_to_fine.types import SegmentFeatures, TextFeatures

VIDEO_DIM = 24
TOKEN_DIM = 20

SMALL: dict[str, dict[str, object]] = {
    "similarity": {},
    "qd-detr": {
        "video_feature_dims": (VIDEO_DIM,),
        "text_feature_dim": TOKEN_DIM,
        "hidden_dim": 32,
        "heads": 4,
        "feed_forward_dim": 48,
        "queries": 6,
    },
    "mesm": {
        "video_feature_dims": (VIDEO_DIM,),
        "text_feature_dim": TOKEN_DIM,
        "hidden_dim": 32,
        "heads": 4,
        "feed_forward_dim": 48,
        "queries": 6,
    },
}
"""Architectures for the contract tests; a model without an entry here fails them."""


def small_model(name: str, seed: int = 0) -> FineModel:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model_class = FINE_MODELS[name]
        return model_class(model_class.config_class.model_validate(SMALL[name])).eval()


def segment(clips: int, seed: int = 0, duration_s: float | None = None, start_s: float = 0.0) -> SegmentFeatures:
    generator = torch.Generator().manual_seed(seed)
    end_s = start_s + (2.0 * clips if duration_s is None else duration_s)
    rows = torch.randn(clips, VIDEO_DIM, generator=generator)
    return SegmentFeatures(f"video{seed}#0", f"video{seed}", start_s, end_s, 2.0, rows[:12], rows)


def sentence(tokens: int, seed: int = 0) -> TextFeatures:
    generator = torch.Generator().manual_seed(1000 + seed)
    return TextFeatures(
        f"sentence {seed}",
        torch.randn(VIDEO_DIM, generator=generator),
        torch.randn(tokens, TOKEN_DIM, generator=generator),
    )


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Models this small lose more by waiting for a second thread than they gain."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=list(FINE_MODELS))
def model(request: pytest.FixtureRequest) -> FineModel:
    return small_model(request.param)


@pytest.fixture
def qd_detr() -> Callable[..., FineModel]:
    def build(**fields: object) -> FineModel:
        model_class = FINE_MODELS["qd-detr"]
        return model_class(model_class.config_class.model_validate({**SMALL["qd-detr"], **fields})).eval()

    return build
