"""Training of a fine model: one configuration, examples of two splits, a folder with the trained model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from pydantic import Field

from coarse_to_fine.arguments import require_kind, require_path
from coarse_to_fine.datasets.leaks import refuse_shared_videos
from coarse_to_fine.errors import DataError
from coarse_to_fine.features.examples import ExampleSet, TrainingExample
from coarse_to_fine.features.published.order import check_stream_order
from coarse_to_fine.fine_grained.base import FineModel
from coarse_to_fine.fine_grained.examples import video_ids, widths_of
from coarse_to_fine.fine_grained.feature_blocks import FeatureBlocks
from coarse_to_fine.fine_grained.load import FINE_MODELS
from coarse_to_fine.fine_grained.recipe import FineRecipe
from coarse_to_fine.frozen_config import FrozenConfig
from coarse_to_fine.recipes import recipe_of
from coarse_to_fine.stage_training import data_hashes, refuse_other_encoders, store_trained
from coarse_to_fine.training.config import RunConfig
from coarse_to_fine.training.loop import FitResult, fit
from coarse_to_fine.training.seeds import seeded

if TYPE_CHECKING:
    AnyRecipe = FineRecipe
else:
    AnyRecipe = recipe_of(FINE_MODELS)


class FineTraining(FrozenConfig):
    """Everything that decides a training run of stage two but the examples."""

    recipe: AnyRecipe = Field(description="the model and its objective")
    run: RunConfig = Field(
        default=RunConfig(clip_norm=0.1, epochs=200, select="mAP"), description="optimisation, seeds, selection"
    )


@dataclass(frozen=True, slots=True)
class TrainedFine:
    """A finished training: the model with its best weights, where it was stored, and how the run ended."""

    model: FineModel
    folder: Path
    result: FitResult


def train_fine(
    config: FineTraining,
    train: Sequence[TrainingExample],
    validation: Sequence[TrainingExample],
    out: str | Path,
    progress: bool = False,
) -> TrainedFine:
    """Train, or go on where an interrupted run in `out` stopped; the best weights of the validation split are kept.

    Under torchrun every process calls this with the same arguments; the first one writes the files.

    Args:
        config: model, objective and optimisation.
        train, validation: examples of the two splits; selection never sees a test split.
        out: folder of the run; the model goes to `out/model`.
        progress: show a bar with the time left on stderr.

    Raises:
        DataError: the two splits share a video or its source, or features do not fit the architecture.
        FingerprintError: the features were made by several encoders.
        TrainingError: a loss is not finite, or `out` holds another run.
    """
    require_kind(config, FineTraining, "config", "a FineTraining", "read it: load_config(FineTraining, FILE)")
    require_path(out, "out")
    out = Path(out)
    refuse_other_encoders(train, validation)
    refuse_shared_videos({"training": video_ids(train), "validation": video_ids(validation)})
    for name, examples in (("training", train), ("validation", validation)):
        _check_streams(config.recipe.architecture, examples)
        _check_widths(config.recipe.architecture, examples, name)
    with seeded(config.run.seed, torch.device("cpu")):
        model, task = config.recipe.task(train, validation)
    extra = {"recipe": config.recipe.model_dump(mode="json"), "examples": len(train), **data_hashes(train, validation)}
    result = fit(task, config.run, out, extra_config=extra, progress=progress)
    model.cpu().eval()
    folder = store_trained(model, out, result, config.run, train, extra)
    return TrainedFine(model, folder, result)


def _check_streams(blocks: FeatureBlocks, examples: Sequence[TrainingExample]) -> None:
    """Imported features are in the order of the model's blocks; audio comes last."""
    if isinstance(examples, ExampleSet):
        check_stream_order(examples.videos.manifest.encoder, blocks.block_widths, blocks.feature_names)


def _check_widths(blocks: FeatureBlocks, examples: Sequence[TrainingExample], name: str) -> None:
    wanted = blocks.stored_dim, blocks.text_feature_dim
    for clips, words in dict.fromkeys(widths_of(examples)):
        if (clips, words) != wanted:
            raise DataError(
                f"the {name} features have clips of {clips} channels and words of {words}, the architecture "
                f"{wanted[0]} ({blocks.described}) and {wanted[1]}; expected the same; set "
                "recipe.architecture.video_feature_dims and recipe.architecture.text_feature_dim, or extract with the "
                "encoder that the configuration is for"
            )
