"""The parts of a pipeline: given as objects, or, the models of both stages, asked for by name or folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from coarse_to_fine.arguments import require_kind, shown
from coarse_to_fine.coarse_grained.base import CoarseModel
from coarse_to_fine.coarse_grained.candidates import require_engine
from coarse_to_fine.errors import UserError
from coarse_to_fine.fine_grained.base import FineModel
from coarse_to_fine.fusion import FusionConfig
from coarse_to_fine.library import Library
from coarse_to_fine.model_folders import StoredModel

Model = TypeVar("Model", bound=StoredModel)
AskedFor = tuple[str | Path | None, str | Path | None]
"""How the models of both stages were asked for; None: they were given."""


CONTRACTS: dict[str, type[StoredModel]] = {"coarse": CoarseModel, "fine": FineModel}
"""What a model of a stage is an object of."""


def given_or_loaded(
    stage: str, wanted: Model | str | Path, load: Callable[..., Model], encoder: str, device: str
) -> Model:
    """A model that is given, or the one of a name or folder.

    Raises:
        UserError: an unknown name, or neither name, folder nor model.
        WeightsError: no weights for a model with this encoder.
    """
    if isinstance(wanted, str | Path):
        return load(wanted, encoder=encoder, device=device)
    _require_model(stage, wanted)
    return wanted.to(device)


def require_parts(library: object, coarse: object, fine: object, fusion: object, engine: object) -> None:
    """Raise unless these are the loaded parts of a pipeline; fusion and engine may be None.

    Raises:
        UserError: one is something else.
    """
    require_kind(library, Library, "library", "an open library", "open it with Library.open, or call Pipeline.load")
    _require_model("coarse", coarse)
    _require_model("fine", fine)
    step = "make one, coarse_to_fine.fusion.FusionConfig(alpha=0.5), or read a file with read_fusion of that module"
    require_kind(fusion, FusionConfig | None, "fusion", "a FusionConfig", step)
    require_engine(engine)


def _require_model(stage: str, given: object) -> None:
    contract = CONTRACTS[stage]
    step = "give one, or call Pipeline.load with a name or a folder"
    if isinstance(given, type):
        step = f"give an object of such a class, for instance {given.__name__}.from_pretrained(FOLDER)"
    require_kind(given, contract, stage, f"a {stage} model, a {contract.__name__}", step)
    if "_modules" not in vars(given):
        raise UserError(f"{stage} is {shown(given)} that is not set up; call super().__init__() in its __init__ first")
    if not isinstance(getattr(given, "name", None), str):
        raise UserError(f"{stage} is {shown(given)} without a name; expected one as text; set `name` in the class")


def name_of(wanted: StoredModel | str | Path) -> str | Path | None:
    """How a model was asked for; None: it was given."""
    return wanted if isinstance(wanted, str | Path) else None


def foreign_towers(models: Sequence[StoredModel], fingerprint: str) -> list[str]:
    """A note for each model that came with towers of its own, where the library was made with others."""
    wanted = {model.name: str(model.origin.get("encoder_fingerprint", fingerprint)) for model in models}
    return [
        f"{name} was trained on features of other towers than this library's (encoder {own[:12]}, not "
        f"{fingerprint[:12]}); index the videos with the towers that came with it"
        for name, own in wanted.items()
        if own != fingerprint
    ]
