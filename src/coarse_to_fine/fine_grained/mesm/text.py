"""Words as MESM reads them: unit vectors.

Axes: T words, W width of a word state or vector.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from coarse_to_fine.fine_grained.feature_blocks import check_words
from coarse_to_fine.fine_grained.mesm.config import MesmConfig

EPSILON = 1e-5


def word_rows(tokens: Float[Tensor, "T W"], config: MesmConfig) -> Float[Tensor, "_ W"]:
    """The first `max_words` words of one sentence as unit rows.

    Raises:
        DataError: the width is not that of the model's text features, or there is no word.
    """
    check_words(tokens, config)
    rows: Tensor = functional.normalize(tokens[: config.max_words].to(torch.float32), dim=-1, eps=EPSILON)
    return rows
