"""The manifest of a finished experiment: configuration, seeds, versions, hashes, times, command."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from coarse_to_fine.atomic_files import write_text_atomically
from coarse_to_fine.main_pipeline.records import read_record
from coarse_to_fine.main_pipeline.run_config import RunFile
from coarse_to_fine.training.records import code_version

MANIFEST = "manifest.json"
FORMAT = 1
PACKAGES = ("torch", "numpy", "scipy", "av", "pillow", "safetensors", "tokenizers", "pydantic")


def write_manifest(config: RunFile, root: Path, steps: list[str]) -> None:
    """Write `manifest.json`; the records of all steps are there."""
    document = {
        "format": FORMAT,
        "command": shlex.join(sys.argv),
        "config": config.model_dump(mode="json"),
        "seeds": _seeds(config, root),
        "versions": {**code_version(), **{name: _version(name) for name in PACKAGES}},
        "machine": {"system": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()},
        "steps": {name: _step(root, name) for name in steps},
    }
    write_text_atomically(root / MANIFEST, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _seeds(config: RunFile, root: Path) -> dict[str, Any]:
    """Every seed of the experiment, also those that stand in the stages' own files."""
    seeds: dict[str, Any] = {"data": config.seed, "search": config.evaluation.seed}
    for stage, given in config.stages.items():
        record = read_record(root, stage) if given.trained else None
        if record is not None:
            seeds[stage] = record.made_of.settings["run"]["seed"]
    return seeds


def _step(root: Path, name: str) -> dict[str, Any]:
    record = read_record(root, name)
    assert record is not None, "the manifest is written when every step is done"
    made_of = record.made_of
    return {
        "fingerprint": made_of.fingerprint,
        "inputs": dict(made_of.inputs),
        "code": made_of.code,
        "outputs": dict(record.outputs),
        "seconds": record.seconds,
        "finished": record.finished,
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
