"""Training of a coarse model: one configuration, examples of two splits, a folder with the trained model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from pydantic import Field

from coarse_to_fine.arguments import require_kind, require_path
from coarse_to_fine.coarse_grained.base import CoarseModel
from coarse_to_fine.coarse_grained.learning import require_others
from coarse_to_fine.coarse_grained.load import COARSE_MODELS
from coarse_to_fine.coarse_grained.mean_pool.model import MeanPool
from coarse_to_fine.coarse_grained.pairs import CoarsePairs, coarse_pairs
from coarse_to_fine.coarse_grained.recipe import CoarseRecipe
from coarse_to_fine.coarse_grained.validation import retrieval_metrics
from coarse_to_fine.datasets.leaks import refuse_shared_videos
from coarse_to_fine.errors import DataError
from coarse_to_fine.features.examples import TrainingExample
from coarse_to_fine.frozen_config import FrozenConfig
from coarse_to_fine.recipes import recipe_of
from coarse_to_fine.stage_training import data_hashes, refuse_other_encoders, store_trained
from coarse_to_fine.training.config import RunConfig
from coarse_to_fine.training.loop import FitResult, fit
from coarse_to_fine.training.seeds import seeded

if TYPE_CHECKING:
    AnyRecipe = CoarseRecipe
else:
    AnyRecipe = recipe_of(COARSE_MODELS)

RELEASE_RUN = RunConfig(
    epochs=5,
    batch_size=32,
    optimizer="adam-decoupled",
    learning_rate=3e-5,
    weight_decay=0.2,
    clip_norm=1.0,
    schedule="warmup-cosine",
    warmup=0.1,
    seed=24,
    select="R@1",
)
"""The release's settings for MSR-VTT 9k, but for the split that selects."""


class CoarseTraining(FrozenConfig):
    """Everything that decides a training run of stage one but the examples."""

    recipe: AnyRecipe = Field(description="the model and its objective")
    run: RunConfig = Field(default=RELEASE_RUN, description="optimisation, seeds, selection")


@dataclass(frozen=True, slots=True)
class TrainedCoarse:
    """A finished training.

    Attributes:
        model: with its best weights, in eval mode on the CPU.
        folder: where it was stored.
        result: how the run ended.
        baseline: the same validation metrics of mean pooling, which needs no training.
    """

    model: CoarseModel
    folder: Path
    result: FitResult
    baseline: dict[str, float]


def train_coarse(
    config: CoarseTraining,
    train: Sequence[TrainingExample],
    validation: Sequence[TrainingExample],
    out: str | Path,
    progress: bool = False,
) -> TrainedCoarse:
    """Train, or go on where an interrupted run in `out` stopped; the best weights of the validation split are kept.

    Under torchrun every process calls this with the same arguments; the first one writes the files.

    Args:
        config: model, objective and optimisation.
        train, validation: examples of the two splits; selection never sees a test split.
        out: folder of the run; the model goes to `out/model`.
        progress: show a bar with the time left on stderr.

    Raises:
        ConfigError: batches of one pair.
        DataError: the two splits share a video or its source, the training split has one video or one sentence, or
            features do not fit the architecture.
        FingerprintError: the features were made by several encoders.
        TrainingError: a loss is not finite, or `out` holds another run.
    """
    require_kind(config, CoarseTraining, "config", "a CoarseTraining", "read it: load_config(CoarseTraining, FILE)")
    require_path(out, "out")
    out = Path(out)
    refuse_other_encoders(train, validation)
    learned, held_out = coarse_pairs(train), coarse_pairs(validation)
    refuse_shared_videos({"training": learned.video_ids, "validation": held_out.video_ids})
    for name, pairs in (("training", learned), ("validation", held_out)):
        _check_features(config.recipe, pairs, name)
    require_others(learned, config.run.batch_size, config.recipe.learning.distinct)
    with seeded(config.run.seed, torch.device("cpu")):
        model, task = config.recipe.task(learned, held_out)
    extra = {"recipe": config.recipe.model_dump(mode="json"), "pairs": len(learned), **data_hashes(train, validation)}
    result = fit(task, config.run, out, extra_config=extra, progress=progress)
    model.cpu().eval()
    baselines = {"mean_pool": retrieval_metrics(MeanPool(), held_out)}
    if model.ranker is not model:
        baselines["ranker"] = retrieval_metrics(model.ranker, held_out, config.recipe.learning.validation_seeds)
    folder = store_trained(model, out, result, config.run, train, extra, baselines)
    return TrainedCoarse(model, folder, result, baselines["mean_pool"])


def _check_features(recipe: CoarseRecipe, pairs: CoarsePairs, name: str) -> None:
    (frames, width), text = pairs.frames.shape[1:], pairs.text.shape[1]
    if not frames:
        raise DataError(
            f"the {name} features hold no coarse frames, they were imported; expected those of `ctf extract`, which "
            "stage one ranks by; extract them from the videos"
        )
    if (frames, width) != recipe.frames or text != width:
        raise DataError(
            f"the {name} features have {frames} frames of width {width} and sentences of {text}, the architecture "
            f"{recipe.frames[0]} of {recipe.frames[1]}; expected the same; set recipe.architecture.num_frames and "
            "recipe.architecture.embed_dim"
        )
