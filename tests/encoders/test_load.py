"""Encoders are found by name or folder and keep the contract of `ImageTextEncoder`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from coarse_to_fine.data_generation.world.phrases import PLACE_PHRASES
from coarse_to_fine.data_generation.world.render import render_frame
from coarse_to_fine.data_generation.world.sampling import sample_scene
from coarse_to_fine.data_generation.world.vocabulary import PLACES
from coarse_to_fine.encoders import ImageTextEncoder, encoder_folder, load_encoder
from coarse_to_fine.errors import UserError, WeightsError

SENTENCES = ["a red ball", "", "a small blue car leaves to the left", "a green cube", "two trees " * 30]


@pytest.fixture(scope="module")
def encoder(hugging_face_folder: Path) -> ImageTextEncoder:
    return load_encoder(hugging_face_folder)


def pictures(count: int, side: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.randint(0, 256, (count, side, side, 3), generator=generator, dtype=torch.uint8)


def copied(folder: Path, target: Path) -> Path:
    return Path(shutil.copytree(folder, target))


def test_features_equal_those_of_transformers(hugging_face_folder: Path, encoder: ImageTextEncoder) -> None:
    from transformers import CLIPModel, CLIPTokenizer
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    model = CLIPModel.from_pretrained(hugging_face_folder).eval()
    processor = CLIPImageProcessorPil.from_pretrained(hugging_face_folder)
    tokenizer = CLIPTokenizer.from_pretrained(hugging_face_folder)
    picture = torch.randint(0, 256, (50, 70, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    with torch.no_grad():
        pixels = processor(images=picture.numpy(), return_tensors="pt")["pixel_values"]
        expected = model.visual_projection(model.vision_model(pixels).pooler_output)
        torch.testing.assert_close(
            encoder.encode_images(encoder.prepare(picture)[None]), expected, rtol=1e-5, atol=1e-5
        )
        ids = tokenizer(SENTENCES[2], return_tensors="pt")["input_ids"]
        words = model.text_model(input_ids=ids)
        found = encoder.encode_text([SENTENCES[2]])[0]
        torch.testing.assert_close(found.tokens, words.last_hidden_state[0], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(found.embedding, model.text_projection(words.pooler_output)[0], rtol=1e-5, atol=1e-5)


def test_a_picture_does_not_depend_on_its_batch(encoder: ImageTextEncoder) -> None:
    many = pictures(70, encoder.image_size)
    together = encoder.encode_images(many)
    assert together.shape == (70, encoder.embed_dim)
    alone = torch.cat([encoder.encode_images(one[None]) for one in many[::9]])
    torch.testing.assert_close(together[::9], alone, rtol=0, atol=1e-5)
    assert torch.equal(together, encoder.encode_images(many))


def test_a_sentence_does_not_depend_on_its_batch(encoder: ImageTextEncoder) -> None:
    for sentence, together in zip(SENTENCES, encoder.encode_text(SENTENCES)):
        alone = encoder.encode_text([sentence])[0]
        torch.testing.assert_close(together.embedding, alone.embedding, rtol=0, atol=1e-5)
        torch.testing.assert_close(together.tokens, alone.tokens, rtol=0, atol=1e-5)
        assert together.tokens.shape[1] == encoder.token_dim
    assert [features.truncated for features in encoder.encode_text(SENTENCES)] == [False] * 4 + [True]


def test_nothing_gives_nothing(encoder: ImageTextEncoder) -> None:
    assert encoder.encode_images(pictures(0, encoder.image_size)).shape == (0, encoder.embed_dim)
    assert encoder.encode_text([]) == []


def test_the_fingerprint_follows_content_and_not_place(
    hugging_face_folder: Path, encoder: ImageTextEncoder, tmp_path: Path
) -> None:
    folder = copied(hugging_face_folder, tmp_path / "copy")
    assert load_encoder(folder).fingerprint == encoder.fingerprint
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    assert load_encoder(folder).fingerprint != encoder.fingerprint
    (folder / "model.safetensors").write_bytes(weights)
    rules = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps({**rules, "resample": 2}))
    assert load_encoder(folder).fingerprint != encoder.fingerprint


def test_a_pickle_of_tensors_is_read(hugging_face_folder: Path, encoder: ImageTextEncoder, tmp_path: Path) -> None:
    folder = copied(hugging_face_folder, tmp_path / "pickled")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    many = pictures(2, encoder.image_size)
    assert torch.equal(load_encoder(folder).encode_images(many), encoder.encode_images(many))


class Touch:
    """Creates a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (_touch, (str(self.path),))


def _touch(path: str) -> None:
    Path(path).touch()


def test_a_pickle_with_code_is_refused_unread(hugging_face_folder: Path, tmp_path: Path) -> None:
    folder = copied(hugging_face_folder, tmp_path / "evil")
    (folder / "model.safetensors").unlink()
    torch.save({"logit_scale": Touch(tmp_path / "touched")}, folder / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="cannot be read"):
        load_encoder(folder)
    assert not (tmp_path / "touched").exists()


def test_shards_are_joined(hugging_face_folder: Path, encoder: ImageTextEncoder, tmp_path: Path) -> None:
    from transformers import CLIPModel

    folder = copied(hugging_face_folder, tmp_path / "shards")
    (folder / "model.safetensors").unlink()
    CLIPModel.from_pretrained(hugging_face_folder).save_pretrained(folder, max_shard_size="100KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    many = pictures(2, encoder.image_size)
    assert torch.equal(load_encoder(folder).encode_images(many), encoder.encode_images(many))


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", None, r"architecture cannot be read \(No such file or directory\)"),
        ("preprocessor_config.json", None, "rule for pictures cannot be read"),
        ("model.safetensors", None, "no weights; expected model.safetensors"),
        ("model.safetensors", b"cut", "weights cannot be read"),
        ("config.json", b"[1]", "is a list"),
        ("preprocessor_config.json", b'{"size": 64, "crop_size": 64}', r"makes \(64, 64\), the image tower takes"),
    ],
)
def test_an_incomplete_folder_is_one_line(
    hugging_face_folder: Path, tmp_path: Path, file: str, content: bytes | None, message: str
) -> None:
    folder = copied(hugging_face_folder, tmp_path / "broken")
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    with pytest.raises(WeightsError, match=message) as error:
        load_encoder(folder)
    assert "\n" not in str(error.value) and "Errno" not in str(error.value)


@pytest.mark.parametrize("name", ["clip-vit-b-32", "someone/some-clip"])
def test_a_hub_model_that_is_not_here_says_where_to_get_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=r"not on this machine; expected the model .*/.*; fetch it .*, or copy"):
        load_encoder(name)


def test_a_hub_model_in_the_local_cache_is_found(
    hugging_face_folder: Path, encoder: ImageTextEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    revision = "0" * 40
    copied(hugging_face_folder, tmp_path / "models--someone--clip" / "snapshots" / revision)
    (tmp_path / "models--someone--clip" / "refs").mkdir()
    (tmp_path / "models--someone--clip" / "refs" / "main").write_text(revision)
    assert load_encoder("someone/clip").fingerprint == encoder.fingerprint


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(
        WeightsError, match=r"no encoder 'clip-vit-b32'; expected tiny-world, clip.*did you mean 'clip-vit-b-32'\?"
    ):
        load_encoder("clip-vit-b32")


@pytest.fixture(scope="module")
def tiny() -> ImageTextEncoder:
    return load_encoder("tiny-world")


def test_the_bundled_encoder_fits_the_package_and_says_what_it_knows(tiny: ImageTextEncoder) -> None:
    files = list(encoder_folder("tiny-world").iterdir())
    assert sum(file.stat().st_size for file in files) < 6_500_000
    assert {"README.md", "config.json", "model.safetensors", "preprocessor_config.json", "tokenizer.json"} <= {
        file.name for file in files
    }
    assert (tiny.image_size, tiny.embed_dim) == (112, 160)
    assert "knows only the drawn world" in str(tiny.warning)
    assert load_encoder("tiny-world").fingerprint == tiny.fingerprint


def test_the_bundled_encoder_is_a_model_of_transformers(tiny: ImageTextEncoder) -> None:
    from transformers import CLIPModel, CLIPTokenizer

    folder = encoder_folder("tiny-world")
    model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
    ids = CLIPTokenizer.from_pretrained(folder)("A red cat jumps up and down.", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        expected = model.text_projection(model.text_model(input_ids=ids).pooler_output)[0]
    found = tiny.encode_text(["A red cat jumps up and down."])[0].embedding
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("text", ["", "🙂", "Ünïcode 日本語", "\ud800 broken", "a " * 500])
def test_the_bundled_encoder_takes_any_text(tiny: ImageTextEncoder, text: str) -> None:
    features = tiny.encode_text([text])[0]
    assert torch.isfinite(features.embedding).all()
    assert 2 <= len(features.tokens) <= 32


def test_the_bundled_encoder_knows_the_places(tiny: ImageTextEncoder) -> None:
    scenes = [sample_scene(seed, "val") for seed in range(12)]
    frames = [tiny.prepare(torch.from_numpy(render_frame(scene, 3.0))) for scene in scenes]
    images = torch.nn.functional.normalize(tiny.encode_images(torch.stack(frames)), dim=-1)
    prompts = tiny.encode_text([f"A red ball {PLACE_PHRASES[place][0]}." for place in PLACES])
    texts = torch.nn.functional.normalize(torch.stack([prompt.embedding for prompt in prompts]), dim=-1)
    found = [PLACES[int(index)] for index in (images @ texts.T).argmax(1)]
    assert sum(place == scene.place for place, scene in zip(found, scenes)) >= 10


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "a red ball",
            r"sentences is the text 'a red ball'; expected several sentences; put it into a list: ",
        ),
        ([5], "the sentence is 5; expected text; give it as a string"),
        (None, "sentences is None; expected several sentences; give a list"),
    ],
)
def test_what_is_encoded_are_several_sentences(given, message):
    with pytest.raises(UserError, match=message):
        load_encoder("tiny-world").encode_text(given)


@pytest.mark.parametrize(
    ("given", "got"),
    [
        (torch.rand(1, 32, 32, 3), r"a tensor of shape \(1, 32, 32, 3\) of torch.float32"),
        (torch.zeros(1, 3, 32, 32, dtype=torch.uint8), r"a tensor of shape \(1, 3, 32, 32\) of torch.uint8"),
        (torch.zeros(32, 32, 3, dtype=torch.uint8), r"a tensor of shape \(32, 32, 3\)"),
        (["dog.jpg"], r"a value \['dog.jpg'\]"),
    ],
)
def test_what_is_encoded_are_prepared_pictures(given, got):
    with pytest.raises(
        UserError, match=rf"the pictures are {got}.*; expected \(N, S, S, 3\) of torch.uint8; stack wha"
    ):
        load_encoder("tiny-world").encode_images(given)
