"""MESM and how it learns, as one section of a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, model_validator

from coarse_to_fine.features.examples import TrainingExample
from coarse_to_fine.fine_grained.aligned_start import shared_space, start_aligned
from coarse_to_fine.fine_grained.base import FineModel
from coarse_to_fine.fine_grained.examples import sentences_of
from coarse_to_fine.fine_grained.mesm.batches import MesmData, MesmTargetsConfig
from coarse_to_fine.fine_grained.mesm.config import MesmConfig
from coarse_to_fine.fine_grained.mesm.locate import Mesm
from coarse_to_fine.fine_grained.mesm.loss import MesmLossConfig
from coarse_to_fine.fine_grained.mesm.training import MesmTask
from coarse_to_fine.fine_grained.mesm.vocabulary import MesmWordsConfig, Vocabulary, make_units
from coarse_to_fine.fine_grained.recipe import FineRecipe
from coarse_to_fine.training.task import TrainingTask


class MesmRecipe(FineRecipe):
    """MESM and how it learns."""

    name: Literal["mesm"] = Field(description="the model")
    architecture: MesmConfig = Field(default=MesmConfig(), description="what the trained model computes")
    targets: MesmTargetsConfig = Field(default=MesmTargetsConfig(), description="how batches and targets are made")
    words: MesmWordsConfig = Field(default=MesmWordsConfig(), description="how sentences are split to guess words")
    loss: MesmLossConfig = Field(default=MesmLossConfig(words=0.0), description="weights of the objective")
    aligned_to: str | None = Field(
        default=None, description="encoder of the features, in whose shared space clips and words start; none: apart"
    )

    @model_validator(mode="after")
    def _words_have_a_head(self) -> MesmRecipe:
        if self.loss.words and not self.architecture.word_classes:
            raise ValueError(
                "loss.words is above 0, but architecture.word_classes is 0: set word_classes, or loss.words to 0"
            )
        return self

    def task(
        self, train: Sequence[TrainingExample], validation: Sequence[TrainingExample]
    ) -> tuple[FineModel, TrainingTask]:
        """A new model with its training task."""
        model = Mesm(self.architecture)
        if self.aligned_to is not None:
            stacks = (stack for stack in (model.enhance_encoder, model.t2v_encoder) if stack is not None)
            readers = [layer for stack in stacks for layer in stack.t2v_encoder.typed_layers()]
            start_aligned(model.input_vid_proj, model.input_txt_proj, readers, shared_space(self.aligned_to))
        vocabulary = None
        if self.loss.words:
            vocabulary = Vocabulary(make_units(self.words), sentences_of(train), self.architecture.word_classes)
        data = MesmData(train, self.architecture, self.targets, vocabulary)
        return model, MesmTask(model, data, validation, self.loss)
