"""Whether imported streams lie in the order that a model reads; a wrong order loads without an error elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from coarse_to_fine.errors import DataError


def check_stream_order(encoder: Mapping[str, Any], widths: Sequence[int], names: Sequence[str] = ()) -> None:
    """Compare what a feature folder declares with the blocks of a model.

    Args:
        encoder: of the folder's manifest; one without `streams` was not imported and is not checked.
        widths: widths of the model's blocks, in the order of the channels.
        names: names of the blocks; compared only where the streams have the same names in another order.

    Raises:
        DataError: other widths, or the same names in another order.
    """
    streams = encoder.get("streams")
    if streams is None:
        return
    found = [(stream["name"], stream["width"]) for stream in streams]
    turned = sorted(names) == sorted(name for name, _ in found) and list(names) != [name for name, _ in found]
    if [width for _, width in found] != list(widths) or turned:
        have = ", ".join(f"{name} {width}" for name, width in found)
        labels = list(names) if len(names) == len(widths) else ["block"] * len(widths)
        want = ", ".join(f"{name} {width}" for name, width in zip(labels, widths, strict=True))
        raise DataError(
            f"the features have the streams {have}; the model reads {want}, in this order; import them again in that "
            "order, or use a model that was made for these"
        )
