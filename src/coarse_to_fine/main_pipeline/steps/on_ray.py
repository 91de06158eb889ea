"""Training by Ray Train: the same call in several processes of a cluster that average their gradients (extra `ray`).

The machines see the folders of the experiment under the same paths and have this package.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from coarse_to_fine.errors import TrainingError
from coarse_to_fine.library.on_ray import connected

FOLDER = "ray"


def call_on_ray(train: Callable[[], None], folder: Path, address: str, processes: int | None, workers: int) -> None:
    """Call `train` in every process, inside one process group of torch; the first one writes the files.

    Args:
        train: can be pickled; stopped and called again it goes on, also in another number of processes.
        folder: of the training; Ray writes its own notes to a folder in it.
        address: of the cluster, as for an indexing.
        processes: how many; None: one a GPU of the cluster, and without GPUs one.
        workers: CPUs of a cluster that is started here.

    Raises:
        UserError: Ray is not installed, or there is no cluster.
        TrainingError: the training failed.
    """
    with connected(address, workers) as ray:
        from ray.train import RunConfig, ScalingConfig
        from ray.train.torch import TorchTrainer

        gpus = int(ray.cluster_resources().get("GPU", 0))
        count = processes or gpus or 1
        scaling = ScalingConfig(num_workers=count, use_gpu=gpus >= count)
        kept = RunConfig(name=FOLDER, storage_path=str(folder.resolve()))
        try:
            TorchTrainer(_Call(train), scaling_config=scaling, run_config=kept).fit()
        except Exception as error:  # Ray wraps what a worker raises in classes that differ between its versions
            reason = str(error).strip().splitlines()[-1][:300]
            raise TrainingError(
                f"the training of {folder.name} on Ray failed ({reason}); expected {count} processes to finish it; run "
                "again: it goes on from its last checkpoint"
            ) from error


class _Call:
    """A function without arguments, as Ray Train asks for; partials have no signature that it can read."""

    def __init__(self, train: Callable[[], None]) -> None:
        self._train = train

    def __call__(self) -> None:
        self._train()
