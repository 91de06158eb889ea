"""Released QD-DETR checkpoints into our model: the architecture is read from the shapes, the names are the same.

Two families have the same names: the official release (blocks SlowFast then CLIP, time channels in the audio block too)
and Lighthouse (CLIP then SlowFast, time channels only in the video block).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from coarse_to_fine.checkpoint_files import ForeignCheckpoint, Source, count_parts, read_checkpoint, shape_of
from coarse_to_fine.errors import WeightsError
from coarse_to_fine.fine_grained.qd_detr.config import QdDetrConfig
from coarse_to_fine.fine_grained.qd_detr.locate import QdDetr
from coarse_to_fine.model_folders import load_strict

Origin = Literal["official", "lighthouse"]
FIRST = "input_vid_proj.0."
RELEASE_HEADS = 8

_shape = partial(shape_of, expected="a QD-DETR")


class Features(NamedTuple):
    """The feature blocks of a clip: names and widths in the order of the channels, and the audio block."""

    names: tuple[str, ...]
    widths: tuple[int, ...]
    audio: int = 0
    audio_endpoints: bool = False


KNOWN_FEATURES: dict[tuple[int, Origin], Features] = {
    (514, "official"): Features(("clip",), (512,)),
    (514, "lighthouse"): Features(("clip",), (512,)),
    (2818, "official"): Features(("slowfast", "clip"), (2304, 512)),
    (2818, "lighthouse"): Features(("clip", "slowfast"), (512, 2304)),
    (4868, "official"): Features(("slowfast", "clip", "pann"), (2304, 512), 2048, True),
    (4866, "lighthouse"): Features(("clip", "slowfast", "pann"), (512, 2304), 2048, False),
    (2050, "official"): Features(("i3d",), (2048,)),
    (2050, "lighthouse"): Features(("i3d or resnet",), (2048,)),
}
"""Input width of the first projection, and who trained it -> the features that it wants."""


def import_checkpoint(path: Source, origin: Origin | None = None, block_order: Sequence[str] | None = None) -> QdDetr:
    """A model from a checkpoint file of the official release or of Lighthouse, in eval mode. Never downloads.

    Args:
        path: `model_best.ckpt` or `best.ckpt`, or such a file that has been read.
        origin: who trained it; None recognises it by its options.
        block_order: names of the video blocks in the order in which your features have them, e.g.
            `("clip", "slowfast")`; None keeps the checkpoint's order.

    Raises:
        WeightsError: the file is not safe, not a QD-DETR, or of unknown input width.
    """
    checkpoint = read_checkpoint(path)
    origin = origin or _recognise(checkpoint, path)
    features = known_features(checkpoint.state, origin)
    state = checkpoint.state
    if block_order is not None:
        state, features = reorder_blocks(state, features, block_order)
    options = checkpoint.options
    config = architecture_of(
        state,
        features,
        heads=int(options.get("nheads", RELEASE_HEADS)),
        text_positions=bool(options.get("use_txt_pos", False)),
        normalise_text=not bool(options.get("no_norm_tfeat", False)),
    )
    model = QdDetr(config)
    load_strict(model, state, str(path))
    return model.eval()


def known_features(state: Mapping[str, Tensor], origin: Origin) -> Features:
    """The features that a checkpoint wants, by the width of its first projection.

    Raises:
        WeightsError: no known features have this width.
    """
    width = _shape(state, FIRST + "LayerNorm.weight")[0]
    if (width, origin) not in KNOWN_FEATURES:
        known = ", ".join(f"{number} ({by})" for number, by in KNOWN_FEATURES)
        raise WeightsError(
            f"the first projection takes {width} channels, expected one of {known}; check who trained it: "
            "`--set origin=official` or `--set origin=lighthouse`"
        )
    return KNOWN_FEATURES[width, origin]


def architecture_of(state: Mapping[str, Tensor], features: Features, heads: int, **fields: Any) -> QdDetrConfig:
    """The architecture by the shapes of a checkpoint; what shapes do not tell is given.

    Args:
        state: tensors under the released names.
        features: the blocks of a clip; their widths must add up to the input of the first projection.
        heads: number of attention heads.
        **fields: further fields of `QdDetrConfig`.

    Raises:
        WeightsError: a tensor is missing, or the features do not give the input of the first projection.
    """
    config = QdDetrConfig(
        video_feature_dims=features.widths,
        feature_names=features.names,
        audio_feature_dim=features.audio,
        audio_endpoints=features.audio_endpoints,
        text_feature_dim=_shape(state, "input_txt_proj.0.LayerNorm.weight")[0],
        hidden_dim=_shape(state, "global_rep_token")[0],
        heads=heads,
        feed_forward_dim=_shape(state, "transformer.decoder.layers.0.linear1.weight")[0],
        text_to_video_layers=count_parts(state, "transformer.t2v_encoder.layers."),
        encoder_layers=count_parts(state, "transformer.encoder.layers."),
        decoder_layers=count_parts(state, "transformer.decoder.layers."),
        queries=_shape(state, "query_embed.weight")[0],
        projection_stages=count_parts(state, "input_vid_proj."),
        max_words=_shape(state, "txt_position_embed.position_embeddings.weight")[0],
        **fields,
    )
    expected = config.video_input_dim + config.audio_input_dim
    width = _shape(state, FIRST + "LayerNorm.weight")[0]
    if expected != width:
        raise WeightsError(
            f"the first projection takes {width} channels, the features {features} give {expected} with time channels; "
            "name the features that the checkpoint was trained with"
        )
    return config


def reorder_blocks(
    state: Mapping[str, Tensor], features: Features, order: Sequence[str]
) -> tuple[dict[str, Tensor], Features]:
    """Move the input channels of the first projection so that the video blocks come in another order.

    Raises:
        WeightsError: `order` does not name exactly the video blocks of the checkpoint.
    """
    names = features.names[: len(features.widths)]
    if sorted(order) != sorted(names):
        raise WeightsError(
            f"block order {list(order)} does not name the blocks {list(names)} of the checkpoint; give each once"
        )
    starts = torch.tensor([0, *features.widths]).cumsum(0).tolist()
    blocks = {name: torch.arange(starts[i], starts[i + 1]) for i, name in enumerate(names)}
    width = _shape(state, FIRST + "LayerNorm.weight")[0]
    channels = torch.cat([*(blocks[name] for name in order), torch.arange(starts[-1], width)])
    moved = dict(state)
    for name in ("LayerNorm.weight", "LayerNorm.bias", "net.1.weight"):
        moved[FIRST + name] = state[FIRST + name][..., channels]
    widths = tuple(len(blocks[name]) for name in order)
    return moved, features._replace(names=(*order, *features.names[len(names) :]), widths=widths)


def _recognise(checkpoint: ForeignCheckpoint, path: Source) -> Origin:
    if checkpoint.options_kind == "namespace":
        return "official"
    if checkpoint.options_kind == "easydict":
        return "lighthouse"
    raise WeightsError(
        f"{path} has no options that tell who trained it, expected those of the official release or of Lighthouse; "
        "say it by `--set origin=official` or `--set origin=lighthouse` (they order the feature blocks differently)"
    )
