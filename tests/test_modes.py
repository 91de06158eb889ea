"""Searches give the same whatever modes of PyTorch the caller has switched on, and change none of them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import torch
from torch import nn

from coarse_to_fine import Library, Pipeline
from coarse_to_fine.coarse_grained import load_coarse
from coarse_to_fine.encoders.load import load_encoder
from coarse_to_fine.fine_grained import load_fine
from tests.library.small_videos import write_video

SENTENCE = "a red square moves"


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


MODES: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "inference mode": torch.inference_mode,
    "gradients": torch.enable_grad,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "float64": lambda: default_dtype(torch.float64),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "another device": lambda: torch.device("meta"),
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("modes") / "videos"
    for number, seconds in enumerate((3, 8, 21)):
        write_video(folder / f"v{number}.mp4", seconds, number)
    return folder


def indexed(videos: Path, library: Path) -> Pipeline:
    with Library.create(library) as made:
        made.add(videos)
    return Pipeline.load(library, device="cpu")


@pytest.fixture(scope="module")
def pipeline(videos: Path) -> Pipeline:
    return indexed(videos, videos.parent / "library.ctf")


def answers(pipeline: Pipeline) -> list[tuple[float | str, ...]]:
    hits = [(hit.video_id, hit.start_s, hit.end_s, hit.score) for hit in pipeline.search(SENTENCE)]
    curve = pipeline.moments(SENTENCE, "v1").saliency
    return [*hits, tuple(curve.tolist()), *((video.video_id, video.score) for video in pipeline.rank_videos(SENTENCE))]


def assert_same(found: list[tuple[float | str, ...]], expected: list[tuple[float | str, ...]]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        assert list(one) == pytest.approx(list(other), abs=1e-4)


@pytest.mark.parametrize("mode", MODES)
def test_answers_do_not_depend_on_the_modes_around_index_load_and_search(
    pipeline: Pipeline, videos: Path, tmp_path: Path, mode: str
):
    expected = answers(pipeline)
    with MODES[mode]():
        dtype, inference, grad = torch.get_default_dtype(), torch.is_inference_mode_enabled(), torch.is_grad_enabled()
        own = indexed(videos, tmp_path / "library.ctf")
        assert_same(answers(own), expected)
        assert_same(answers(pipeline), expected)
        assert torch.get_default_dtype() == dtype
        assert (torch.is_inference_mode_enabled(), torch.is_grad_enabled()) == (inference, grad)
    assert_same(answers(own), expected)


def test_what_encoders_and_models_give_can_be_trained_on(pipeline: Pipeline):
    encoder = pipeline.library.encoder
    (text,) = encoder.encode_text([SENTENCE])
    pictures = encoder.encode_images(torch.zeros(2, encoder.image_size, encoder.image_size, 3, dtype=torch.uint8))
    found = pipeline.moments(SENTENCE, "v1")
    for given in (text.embedding, text.tokens, pictures, torch.as_tensor(found.saliency)):
        layer = nn.Linear(given.shape[-1], 1)
        layer(given).sum().backward()
        assert layer.weight.grad is not None


def test_loading_leaves_the_random_numbers_of_the_caller_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load_coarse("t-mass"), load_fine("mesm"), load_fine("qd-detr"), load_encoder("tiny-world")
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_pipeline_can_be_copied_and_sent_to_another_process(pipeline: Pipeline, copied: Callable[[object], object]):
    other = copied(pipeline)
    assert isinstance(other, Pipeline) and other.fusion == pipeline.fusion
    assert_same(answers(other), answers(pipeline))
    assert len(pickle.dumps(pipeline.library)) < 10_000  # its place, not its content
