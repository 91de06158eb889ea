"""The precision of image towers: near fp32, named by the fingerprint, remembered by libraries and feature folders."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn.functional import cosine_similarity

from coarse_to_fine.encoders import ClipEncoder, load_encoder
from coarse_to_fine.encoders.precision import fingerprint_in, require_precision
from coarse_to_fine.errors import ConfigError, FingerprintError
from coarse_to_fine.library import Library


@pytest.fixture(scope="module")
def pair() -> tuple[ClipEncoder, ClipEncoder]:
    return load_encoder("tiny-world"), load_encoder("tiny-world", precision="bf16")


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    from coarse_to_fine.data_generation.world.render import render_frame
    from coarse_to_fine.data_generation.world.sampling import sample_scene

    encoder = load_encoder("tiny-world")
    frames = [torch.from_numpy(render_frame(sample_scene(seed, "val"), 2.0)) for seed in range(6)]
    return torch.stack([encoder.prepare(frame) for frame in frames])


def test_bf16_is_near_fp32_but_not_within_the_rounding_of_storage(
    pair: tuple[ClipEncoder, ClipEncoder], pictures: torch.Tensor
) -> None:
    exact, fast = (encoder.encode_images(pictures) for encoder in pair)
    assert fast.dtype == torch.float32
    assert float(cosine_similarity(exact, fast).min()) > 0.999
    rounding = (exact.half().float() - exact).abs().max()
    assert float((exact - fast).abs().max()) > 3 * float(rounding)
    assert pair[0].fingerprint != pair[1].fingerprint


def test_sentences_are_the_same_in_every_precision(pair: tuple[ClipEncoder, ClipEncoder]) -> None:
    (exact,), (fast,) = (encoder.encode_text(["a red ball jumps"]) for encoder in pair)
    assert torch.equal(exact.embedding, fast.embedding)
    assert torch.equal(exact.tokens, fast.tokens)


def test_the_fingerprint_of_the_reference_names_no_precision() -> None:
    assert fingerprint_in("fp32", "abc") == "abc"
    assert fingerprint_in("bf16", "abc") not in ("abc", fingerprint_in("bf16", "abd"))
    with pytest.raises(ConfigError, match="'fp16'; expected fp32 or bf16"):
        require_precision("fp16")


def test_a_library_keeps_its_precision(tmp_path: Path) -> None:
    with Library.create(tmp_path / "fast.ctf", precision="bf16") as library:
        assert library.encoder.fingerprint == load_encoder("tiny-world", precision="bf16").fingerprint
    with Library.open_or_create(tmp_path / "fast.ctf") as again:
        assert again.precision == "bf16"
        assert again.encoder.precision == "bf16"  # type: ignore[attr-defined]
    with pytest.raises(FingerprintError, match=r"made in precision bf16, not fp32; expected the same.*NEW_FOLDER"):
        Library.open_or_create(tmp_path / "fast.ctf", precision="fp32")


def test_an_old_library_without_a_precision_is_fp32(tmp_path: Path) -> None:
    import sqlite3

    Library.create(tmp_path / "old.ctf").close()
    connection = sqlite3.connect(tmp_path / "old.ctf" / "catalogue.sqlite")
    with connection:
        connection.execute("DELETE FROM meta WHERE key = 'precision'")
    connection.close()
    with Library.open(tmp_path / "old.ctf") as library:
        assert library.precision == "fp32"
        assert library.encoder.fingerprint == load_encoder("tiny-world").fingerprint
