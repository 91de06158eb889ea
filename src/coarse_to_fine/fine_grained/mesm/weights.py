"""Released MESM checkpoints into our model and back; the architecture is read from the shapes, the names are the same.

Two parts of a checkpoint are never used by the release's forward pass and get no gradient. They are left out when a
checkpoint is read, kept beside the model, and put back when it is written.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from coarse_to_fine.atomic_files import replacing
from coarse_to_fine.checkpoint_files import ForeignCheckpoint, Source, count_parts, read_checkpoint, shape_of
from coarse_to_fine.errors import WeightsError
from coarse_to_fine.fine_grained.mesm.config import MesmConfig
from coarse_to_fine.fine_grained.mesm.locate import Mesm
from coarse_to_fine.model_folders import load_strict

UNUSED = ("txt_position_embed.", "ss_reconstructor.output_sent_proj.")
"""Learned text positions, which `use_txt_pos` leaves off everywhere, and a head whose output nothing reads."""

TEXT_TOWER = "text_encoder."
"""The frozen text tower or word table; released checkpoints leave it out, some copies have it."""

FIRST = "input_vid_proj.0."
LAYERS = "{}.layers."
RELEASE_HEADS = 8

_shape = partial(shape_of, expected="a MESM")


class Features(NamedTuple):
    """The feature blocks of a clip: names and widths in the order of the channels."""

    names: tuple[str, ...]
    widths: tuple[int, ...]


KNOWN_FEATURES: dict[int, Features] = {
    514: Features(("clip",), (512,)),
    2818: Features(("clip", "slowfast"), (512, 2304)),
    4098: Features(("vgg or c3d",), (4096,)),
}
"""Input width of the first projection -> the features that it wants."""

CLIPS_OPTION = "max_video_l"
"""Name of the clip limit among the options of the release."""

QVHIGHLIGHTS_WORDS = 32
"""The released QVHighlights models read 32 words, all others 16."""


@dataclass(frozen=True, slots=True)
class ImportedMesm:
    """A released checkpoint.

    Attributes:
        model: in eval mode.
        unused: tensors of the file that the model has no place for.
        options: options of the training run as plain values; empty if the file has none.
    """

    model: Mesm
    unused: dict[str, Tensor]
    options: dict[str, Any]


def import_checkpoint(path: Source, official_mask: bool = False, max_clips: int | None = None) -> ImportedMesm:
    """A model from a checkpoint file of the release. Never downloads.

    Args:
        path: `model_{split}_best.ckpt`, or such a file that has been read.
        official_mask: run it with the release's mask, which makes results depend on the batch.
        max_clips: clips that it reads at most; None: by the options in the file, else by `released_clips`.

    Raises:
        WeightsError: the file is not safe, not a MESM, or of unknown input width.
    """
    checkpoint = read_checkpoint(path)
    heads = int(checkpoint.options.get("nheads", RELEASE_HEADS))
    if max_clips is None:
        max_clips = _clip_limit(checkpoint)
    model, unused = from_released_state(checkpoint.state, heads, official_mask, str(path), max_clips)
    return ImportedMesm(model, unused, checkpoint.options)


def released_clips(state: Mapping[str, Tensor]) -> int | None:
    """Clips that the released model of these features reads at most; None: no such model was released.

    VGG (Charades) and C3D (TACoS) 600, CLIP with SlowFast 194 (Charades), or 75 where 32 words are read
    (QVHighlights; that loader cuts at 75, ours averages down, which is the same for its videos of 150 s).
    """
    features, positions = known_features(state).names, "txt_position_embed.position_embeddings.weight"
    if features == ("clip", "slowfast"):
        return 75 if _shape(state, positions)[0] - 1 == QVHIGHLIGHTS_WORDS else 194
    return 600 if features == ("vgg or c3d",) else None


def _clip_limit(checkpoint: ForeignCheckpoint) -> int | None:
    if CLIPS_OPTION not in checkpoint.options:
        return released_clips(checkpoint.state)
    limit = checkpoint.options[CLIPS_OPTION]
    return int(limit) if limit is not None and int(limit) > 0 else None


def from_released_state(
    state: Mapping[str, Tensor],
    heads: int,
    official_mask: bool = False,
    source: str = "the checkpoint",
    max_clips: int | None = None,
) -> tuple[Mesm, dict[str, Tensor]]:
    """A model in eval mode, and the tensors that it has no place for; errors as for `import_checkpoint`."""
    used, unused = split_unused(state)
    features = known_features(used)
    model = Mesm(architecture_of(state, features, heads=heads, official_mask=official_mask, max_clips=max_clips))
    load_strict(model, used, source)
    return model.eval(), unused


def save_checkpoint(model: Mesm, path: str | Path, unused: Mapping[str, Tensor] | None = None) -> None:
    """Write a model as a checkpoint that the release reads; `unused` are the tensors that came with it.

    A model that was not imported gets zeros and unit norms there: the release never uses them.
    """
    options = argparse.Namespace(nheads=model.config.heads, **{CLIPS_OPTION: model.config.max_clips})
    with replacing(Path(path)) as unfinished, unfinished.open("wb") as file:  # by name, that would enter the archive
        torch.save({"model": released_state(model, unused), "opt": options}, file)


def released_state(model: Mesm, unused: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """Every tensor that the release's checkpoint has, under its name."""
    state = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
    return {**state, **(unused if unused is not None else _idle_parts(model.config))}


def split_unused(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Tensors that the model has, and those that nothing reads; a text tower in the file is dropped."""
    own = {name: value for name, value in state.items() if not name.startswith(TEXT_TOWER)}
    unused = {name: value for name, value in own.items() if name.startswith(UNUSED)}
    return {name: value for name, value in own.items() if name not in unused}, unused


def known_features(state: Mapping[str, Tensor]) -> Features:
    """The features that a checkpoint wants, by the width of its first projection.

    Raises:
        WeightsError: no known features have this width.
    """
    width = _shape(state, FIRST + "LayerNorm.weight")[0]
    if width not in KNOWN_FEATURES:
        raise WeightsError(
            f"the first projection takes {width} channels, expected one of {sorted(KNOWN_FEATURES)}; build the config "
            "yourself with `architecture_of`"
        )
    return KNOWN_FEATURES[width]


def architecture_of(state: Mapping[str, Tensor], features: Features, heads: int, **fields: Any) -> MesmConfig:
    """The architecture by the shapes of a checkpoint; what shapes do not tell is given.

    Args:
        state: tensors under the released names; the unused text positions tell the number of words.
        features: the blocks of a clip; their widths must add up to the input of the first projection.
        heads: number of attention heads.
        **fields: further fields of `MesmConfig`.

    Raises:
        WeightsError: a tensor is missing, or the features do not give the input of the first projection.
    """
    enhancement = "enhance_encoder.t2v_encoder"
    given: dict[str, Any] = {
        "video_feature_dims": features.widths,
        "feature_names": features.names,
        "text_feature_dim": _shape(state, "input_txt_proj.0.LayerNorm.weight")[0],
        "hidden_dim": _shape(state, "global_rep_token")[0],
        "heads": heads,
        "feed_forward_dim": _shape(state, "transformer.decoder.layers.0.linear1.weight")[0],
        "enhancement_layers": count_parts(state, LAYERS.format(enhancement)),
        "share_feed_forward": f"{enhancement}.layers.0.linear1_1.weight" not in state,
        "summary_layers": count_parts(state, LAYERS.format("ss_reconstructor.recon_trans")),
        "alignment_layers": count_parts(state, LAYERS.format("t2v_encoder.t2v_encoder")),
        "encoder_layers": count_parts(state, LAYERS.format("transformer.encoder")),
        "decoder_layers": count_parts(state, LAYERS.format("transformer.decoder")),
        "queries": _shape(state, "query_embed.weight")[0],
        "projection_stages": count_parts(state, "input_vid_proj."),
        **fields,
    }
    head, positions = "output_txt_proj.1.bias", "txt_position_embed.position_embeddings.weight"
    if head in state:
        given.setdefault("word_classes", state[head].shape[0])
    if positions in state:
        given.setdefault("max_words", state[positions].shape[0] - 1)
    config = MesmConfig.model_validate(given)
    width = _shape(state, FIRST + "LayerNorm.weight")[0]
    if config.video_input_dim != width:
        raise WeightsError(
            f"the first projection takes {width} channels, the features {features} give {config.video_input_dim} with "
            "time channels; name the features that the checkpoint was trained with"
        )
    return config


def _idle_parts(config: MesmConfig) -> dict[str, Tensor]:
    width = config.hidden_dim
    parts = {
        "txt_position_embed.position_embeddings.weight": torch.zeros(config.max_words + 1, width),
        "txt_position_embed.LayerNorm.weight": torch.ones(width),
        "txt_position_embed.LayerNorm.bias": torch.zeros(width),
    }
    for stage in range(config.projection_stages if config.summary_layers else 0):
        head = f"ss_reconstructor.output_sent_proj.{stage}."
        parts |= {
            head + "LayerNorm.weight": torch.ones(width),
            head + "LayerNorm.bias": torch.zeros(width),
            head + "net.1.weight": torch.zeros(width, width),
            head + "net.1.bias": torch.zeros(width),
        }
    return parts
