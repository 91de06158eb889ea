"""Training samples drawn before the training, so that both cores train and a picture serves several epochs.

The files stay: a run that is started again draws only what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import as_completed
from dataclasses import fields
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from coarse_to_fine.atomic_files import replacing
from coarse_to_fine.encoders.pretraining.samples import SceneSamples, WorldFrames, patch_counts
from coarse_to_fine.training import Batch, TrainingData
from coarse_to_fine.training.seeds import generator_for
from coarse_to_fine.worker_processes import WorkerProcesses

SCENES_OF_A_FILE = 256
NAMES = tuple(field.name for field in fields(SceneSamples))


class DrawnAhead(TrainingData):
    """Scenes in files of `SCENES_OF_A_FILE`, mapped into memory."""

    def __init__(self, files: Sequence[Path], scenes: int) -> None:
        self._chunks = [load_file(path) for path in files]
        self._scenes = scenes

    def __len__(self) -> int:
        return self._scenes

    def batch(self, indices: Sequence[int], generator: torch.Generator) -> Batch:
        places = [divmod(index, SCENES_OF_A_FILE) for index in indices]
        columns = {name: torch.stack([self._chunks[file][name][row] for file, row in places]) for name in NAMES}
        samples = SceneSamples(**columns)
        return Batch(samples, [f"scene-{index}" for index in indices], patch_counts(samples))


def draw_ahead(source: WorldFrames, folder: Path, seed: int, processes: int, progress: bool = False) -> DrawnAhead:
    """Draw all scenes of `source`, or what of them is missing in `folder`.

    Args:
        source: what is drawn.
        folder: one file for each `SCENES_OF_A_FILE` scenes; it must belong to this source and seed.
        seed: everything random follows from it and the number of the file.
        processes: how many draw side by side.
        progress: show a bar with the time left on stderr.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = -(-len(source) // SCENES_OF_A_FILE)
    files = [folder / f"{number:05}.safetensors" for number in range(count)]
    missing = [number for number in range(count) if not files[number].exists()]
    draw = partial(_draw_file, source, folder, seed)
    console = Console(stderr=True)
    bar = partial(track, description="drawing", total=len(missing), console=console, disable=not progress)
    if processes <= 1 or len(missing) <= 1:
        list(bar(map(draw, missing)))
    else:
        with WorkerProcesses(min(processes, len(missing))) as workers:
            for job in bar(as_completed([workers.submit(draw, number) for number in missing])):
                job.result()
    return DrawnAhead(files, len(source))


def _draw_file(source: WorldFrames, folder: Path, seed: int, number: int) -> None:
    """Write one file, whole or not at all."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    first = number * SCENES_OF_A_FILE
    scenes = range(first, min(first + SCENES_OF_A_FILE, len(source)))
    samples: SceneSamples = source.batch(scenes, generator_for(seed, "drawn-ahead", number)).data
    columns = {name: getattr(samples, name).contiguous() for name in NAMES}
    columns["ids"] = _padded(columns["ids"], source.context, source.end_id)
    with replacing(folder / f"{number:05}.safetensors") as unfinished:
        save_file(columns, unfinished)
    torch.set_num_threads(threads)


def _padded(ids: Tensor, length: int, end_id: int) -> Tensor:
    return functional.pad(ids, (0, length - ids.shape[-1]), value=end_id)
