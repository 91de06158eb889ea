"""The step `fine`: stage two is trained on the features of the training split."""

from __future__ import annotations

from coarse_to_fine.fine_grained.load import FINE_MODELS
from coarse_to_fine.fine_grained.train import FineTraining, train_fine
from coarse_to_fine.main_pipeline.steps.stage import TrainStage


class TrainFine(TrainStage):
    """Trains the fine model."""

    name = "fine"
    models = FINE_MODELS
    settings_class = FineTraining
    train = staticmethod(train_fine)
    reads_captions = False
    sample_seconds = 7e-9
