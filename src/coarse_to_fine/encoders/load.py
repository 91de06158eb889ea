"""Finding and loading an encoder by name: bundled with the package, a folder, or a model hub's local copy."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib import resources
from pathlib import Path

import torch

from coarse_to_fine.encoders.clip import ClipEncoder
from coarse_to_fine.encoders.config import parse_clip_config, read_json
from coarse_to_fine.encoders.precision import Precision, fingerprint_in
from coarse_to_fine.encoders.preprocessing import load_preprocessing
from coarse_to_fine.encoders.tokenizer import TOKENIZER_FILES, load_tokenizer
from coarse_to_fine.encoders.weights import PICKLE_FILE, build_towers, read_weights, weight_files
from coarse_to_fine.errors import WeightsError

BUNDLED = ("tiny-world",)
"""Encoders that come with the package."""

ALIASES = {
    "clip-vit-b-16": "openai/clip-vit-base-patch16",
    "clip-vit-b-32": "openai/clip-vit-base-patch32",
    "clip-vit-l-14": "openai/clip-vit-large-patch14",
}
"""Short names of published models."""

SMALL_FILES = ("config.json", "preprocessor_config.json", "processor_config.json", *TOKENIZER_FILES)


def load_encoder(
    name_or_path: str | Path,
    device: torch.device | str = "cpu",
    allow_download: bool = False,
    precision: Precision = "fp32",
) -> ClipEncoder:
    """The encoder of a name.

    Args:
        name_or_path: `tiny-world`, a short name such as `clip-vit-b-32`, a Hugging Face CLIP folder, or a hub name
            such as `openai/clip-vit-base-patch32`.
        device: where it computes; features are always returned on the CPU.
        allow_download: fetch a hub model that is not on this machine; otherwise only its local copy is used.
        precision: of the image tower; `bf16` is faster, close to `fp32` and has another fingerprint.

    Raises:
        WeightsError: the model is unknown, not on this machine, incomplete, or no CLIP model.
    """
    folder = encoder_folder(name_or_path, allow_download)
    config_path = folder / "config.json"
    config = parse_clip_config(read_json(config_path, "the architecture"), str(config_path))
    tokenizer = load_tokenizer(folder, config.text_config.max_position_embeddings)
    preprocessing = load_preprocessing(folder)
    side = config.vision_config.image_size
    produced = preprocessing.crop or preprocessing.resize
    if produced != (side, side):
        raise WeightsError(
            f"{folder}: the rule for pictures makes {produced}, the image tower takes ({side}, {side}); "
            "use the preprocessor_config.json of the same model"
        )
    if tokenizer.vocabulary_size > config.text_config.vocab_size:
        raise WeightsError(
            f"{folder}: the tokenizer knows {tokenizer.vocabulary_size} tokens, the text tower "
            f"{config.text_config.vocab_size}; use the tokenizer of the same model"
        )
    files = weight_files(folder)
    towers = build_towers(config, read_weights(files), str(files[0]))
    rules = json.dumps(
        {"architecture": config.model_dump(exclude={"scope_warning"}), "pictures": preprocessing.model_dump()},
        sort_keys=True,
    )
    fingerprint = _fingerprint(rules, [*_present(folder, TOKENIZER_FILES), *files])
    return ClipEncoder(
        str(name_or_path),
        towers,
        tokenizer,
        preprocessing,
        fingerprint_in(precision, fingerprint),
        device,
        precision,
    )


def encoder_folder(name_or_path: str | Path, allow_download: bool = False) -> Path:
    """The folder of an encoder's files; arguments and errors as for `load_encoder`."""
    name = str(name_or_path)
    if name in BUNDLED:
        return Path(str(resources.files("coarse_to_fine") / "bundled" / name))
    if Path(name).expanduser().is_dir():
        return Path(name).expanduser()
    hub_name = ALIASES.get(name, name)
    if isinstance(name_or_path, Path) or hub_name.count("/") != 1 or hub_name.startswith((".", "/", "~")):
        raise WeightsError(
            f"no encoder {name!r}; expected {', '.join([*BUNDLED, *ALIASES])}, a folder in the Hugging Face CLIP "
            "layout, or a hub name `owner/model`; check the spelling or the path"
        )
    return _hub_folder(hub_name, name, allow_download)


def _hub_folder(hub_name: str, asked: str, allow_download: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    def fetch(*patterns: str) -> Path:
        return Path(snapshot_download(hub_name, allow_patterns=list(patterns), local_files_only=not allow_download))

    try:
        folder = fetch(*SMALL_FILES, "model.safetensors", "model-*.safetensors", "model.safetensors.index.json")
        if not list(folder.glob("*.safetensors")):
            folder = fetch(*SMALL_FILES, PICKLE_FILE)
        return folder
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError, ValueError) as error:
        tried = f" (tried to fetch it: {' '.join(str(error).split())[:200]})" if allow_download else ""
        raise WeightsError(
            f"the weights of {asked} are not on this machine{tried}; expected the model {hub_name} of the Hugging Face "
            f"hub; fetch it where there is a network with `ctf weights pull {asked}`, or copy config.json, "
            "preprocessor_config.json, tokenizer.json and model.safetensors of it into a folder and give that folder "
            "as the encoder (licences and hashes: `ctf weights list`)"
        ) from None


def _fingerprint(rules: str, files: list[Path]) -> str:
    """sha256 over the rules and the content of the files; paths do not enter."""
    total = hashlib.sha256(rules.encode())
    for path in files:
        status = path.stat()
        total.update(path.name.encode() + bytes.fromhex(_file_hash(path, status.st_size, status.st_mtime_ns)))
    return total.hexdigest()


@cache
def _file_hash(path: Path, size: int, modified_ns: int) -> str:
    """sha256 of a file; size and time of change are part of the key of the cache."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _present(folder: Path, names: tuple[str, ...]) -> list[Path]:
    return [folder / name for name in names if (folder / name).is_file()]
