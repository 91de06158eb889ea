"""What the trainings of both stages share: the best weights with their origin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from coarse_to_fine.arguments import shown
from coarse_to_fine.errors import UserError
from coarse_to_fine.features.examples import ExampleSet, TrainingExample, examples_sha256
from coarse_to_fine.features.store import require_one_encoder
from coarse_to_fine.model_folders import MODEL_FOLDER, StoredModel, save_trained
from coarse_to_fine.training.config import RunConfig
from coarse_to_fine.training.loop import FitResult


def refuse_other_encoders(*splits: Sequence[TrainingExample]) -> None:
    """Raise unless one encoder made the features of all splits, of videos and of sentences.

    Raises:
        FingerprintError: it did not.
        UserError: a split is no list of examples.
    """
    for split in splits:
        if not isinstance(split, Sequence) or not all(isinstance(one, TrainingExample) for one in islice(split, 1)):
            raise UserError(
                f"a split is {shown(split)}; expected a list of training examples; read them: training_examples(FOLDER)"
                " of features.training_set"
            )
    folders = [examples for examples in splits if isinstance(examples, ExampleSet)]
    require_one_encoder(reader for examples in folders for reader in (examples.videos, examples.texts))


def data_hashes(train: Sequence[TrainingExample], validation: Sequence[TrainingExample]) -> dict[str, str]:
    """What a run is made of beside its settings; with other data it is not the same run."""
    return {"training_data_sha256": examples_sha256(train), "validation_data_sha256": examples_sha256(validation)}


def store_trained(
    model: StoredModel,
    out: Path,
    result: FitResult,
    run: RunConfig,
    examples: Sequence[TrainingExample],
    extra: Mapping[str, Any],
    measured: Mapping[str, Any] | None = None,
) -> Path:
    """Write the model of a finished training to `out/model`, by the first process alone; returns that folder.

    Args:
        model: with its best weights, on the CPU.
        out: folder of the run.
        result: how it ended.
        run: optimisation and seeds.
        examples: what it learned from; a features folder names the encoder that made it.
        extra: recipe and sizes.
        measured: what was measured beside, for `training.json`.
    """
    folder = out / MODEL_FOLDER
    if result.first_process:
        encoder = {"encoder": dict(examples.videos.manifest.encoder)} if isinstance(examples, ExampleSet) else {}
        origin = {**encoder, "run": run.model_dump(mode="json"), **extra}
        report = {"best_metrics": result.best_metrics, "best_step": result.best_step, "steps": result.steps}
        save_trained(model, folder, origin, {**report, **(measured or {})})
    return folder
