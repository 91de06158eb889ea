"""The step `coarse`: stage one is trained on the features of the training split."""

from __future__ import annotations

from coarse_to_fine.coarse_grained.load import COARSE_MODELS
from coarse_to_fine.coarse_grained.train import CoarseTraining, train_coarse
from coarse_to_fine.main_pipeline.steps.stage import TrainStage


class TrainCoarse(TrainStage):
    """Trains the coarse model, from the videos' own captions too."""

    name = "coarse"
    models = COARSE_MODELS
    settings_class = CoarseTraining
    train = staticmethod(train_coarse)
    reads_captions = True
    sample_seconds = 6e-9
