"""The stage models that the page offers, loaded when they are first asked for."""

from __future__ import annotations

from collections.abc import Mapping

from coarse_to_fine.coarse_grained.load import COARSE_MODELS
from coarse_to_fine.errors import UserError
from coarse_to_fine.fine_grained.load import FINE_MODELS
from coarse_to_fine.main_pipeline import Pipeline
from coarse_to_fine.model_folders import BUNDLED, BUNDLED_ENCODER, CONFIG_FILE, StoredModel


class Stages:
    """Pipelines of one library by the names of their models.

    Attributes:
        coarse, fine: names that may be asked for; the first one of each is what the server was started with.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        encoder = pipeline.library.encoder_name
        self.coarse = usable_names(COARSE_MODELS, encoder, pipeline.coarse_name)
        self.fine = usable_names(FINE_MODELS, encoder, pipeline.fine_name)
        self._loaded = {(pipeline.coarse_name, pipeline.fine_name): pipeline}
        self._own = pipeline

    def pipeline(self, coarse: str | None = None, fine: str | None = None) -> Pipeline:
        """The pipeline with these models; None: those that the server was started with.

        Raises:
            UserError: a name that is not offered.
        """
        coarse, fine = coarse or self.coarse[0], fine or self.fine[0]
        for stage, name, known in (("coarse", coarse, self.coarse), ("fine", fine, self.fine)):
            if name not in known:
                raise UserError(f"no {stage} model {name!r} here; expected one of {', '.join(known)}; choose another")
        if (coarse, fine) not in self._loaded:
            others = (None if coarse == self.coarse[0] else coarse, None if fine == self.fine[0] else fine)
            self._loaded[coarse, fine] = self._own.with_models(*others)
        return self._loaded[coarse, fine]


def usable_names(models: Mapping[str, type[StoredModel]], encoder: str, own: str) -> list[str]:
    """Models of a stage that need no further file with this encoder, the one in use first."""
    bundled = encoder == BUNDLED_ENCODER
    usable = [
        name
        for name, model in models.items()
        if model.training_free or (bundled and (BUNDLED / f"{name}-world" / CONFIG_FILE).is_file())
    ]
    return [own, *(name for name in usable if name != own)]
