"""Reading the weights of a CLIP folder, strictly and without running anything that is stored in them."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from coarse_to_fine.encoders.config import ClipConfig
from coarse_to_fine.encoders.towers import ClipTowers
from coarse_to_fine.errors import WeightsError
from coarse_to_fine.model_folders import misfits
from coarse_to_fine.wording import counted, why

SAFE_FILE = "model.safetensors"
SHARD_INDEX = "model.safetensors.index.json"
PICKLE_FILE = "pytorch_model.bin"

DROPPED = ("text_model.embeddings.position_ids", "vision_model.embeddings.position_ids")
"""Buffers of old files: 0, 1, 2, ..., not parameters."""


def weight_files(folder: Path) -> list[Path]:
    """The files that hold a folder's weights; safetensors before pickles.

    Raises:
        WeightsError: the folder holds no weights.
    """
    if (folder / SAFE_FILE).is_file():
        return [folder / SAFE_FILE]
    if (folder / SHARD_INDEX).is_file():
        names = json.loads((folder / SHARD_INDEX).read_text(encoding="utf-8"))["weight_map"].values()
        return [folder / Path(str(name)).name for name in sorted(set(names))]
    if (folder / PICKLE_FILE).is_file():
        return [folder / PICKLE_FILE]
    raise WeightsError(f"{folder}: no weights; expected {SAFE_FILE} or {PICKLE_FILE}, put one of them there")


def read_weights(files: list[Path]) -> dict[str, Tensor]:
    """All tensors of some files.

    Raises:
        WeightsError: a file is damaged, or a pickle holds more than tensors.
    """
    tensors: dict[str, Tensor] = {}
    for path in files:
        try:
            if path.suffix == ".safetensors":
                tensors.update(load_file(path))
            else:
                tensors.update(torch.load(path, map_location="cpu", weights_only=True))
        except (SafetensorError, OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            reason = why(error)[:300]
            raise WeightsError(f"{path}: weights cannot be read ({reason}); fetch or copy the file again") from None
    return tensors


def build_towers(config: ClipConfig, weights: Mapping[str, Tensor], source: str) -> ClipTowers:
    """Towers in evaluation mode, float32, with these weights.

    Args:
        config: architecture.
        weights: state dict of a `CLIPModel`; floating-point tensors of any precision.
        source: name of the file for messages.

    Raises:
        WeightsError: a key is missing or unknown, or a shape differs; all of them are listed.
    """
    with torch.device("meta"), _NoFirstValues():  # no memory and no time for weights that are replaced at once
        towers = ClipTowers(config)
    kept = {name: tensor.float() for name, tensor in weights.items() if name not in DROPPED}
    if problems := misfits(kept, towers.state_dict()):
        raise WeightsError(
            f"{source}: {counted(len(problems), 'key does', 'keys do')} not fit the CLIP model of its config.json: "
            f"{'; '.join(problems)}; give config.json and weights of one and the same model"
        )
    towers.load_state_dict(kept, strict=True, assign=True)
    return towers.eval().requires_grad_(False)


class _NoFirstValues(TorchFunctionMode):
    """Leaves out the drawing of first values: on the device `meta` it loads torch's compiler, for a second and more."""

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if getattr(function, "__module__", None) == nn.init.__name__:
            return args[0] if args else given["tensor"]
        return function(*args, **given)
