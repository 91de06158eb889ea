"""Checks of one published array: feature rows that can be used, or an error that says what is wrong with them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from coarse_to_fine.errors import DataError
from coarse_to_fine.wording import counted

ROW_TOLERANCE = 2
"""Rows by which a published file may differ from its video's length or from another stream."""

Array = np.ndarray[Any, np.dtype[Any]]


def checked_rows(array: Array, where: str, width: int | None) -> Float[Tensor, "L D"]:
    """Rows of an array as float32.

    Args:
        array: (L, D) of any float type; (D,) where a writer squeezed the only row, if D is the declared width.
        where: file and key, for messages.
        width: the declared D; None takes any.

    Raises:
        DataError: another number of axes, another width, no row, no float type, a value that is not finite.
    """
    if array.dtype.kind != "f":
        raise DataError(
            f"{where} holds {array.dtype} values; expected float16, float32 or float64; check that these are features"
        )
    if array.ndim == 1 and width is not None and len(array) == width:
        array = array[None]
    if array.ndim != 2:
        declared = f" of width {width}" if width else ""
        raise DataError(
            f"{where} has shape {array.shape}; expected (rows, width){declared}, or (width,) for a single row; "
            "check the key and the declared width"
        )
    if width is not None and array.shape[1] != width:
        raise DataError(
            f"{where} has shape {array.shape}; expected rows of the declared width {width}; name the right file, "
            "or correct the width"
        )
    if not array.size:
        raise DataError(f"{where} has shape {array.shape}; expected at least one row; extract it again")
    rows = torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("="), order="C")).to(torch.float32)
    _refuse_not_finite(rows, where)
    return rows


def checked_vector(array: Array, where: str) -> Float[Tensor, " D"]:
    """One vector of an array as float32; (D,) or (1, D).

    Raises:
        DataError: as `checked_rows`, or more than one row.
    """
    rows = checked_rows(array[None] if array.ndim == 1 else array, where, None)
    if len(rows) != 1:
        raise DataError(f"{where} has shape {array.shape}; expected one vector; check the key")
    return rows[0]


def check_row_count(rows: int, duration_s: float, step_s: float, where: str) -> int:
    """Rows more (positive) or fewer (negative) than a video of this length has.

    Raises:
        DataError: more than ROW_TOLERANCE; says both lengths in seconds.
    """
    expected = math.ceil(duration_s / step_s - 1e-9)
    if abs(rows - expected) > ROW_TOLERANCE:
        raise DataError(
            f"{where}: {counted(rows, 'feature')} x {step_s:g} s = {rows * step_s:g} s, annotation says {duration_s:g} "
            f"s; expected {counted(expected, 'feature')}, {ROW_TOLERANCE} more or fewer; correct step_s, or use the "
            "features of this data set"
        )
    return rows - expected


def check_same_length(rows: dict[str, int], where: str) -> int:
    """Length of the shortest of several streams.

    Raises:
        DataError: they differ by more than ROW_TOLERANCE; says all lengths.
    """
    shortest, longest = min(rows.values()), max(rows.values())
    if longest - shortest > ROW_TOLERANCE:
        lengths = ", ".join(f"{name} {count}" for name, count in rows.items())
        raise DataError(
            f"{where}: streams of different length ({lengths} rows); expected the same, {ROW_TOLERANCE} more or fewer; "
            "check that both were made from one video with one step"
        )
    return shortest


def _refuse_not_finite(rows: Tensor, where: str) -> None:
    wrong = ~torch.isfinite(rows)
    if bool(wrong.any()):
        first = int(torch.nonzero(wrong.any(dim=1))[0, 0])
        values = counted(int(wrong.sum()), "value that is not finite", "values that are not finite")
        raise DataError(
            f"{where} holds {values}, the first in row {first}; expected finite numbers; extract this file again or "
            "leave the video out"
        )
