"""The steps of a whole experiment, one module each."""

from __future__ import annotations

from pathlib import Path

from coarse_to_fine.main_pipeline.run_config import PublishedData, RunFile
from coarse_to_fine.main_pipeline.steps.base import Step
from coarse_to_fine.main_pipeline.steps.captions import CoarseCaptions
from coarse_to_fine.main_pipeline.steps.coarse import TrainCoarse
from coarse_to_fine.main_pipeline.steps.evaluate import Evaluate
from coarse_to_fine.main_pipeline.steps.features import ExtractFeatures
from coarse_to_fine.main_pipeline.steps.fine import TrainFine
from coarse_to_fine.main_pipeline.steps.fusion import ChooseFusion
from coarse_to_fine.main_pipeline.steps.library import BuildLibrary
from coarse_to_fine.main_pipeline.steps.prepare import PrepareData
from coarse_to_fine.main_pipeline.steps.report import WriteReport

__all__ = ["steps_of"]


def steps_of(config: RunFile, root: Path) -> list[Step]:
    """The steps that an experiment has, in the order in which they run."""
    published = isinstance(config.data, PublishedData)
    trained = [stage for stage, given in config.stages.items() if given.trained]
    wanted: list[tuple[type[Step], bool]] = [
        (PrepareData, True),
        (CoarseCaptions, config.captions is not None),
        (ExtractFeatures, published or bool(trained)),
        (TrainCoarse, "coarse" in trained),
        (TrainFine, "fine" in trained),
        (BuildLibrary, not published),
        (ChooseFusion, not published),
        (Evaluate, True),
        (WriteReport, True),
    ]
    return [step(config, root) for step, there in wanted if there]
