"""QD-DETR and how it learns, as one section of a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from coarse_to_fine.features.examples import TrainingExample
from coarse_to_fine.fine_grained.aligned_start import shared_space, start_aligned
from coarse_to_fine.fine_grained.base import FineModel
from coarse_to_fine.fine_grained.objective import DetectorLossConfig
from coarse_to_fine.fine_grained.qd_detr.config import QdDetrConfig
from coarse_to_fine.fine_grained.qd_detr.locate import QdDetr
from coarse_to_fine.fine_grained.qd_detr.training import QdDetrData, QdDetrTargetsConfig, QdDetrTask
from coarse_to_fine.fine_grained.recipe import FineRecipe
from coarse_to_fine.training.task import TrainingTask


class QdDetrRecipe(FineRecipe):
    """QD-DETR and how it learns."""

    name: Literal["qd-detr"] = Field(description="the model")
    architecture: QdDetrConfig = Field(default=QdDetrConfig(), description="what the trained model computes")
    targets: QdDetrTargetsConfig = Field(default=QdDetrTargetsConfig(), description="how targets are made")
    loss: DetectorLossConfig = Field(default=DetectorLossConfig(), description="weights of the objective")
    aligned_to: str | None = Field(
        default=None, description="encoder of the features, in whose shared space clips and words start; none: apart"
    )

    def task(
        self, train: Sequence[TrainingExample], validation: Sequence[TrainingExample]
    ) -> tuple[FineModel, TrainingTask]:
        """A new model with its training task."""
        model = QdDetr(self.architecture)
        if self.aligned_to is not None:
            readers = model.transformer.t2v_encoder.typed_layers()
            start_aligned(model.input_vid_proj, model.input_txt_proj, readers, shared_space(self.aligned_to))
        data = QdDetrData(train, self.architecture, self.targets)
        return model, QdDetrTask(model, data, validation, self.loss)
