"""Where a step finds what another one made."""

from __future__ import annotations

from pathlib import Path

from coarse_to_fine.main_pipeline.run_config import RunFile, WorldData
from coarse_to_fine.model_folders import BUNDLED


def annotations_folder(config: RunFile, root: Path, split: str) -> Path:
    """Annotations of a split with the paths of its videos, in our layout."""
    if isinstance(config.data, WorldData):
        return root / "data"
    return root / ("captions" if config.captions is not None else "data") / split


def annotation_step(config: RunFile) -> str:
    """The step that makes `annotations_folder`."""
    return "captions" if config.captions is not None else "data"


def features_folder(root: Path, split: str) -> Path:
    """The training set of a split."""
    return root / "features" / split


def library_folder(root: Path, split: str) -> Path:
    """The library with the videos of a split."""
    return root / "library" / f"{split}.ctf"


def model_of(config: RunFile, root: Path, stage: str) -> str | Path:
    """Name or folder of the model of a stage."""
    given = config.stages[stage]
    return root / stage / "model" if given.model is None else given.model


def model_files(name: str | Path) -> list[Path]:
    """The files of a model that is not trained here; none for one that needs no weights."""
    folders = (Path(name), BUNDLED / f"{name}-world")
    folder = next((folder for folder in folders if (folder / "config.json").is_file()), None)
    return sorted(path for path in folder.glob("*") if path.suffix in (".json", ".safetensors")) if folder else []


def searched(config: RunFile) -> tuple[str, ...]:
    """The splits whose videos are searched: the one that chooses the fusion, and the reported one."""
    return ("val", "test") if config.tested == "test" else ("val",)
