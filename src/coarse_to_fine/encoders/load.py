"""Finding and loading an encoder by name: bundled with the package, a folder, or a model hub's local copy."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path

import torch

from coarse_to_fine.devices import resolve_device
from coarse_to_fine.encoders.base import ImageTextEncoder
from coarse_to_fine.encoders.check_values import require_check_values
from coarse_to_fine.encoders.clip import ClipEncoder
from coarse_to_fine.encoders.config import parse_clip_config, read_json
from coarse_to_fine.encoders.fingerprint import fingerprint_of, present
from coarse_to_fine.encoders.open_clip import CONFIG as OPEN_CLIP_CONFIG
from coarse_to_fine.encoders.open_clip import load_open_clip
from coarse_to_fine.encoders.precision import Precision, fingerprint_in, require_precision
from coarse_to_fine.encoders.preprocessing import PICTURE_RULE, load_preprocessing, require_side
from coarse_to_fine.encoders.sentences import TRANSFORMERS_FILES
from coarse_to_fine.encoders.siglip import load_siglip
from coarse_to_fine.encoders.tokenizer import TOKENIZER_FILES, load_tokenizer
from coarse_to_fine.encoders.weights import PICKLE_FILE, build_towers, read_weights, weight_files
from coarse_to_fine.errors import WeightsError
from coarse_to_fine.hub_errors import reason_of
from coarse_to_fine.modes import building
from coarse_to_fine.spelling import did_you_mean

BUNDLED = ("tiny-world",)
"""Encoders that come with the package."""

ALIASES = {
    "clip-vit-b-16": "openai/clip-vit-base-patch16",
    "clip-vit-b-32": "openai/clip-vit-base-patch32",
    "clip-vit-l-14": "openai/clip-vit-large-patch14",
    "pe-core-b-16": "timm/PE-Core-B-16",
    "siglip2-b-16": "google/siglip2-base-patch16-224",
}
"""Short names of published models."""

SMALL_FILES = (
    "config.json",
    PICTURE_RULE,
    "processor_config.json",
    *TOKENIZER_FILES,
    *TRANSFORMERS_FILES,
    "special_tokens_map.json",
    OPEN_CLIP_CONFIG,
)

WEIGHT_FILES = (
    ("model.safetensors", "model-*.safetensors", "model.safetensors.index.json"),
    ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors"),
    (PICKLE_FILE,),
    ("open_clip_pytorch_model.bin",),
)
"""What is fetched of a hub model: the first of these of which there is any."""

HF_KINDS = {"clip": "clip", "siglip": "siglip", "siglip2": "siglip"}
"""Towers by the `model_type` of config.json."""


@building()
def load_encoder(
    name_or_path: str | Path,
    device: torch.device | str = "cpu",
    allow_download: bool = False,
    precision: Precision = "fp32",
) -> ImageTextEncoder:
    """The encoder of a name.

    Args:
        name_or_path: `tiny-world`, a short name such as `clip-vit-b-32`, a folder with a CLIP or a SigLIP in the
            Hugging Face layout or a model in that of OpenCLIP, or a hub name such as `openai/clip-vit-base-patch32`.
        device: where it computes; features are always returned on the CPU.
        allow_download: fetch a hub model that is not on this machine; otherwise only its local copy is used.
        precision: of the image tower; `bf16` is faster, close to `fp32` and has another fingerprint.

    Raises:
        ConfigError: no such device here, or no such precision.
        WeightsError: the model is unknown, not on this machine, incomplete, of another kind, or does not compute
            the check values that are kept beside it.
    """
    folder = encoder_folder(name_or_path, allow_download)
    encoder = LOADERS[kind_of(folder)](str(name_or_path), folder, resolve_device(device), require_precision(precision))
    require_check_values(encoder, folder)
    return encoder


def load_clip(name: str, folder: Path, device: torch.device | str, precision: Precision) -> ClipEncoder:
    """The CLIP of a folder in the Hugging Face layout, computed by the towers of this package.

    Raises:
        WeightsError: the folder is incomplete, or holds no CLIP.
    """
    config_path = folder / "config.json"
    config = parse_clip_config(read_json(config_path, "the architecture"), str(config_path))
    tokenizer = load_tokenizer(folder, config.text_config.max_position_embeddings)
    preprocessing = load_preprocessing(folder)
    require_side(preprocessing, config.vision_config.image_size, folder)
    if tokenizer.vocabulary_size > config.text_config.vocab_size:
        raise WeightsError(
            f"{folder}: the tokenizer knows {tokenizer.vocabulary_size} tokens, the text tower "
            f"{config.text_config.vocab_size}; use the tokenizer of the same model"
        )
    files = weight_files(folder)
    towers = build_towers(config, read_weights(files), str(files[0]))
    rules = {"architecture": config.model_dump(exclude={"scope_warning"}), "pictures": preprocessing.model_dump()}
    fingerprint = fingerprint_of(rules, [*present(folder, TOKENIZER_FILES), *files])
    return ClipEncoder(
        name,
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
    address = hub_address(name)
    if isinstance(name_or_path, Path) or address is None:
        raise WeightsError(
            f"no encoder {name!r}; expected {', '.join([*BUNDLED, *ALIASES])}, a folder in the Hugging Face CLIP "
            "layout, or a hub name `owner/model` or `owner/model@revision`; "
            + (did_you_mean(name, [*BUNDLED, *ALIASES]) or "check the spelling or the path")
        )
    return _hub_folder(*address, name, allow_download)


def hub_address(name: str) -> tuple[str, str | None] | None:
    """`owner/model` and the pinned revision of a hub name or a short one, `NAME` or `NAME@REVISION`; None: neither.

    A revision is a commit, which never changes, or a branch or tag, which may.
    """
    base, pinned, revision = name.partition("@")
    hub_name = ALIASES.get(base, base)
    if hub_name.count("/") != 1 or hub_name.startswith((".", "/", "~")) or bool(pinned) != bool(revision):
        return None
    return hub_name, revision or None


def files_of(hub_name: str) -> str:
    """The files of a hub model that an encoder is loaded from, for people."""
    if hub_name.startswith("timm/"):
        return f"{OPEN_CLIP_CONFIG}, open_clip_model.safetensors and the tokenizer's files"
    return "config.json, preprocessor_config.json, tokenizer.json, model.safetensors (or pytorch_model.bin)"


def _hub_folder(hub_name: str, revision: str | None, asked: str, allow_download: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    def fetch(*patterns: str) -> Path:
        local = not allow_download
        return Path(
            snapshot_download(hub_name, revision=revision, allow_patterns=list(patterns), local_files_only=local)
        )

    try:
        for patterns in WEIGHT_FILES:
            folder = fetch(*SMALL_FILES, *patterns)
            if any(any(folder.glob(pattern)) for pattern in patterns):
                break
        return folder
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError, ValueError) as error:
        at = f" at {revision}" if revision else ""
        got, step = f"the weights of {asked} are not on this machine", f"fetch it with `ctf weights pull {asked}`"
        if allow_download:
            got, step = f"{asked} was not fetched: {reason_of(error)}", "check name and network"
        raise WeightsError(
            f"{got}; expected the model {hub_name}{at} of the Hugging Face hub; {step}, or copy {files_of(hub_name)} "
            f"from https://huggingface.co/{hub_name} into a folder and give that folder as the encoder; its "
            "licence, where one is printed, stands on that page"
        ) from None


def kind_of(folder: Path) -> str:
    """`clip`, `siglip` or `open_clip`; a folder with a CLIP in several layouts is taken in that of Hugging Face."""
    config = folder / "config.json"
    if config.is_file() and (kind := read_json(config, "the architecture").get("model_type", "clip")) in HF_KINDS:
        return HF_KINDS[kind]
    return "open_clip" if (folder / OPEN_CLIP_CONFIG).is_file() else "clip"


LOADERS: dict[str, Callable[[str, Path, torch.device | str, Precision], ImageTextEncoder]] = {
    "clip": load_clip,
    "siglip": load_siglip,
    "open_clip": load_open_clip,
}
"""What loads a folder, by its kind."""
