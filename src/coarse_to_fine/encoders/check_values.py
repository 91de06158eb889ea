"""A picture and a sentence whose embeddings are known: an encoder is held to them when it is loaded.

Names and shapes of tensors do not tell an activation, a number of heads or a rule for pictures; these values do.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize

from coarse_to_fine.atomic_files import write_text_atomically
from coarse_to_fine.encoders.base import ImageTextEncoder
from coarse_to_fine.encoders.config import read_json
from coarse_to_fine.errors import WeightsError

CHECK_FILE = "check_values.json"
SENTENCE = "a red ball jumps over the green cube"
LEAST_COSINE = 0.9995
"""Of `tiny-world`: another activation gives 0.996 and less, bfloat16 0.9999 and more."""


def write_check_values(encoder: ImageTextEncoder, folder: Path) -> None:
    """Keep what this encoder makes of the picture and the sentence, as unit vectors, beside its weights."""
    values = {part: [round(value, 5) for value in unit.tolist()] for part, unit in _embedded(encoder).items()}
    write_text_atomically(folder / CHECK_FILE, json.dumps(values) + "\n")


def require_check_values(encoder: ImageTextEncoder, folder: Path) -> None:
    """Compare with what is kept in the folder; nothing where nothing is.

    Raises:
        WeightsError: the encoder makes something else of the picture or the sentence.
    """
    if not (folder / CHECK_FILE).is_file():
        return
    known = read_json(folder / CHECK_FILE, "the check values")
    for part, found in _embedded(encoder).items():
        expected = torch.tensor(known.get(part, []))
        same = float(cosine_similarity(found, expected, dim=0)) if expected.shape == found.shape else 0.0
        if same < LEAST_COSINE:
            raise WeightsError(
                f"{folder}: the encoder makes something else of the {part} in {CHECK_FILE} (cosine {same:.4f}); "
                f"expected at least {LEAST_COSINE}; copy the folder again, or delete that file if you changed the model"
            )


def check_picture() -> UInt8[Tensor, "96 128 3"]:
    """Two ramps and a field of squares."""
    rows, columns = torch.arange(96)[:, None], torch.arange(128)[None]
    squares = 255 * ((rows // 16 + columns // 16) % 2)
    return torch.stack([2 * rows + 0 * columns, 0 * rows + 2 * columns, squares], dim=-1).to(torch.uint8)


def _embedded(encoder: ImageTextEncoder) -> dict[str, Float[Tensor, " D"]]:
    (text,) = encoder.encode_text([SENTENCE])
    (picture,) = encoder.encode_images(encoder.prepare(check_picture())[None])
    return {"picture": normalize(picture, dim=0), "sentence": normalize(text.embedding, dim=0)}
