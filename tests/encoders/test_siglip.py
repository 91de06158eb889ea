"""SigLIP towers, computed by transformers, from folders in the Hugging Face layout with small random weights."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from coarse_to_fine.encoders import ImageTextEncoder, load_encoder
from coarse_to_fine.errors import WeightsError
from coarse_to_fine.library import Library
from tests.library.small_videos import write_video

SENTENCES = ["A red ball", "", "zwei Bäume am Meer", "a cat and a dog and a bird and a fish"]
CONTEXT = 16


def siglip_config() -> Any:
    from transformers import SiglipConfig

    tower = {"hidden_size": 24, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    return SiglipConfig(
        text_config={**tower, "vocab_size": 64, "max_position_embeddings": CONTEXT, "projection_size": 24},
        vision_config={**tower, "image_size": 32, "patch_size": 8},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model, tokenizer and rule for pictures, each written by transformers."""
    from transformers import Siglip2Tokenizer, SiglipModel
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    folder = tmp_path_factory.mktemp("siglip")
    torch.manual_seed(0)
    SiglipModel(siglip_config()).save_pretrained(folder)
    letters = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *"▁abcdefghijklmnopqrstuvwxyzä"]
    vocabulary = {letter: number for number, letter in enumerate(letters)}
    vocabulary |= {"▁a": 50, "nd": 51}
    Siglip2Tokenizer(vocab=vocabulary, merges=[("▁", "a"), ("n", "d")]).save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def encoder(folder: Path) -> ImageTextEncoder:
    return load_encoder(folder)


def picture() -> torch.Tensor:
    return torch.randint(0, 256, (50, 70, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def copied(folder: Path, target: Path) -> Path:
    return Path(shutil.copytree(folder, target))


def test_pictures_equal_those_of_its_own_processor_and_model(folder: Path, encoder: ImageTextEncoder) -> None:
    from transformers import SiglipModel
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    model = SiglipModel.from_pretrained(folder).eval()
    pixels = SiglipImageProcessorPil.from_pretrained(folder)(images=picture().numpy(), return_tensors="pt")
    prepared = encoder.prepare(picture())
    own = encoder.preprocessing.normalise(prepared[None])  # type: ignore[attr-defined]
    torch.testing.assert_close(own, pixels["pixel_values"], rtol=1e-6, atol=1e-6)
    with torch.no_grad():
        expected = model.get_image_features(**pixels).pooler_output
    torch.testing.assert_close(encoder.encode_images(prepared[None]), expected, rtol=1e-5, atol=1e-5)
    assert (encoder.embed_dim, encoder.image_size) == (24, 32)


def test_sentences_equal_those_of_its_own_tokenizer_and_model(folder: Path, encoder: ImageTextEncoder) -> None:
    from transformers import AutoTokenizer, SiglipModel

    model, tokenizer = SiglipModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    read = tokenizer([SENTENCES[0]], padding="max_length", max_length=CONTEXT, return_tensors="pt")
    with torch.no_grad():
        output = model.text_model(input_ids=read["input_ids"])
    found = encoder.encode_text(SENTENCES)
    torch.testing.assert_close(found[0].embedding, output.pooler_output[0], rtol=1e-5, atol=1e-5)
    words = output.last_hidden_state[0][read["attention_mask"][0].bool()]
    torch.testing.assert_close(found[0].tokens, words, rtol=1e-5, atol=1e-5)
    assert found[0].tokens.shape == (len(tokenizer("A red ball")["input_ids"]), encoder.token_dim)


def test_long_sentences_are_cut_at_a_word(encoder: ImageTextEncoder) -> None:
    cut = [features.truncated for features in encoder.encode_text(SENTENCES)]
    assert cut == [False, False, True, True]
    assert encoder.encode_text([SENTENCES[3]])[0].text == "a cat and a dog and a"
    assert len(encoder.encode_text(["x" * 100])[0].tokens) == CONTEXT


def test_case_does_not_matter(encoder: ImageTextEncoder) -> None:
    lower, upper = encoder.encode_text(["a red cat", "A RED CAT"])
    assert torch.equal(lower.embedding, upper.embedding)


def test_a_library_is_made_and_searched_with_it(folder: Path, tmp_path: Path) -> None:
    write_video(tmp_path / "one.mp4", 4.0)
    with Library.create(tmp_path / "library.ctf", encoder=str(folder)) as library:
        assert library.add([tmp_path / "one.mp4"], workers=1).failed == ()
        (segment,) = library.segment_features([segment.segment_id for segment in library.segments()])
        assert segment.clips.shape == (2, 24)
    with Library.open(tmp_path / "library.ctf") as again:
        assert again.encoder.fingerprint == load_encoder(folder).fingerprint


def test_the_fingerprint_follows_the_weights_and_the_rule(
    folder: Path, encoder: ImageTextEncoder, tmp_path: Path
) -> None:
    assert load_encoder(copied(folder, tmp_path / "same")).fingerprint == encoder.fingerprint
    other = copied(folder, tmp_path / "other")
    rule = json.loads((other / "preprocessor_config.json").read_text())
    (other / "preprocessor_config.json").write_text(json.dumps({**rule, "resample": 2}))
    assert load_encoder(other).fingerprint != encoder.fingerprint
    assert load_encoder(folder, precision="bf16").fingerprint != encoder.fingerprint


def test_missing_tensors_make_no_random_tower(folder: Path, tmp_path: Path) -> None:
    broken = copied(folder, tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    del weights["vision_model.head.probe"]
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"1 tensor does not fit .* vision_model.head.probe"):
        load_encoder(broken)


def test_a_rule_for_other_pictures_is_refused(folder: Path, tmp_path: Path) -> None:
    broken = copied(folder, tmp_path / "rule")
    (broken / "preprocessor_config.json").write_text(json.dumps({"size": {"height": 64, "width": 64}}))
    with pytest.raises(WeightsError, match=r"makes \(64, 64\), the image tower takes \(32, 32\)"):
        load_encoder(broken)


def test_naflex_is_refused(folder: Path, tmp_path: Path) -> None:
    other = copied(folder, tmp_path / "naflex")
    document = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**document, "model_type": "siglip2"}))
    with pytest.raises(WeightsError, match="NaFlex kind, whose pictures have no fixed size"):
        load_encoder(other)


def test_without_transformers_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(WeightsError, match=r"needs transformers .*pip install 'coarse-to-fine\[towers\]'"):
        load_encoder(folder)
