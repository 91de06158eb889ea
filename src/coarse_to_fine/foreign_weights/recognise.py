"""Which model a checkpoint holds, by the names of its tensors, and which features it wants, by their shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from torch import Tensor

from coarse_to_fine.checkpoint_files import ForeignCheckpoint
from coarse_to_fine.encoders.openai_names import has_openai_names
from coarse_to_fine.errors import WeightsError
from coarse_to_fine.fine_grained.mesm import weights as mesm
from coarse_to_fine.fine_grained.qd_detr import weights as qd_detr
from coarse_to_fine.wording import first_of

Kind = Literal["t-mass", "qd-detr", "mesm", "clip"]

KINDS: dict[Kind, str] = {"t-mass": "T-MASS", "qd-detr": "QD-DETR", "mesm": "MESM", "clip": "CLIP"}
"""What can be imported -> its name for people."""

MARKS: dict[Kind, tuple[str, ...]] = {
    "t-mass": ("pool_frames.", "stochastic."),
    "mesm": ("global_rep_token", "input_vid_proj.", "masked_token", "output_txt_proj."),
    "qd-detr": ("global_rep_token", "input_vid_proj.", "transformer.t2v_encoder."),
    "clip": ("text_model.", "vision_model."),
}
"""Beginnings of names that together only this model has."""


def recognise(checkpoint: ForeignCheckpoint, wanted: Kind | None = None) -> Kind:
    """The model of a checkpoint.

    Args:
        checkpoint: as read.
        wanted: what the caller takes it for; another one is an error.

    Raises:
        WeightsError: no known model, or another than the wanted one.
    """
    found = _kind(checkpoint.state)
    expected = KINDS[wanted] if wanted is not None else ", ".join(KINDS.values())
    if found is None:
        raise WeightsError(
            f"{checkpoint} holds {_unknown(checkpoint.state)}; expected {expected}; choose a checkpoint of such a model"
        )
    if wanted not in (None, found):
        raise WeightsError(
            f"{checkpoint} holds a {KINDS[found]}{_wants(checkpoint, found)}, expected {expected}; "
            f"use --as {found} or leave --as out"
        )
    return found


def features_of(checkpoint: ForeignCheckpoint, kind: Kind) -> tuple[str, ...]:
    """Names and widths of the clip features that a detector wants, such as `clip 512`; empty where they are not known.

    A QD-DETR without options is taken for Lighthouse's, whose blocks come in another order than the official ones.
    """
    try:
        if kind == "mesm":
            known = mesm.known_features(checkpoint.state)
            return named_features(known.names, known.widths)
        if kind == "qd-detr":
            origin: qd_detr.Origin = "official" if checkpoint.options_kind == "namespace" else "lighthouse"
            blocks = qd_detr.known_features(checkpoint.state, origin)
            return named_features(blocks.names, (*blocks.widths, blocks.audio))
    except WeightsError:
        return ()
    return ()


def named_features(names: tuple[str, ...], widths: tuple[int, ...]) -> tuple[str, ...]:
    """`clip 512`, `slowfast 2304`, ... for people."""
    return tuple(f"{name} {width}" for name, width in zip(names, widths))


def _wants(checkpoint: ForeignCheckpoint, kind: Kind) -> str:
    features = features_of(checkpoint, kind)
    return f" for the features {' + '.join(features)}" if features else ""


def _kind(state: Mapping[str, Tensor]) -> Kind | None:
    if has_openai_names(state):
        return "clip"
    for kind, marks in MARKS.items():
        if all(any(name.startswith(mark) for name in state) for mark in marks):
            return kind
    return None


def _unknown(state: Mapping[str, Tensor]) -> str:
    roots = sorted({name.split(".")[0] for name in state})
    shown = first_of(roots, 8)
    if "input_vid_proj" in roots:
        return f"another moment detector than those known here (tensors under {shown})"
    return f"no known model (tensors under {shown})"
