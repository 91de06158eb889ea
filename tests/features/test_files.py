"""Pictures of files: who scales them, how much that changes, and where it is written."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity

from coarse_to_fine.encoders import ClipEncoder, load_encoder
from coarse_to_fine.encoders.preprocessing import Preprocessing
from coarse_to_fine.features.extract import video_manifest
from coarse_to_fine.features.files import FilePictures
from coarse_to_fine.features.sampling import SAMPLING_RULES, Sampling, plain_square
from coarse_to_fine.library import Library
from tests.library.small_encoder import SmallEncoder
from tests.video.files import Recipe, steady_times, write_video

PROCESSOR = Sampling(scaling="processor")
OLD_FINGERPRINT_VALUES = {
    "clip_seconds": 2.0,
    "segment_seconds": 150.0,
    "segment_overlap_seconds": 30.0,
    "frames_per_segment": 12,
}


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("film")
    return write_video(folder / "film.mp4", steady_times(6, 10), Recipe(height=360, width=640))


@pytest.fixture(scope="module")
def tiny() -> ClipEncoder:
    encoder = load_encoder("tiny-world")
    assert isinstance(encoder, ClipEncoder)
    return encoder


def with_rule(encoder: ClipEncoder, rule: Preprocessing) -> SimpleNamespace:
    """The part of an encoder that reading uses, with another rule for pictures."""
    return SimpleNamespace(preprocessing=rule, prepare=rule.prepare)


def pictures(path: Path, encoder, sampling: Sampling) -> torch.Tensor:
    return torch.stack([picture for _, picture in FilePictures(path, encoder, sampling).pictures()])


def test_scaling_by_the_decoder_changes_pictures_and_features_little(film: Path, tiny: ClipEncoder) -> None:
    fast, exact = pictures(film, tiny, Sampling()), pictures(film, tiny, PROCESSOR)
    assert fast.shape == exact.shape
    assert 0 < float((fast.float() - exact.float()).abs().mean()) < 1.0
    assert float(cosine_similarity(tiny.encode_images(fast), tiny.encode_images(exact)).min()) > 0.999


def test_the_decoder_scales_for_a_plain_square_only(film: Path, tiny: ClipEncoder) -> None:
    square = Preprocessing(resize=(64, 64), crop=None)
    assert plain_square(with_rule(tiny, square)) == 64
    others = [
        Preprocessing(resize=64, crop=(64, 64)),
        Preprocessing(resize=(64, 64), crop=None, resample=2),
        Preprocessing(resize=(64, 48), crop=None),
        Preprocessing(resize=(80, 80), crop=(64, 64)),
    ]
    for rule in others:
        encoder = with_rule(tiny, rule)
        assert plain_square(encoder) is None
        assert torch.equal(pictures(film, encoder, Sampling()), pictures(film, encoder, PROCESSOR))
    assert plain_square(SmallEncoder()) is None


def test_the_choice_is_in_the_fingerprint_where_it_counts(tiny: ClipEncoder) -> None:
    values = OLD_FINGERPRINT_VALUES | {"rules": SAMPLING_RULES}
    old = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    assert PROCESSOR.fingerprint == old
    assert Sampling().settled_for(SmallEncoder()).fingerprint == old
    assert Sampling().settled_for(tiny).fingerprint not in (old, Sampling(clip_seconds=1).fingerprint)


def test_feature_folders_name_the_choice(tiny: ClipEncoder) -> None:
    assert video_manifest(tiny, Sampling(), "files").sampling["scaling"] == "decoder"
    assert "scaling" not in video_manifest(tiny, PROCESSOR, "files").sampling
    assert "scaling" not in video_manifest(tiny, Sampling(), "drawn").sampling
    assert "scaling" not in video_manifest(SmallEncoder(), Sampling(), "files").sampling


def test_libraries_keep_the_choice(tiny: ClipEncoder, tmp_path: Path) -> None:
    with Library.create(tmp_path / "fast.ctf", tiny) as library:
        assert library.sampling.scaling == "decoder"
    with Library.create(tmp_path / "small.ctf", SmallEncoder()) as library:
        assert library.sampling.scaling == "processor"
        assert library.info().sampling.scaling == "processor"
    with Library.create(tmp_path / "exact.ctf", tiny, sampling=PROCESSOR) as library:
        assert library.sampling.scaling == "processor"


def test_what_was_stored_before_is_the_processors() -> None:
    assert Sampling.from_stored(json.dumps(OLD_FINGERPRINT_VALUES)) == PROCESSOR
    assert Sampling.from_stored(json.dumps(Sampling().described())) == Sampling()


def test_turned_and_wide_pictures_are_squashed_whole(tiny: ClipEncoder, film: Path, tmp_path: Path) -> None:
    from tests.video.files import turned

    for how in (90, 180, "left-right"):
        path = turned(film, tmp_path / f"{how}.mp4", how)
        fast, exact = (pictures(path, tiny, sampling)[0].numpy() for sampling in (Sampling(), PROCESSOR))
        assert np.abs(fast.astype(int) - exact.astype(int)).mean() < 1.5
