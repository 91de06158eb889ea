"""The models of both stages: given as objects, or asked for by name or folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from coarse_to_fine.model_folders import StoredModel

Model = TypeVar("Model", bound=StoredModel)
AskedFor = tuple[str | Path | None, str | Path | None]
"""How the models of both stages were asked for; None: they were given."""


def given_or_loaded(wanted: Model | str | Path, load: Callable[..., Model], encoder: str, device: str) -> Model:
    """A model that is given, or the one of a name or folder."""
    return load(wanted, encoder=encoder, device=device) if isinstance(wanted, str | Path) else wanted.to(device)


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
