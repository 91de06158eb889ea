"""The pipeline of an experiment over the library of one split."""

from __future__ import annotations

from pathlib import Path

from coarse_to_fine.file_hashes import sha256_of
from coarse_to_fine.fusion import FusionConfig
from coarse_to_fine.main_pipeline.pipeline import Pipeline
from coarse_to_fine.main_pipeline.run_config import RunFile
from coarse_to_fine.main_pipeline.steps.places import library_folder, model_files, model_of

FUSION_FILE = "fusion.json"


def pipeline_of(config: RunFile, root: Path, split: str, fusion: FusionConfig) -> Pipeline:
    """Both stages of the experiment over the videos of a split."""
    coarse, fine = (model_of(config, root, stage) for stage in ("coarse", "fine"))
    return Pipeline.load(library_folder(root, split), coarse, fine, config.device, fusion)


def given_models(config: RunFile) -> dict[str, str]:
    """Hashes of the models that are not trained here."""
    return {
        f"{stage} {path.name}": sha256_of(path)
        for stage, given in config.stages.items()
        if given.model is not None
        for path in model_files(given.model)
    }


def trained_steps(config: RunFile) -> tuple[str, ...]:
    """The steps that train the experiment's models."""
    return tuple(stage for stage, given in config.stages.items() if given.trained)


def model_settings(config: RunFile) -> dict[str, str | None]:
    """Names of the models that are not trained here, by stage."""
    return {stage: given.model for stage, given in config.stages.items()}
