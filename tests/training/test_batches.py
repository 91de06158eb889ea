from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import h5py
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from coarse_to_fine.errors import DataError
from coarse_to_fine.training import Batch, RunConfig, TrainingData
from coarse_to_fine.training.batches import epoch_order, plan_steps, prepared_parts, split, to_device
from coarse_to_fine.training.seeds import derive_seed
from tests.training.tasks import Points


@given(st.integers(0, 40), st.integers(1, 9))
def test_chunks_cover_everything_in_order_with_sizes_that_differ_by_one(size: int, parts: int) -> None:
    chunks = split(list(range(size)), parts)
    assert len(chunks) == parts
    assert [i for chunk in chunks for i in chunk] == list(range(size))
    sizes = [len(chunk) for chunk in chunks]
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True)


@given(st.integers(1, 23), st.integers(1, 8), st.integers(1, 3), st.integers(1, 3))
def test_each_sample_is_seen_once_an_epoch_by_one_process(size: int, batch: int, processes: int, cut: int) -> None:
    run = RunConfig(epochs=2, batch_size=batch, accumulate=min(cut, batch), seed=3)
    data = Points(size)
    plans = [list(plan_steps(data, run, rank, processes, 0, 0)) for rank in range(processes)]
    assert len({len(one) for one in plans}) == 1  # all processes meet in every step
    for epoch in range(2):
        parts = [part for one in plans for plan in one if plan.epoch == epoch for part in plan.parts]
        seen = [index for part in parts if part.counted for index in part.indices]
        assert sorted(seen) == list(range(size))
    for steps in zip(*plans):
        counted = sum(part.counted for plan in steps for part in plan.parts)
        assert {plan.divisor for plan in steps} == {counted}
        assert all(part.indices for plan in steps for part in plan.parts)


def test_plan_from_the_middle_is_the_rest_of_the_plan() -> None:
    run, data = RunConfig(epochs=3, batch_size=4, accumulate=2), Points(18)
    whole = list(plan_steps(data, run, 0, 1, 0, 0))
    assert list(plan_steps(data, run, 0, 1, 1, 2)) == whole[7:]


def test_order_changes_with_epoch_and_seed_only() -> None:
    data = Points(30)
    first = epoch_order(data, RunConfig(seed=1), 0)
    assert first == epoch_order(data, RunConfig(seed=1, learning_rate=9), 0)
    assert first != epoch_order(data, RunConfig(seed=1), 1)
    assert first != epoch_order(data, RunConfig(seed=2), 0)


def test_last_batch_is_dropped_only_if_asked_and_not_full() -> None:
    sizes = [len(batch) for batch in epoch_order(Points(10), RunConfig(batch_size=4), 0)]
    assert sizes == [4, 4, 2]
    assert len(epoch_order(Points(10), RunConfig(batch_size=4, drop_last=True), 0)) == 2
    assert len(epoch_order(Points(8), RunConfig(batch_size=4, drop_last=True), 0)) == 2


def test_epoch_without_batch_is_refused() -> None:
    with pytest.raises(DataError, match="3 training samples give no batch of 4"):
        epoch_order(Points(3), RunConfig(batch_size=4, drop_last=True), 0)


def batches_with(**settings: object) -> list[Batch]:
    run = RunConfig(epochs=2, batch_size=4, accumulate=2, **settings)
    data = Points(18, noise=1.0)
    return list(prepared_parts(data, run, plan_steps(data, run, 0, 1, 0, 1)))


def equal(a: Batch, b: Batch) -> bool:
    same = all(torch.equal(a.data[key], b.data[key]) for key in a.data)
    return same and a.sample_ids == b.sample_ids and a.counts == b.counts


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes:UserWarning")
@pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers_give_the_batches_of_no_workers(start: str) -> None:
    plain = batches_with()
    assert len(plain) == 18
    several = batches_with(workers=4, worker_start=start)
    assert len(several) == len(plain)
    assert all(equal(a, b) for a, b in zip(plain, several))


class FromHdf5(TrainingData):
    """Rows of an HDF5 file, opened at the first read of each process: an open handle does not survive a fork."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with h5py.File(path) as file:
            self.size = len(file["clips"])
        self._file: h5py.File | None = None

    def __len__(self) -> int:
        return self.size

    def batch(self, indices, generator) -> Batch:
        self._file = self._file or h5py.File(self.path)
        rows = torch.stack([torch.from_numpy(self._file["clips"][index]) for index in indices])
        return Batch({"clips": rows}, [f"row-{index}" for index in indices])


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes:UserWarning")
@pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_hdf5_features_are_the_same_with_workers(tmp_path: Path, start: str) -> None:
    with h5py.File(tmp_path / "clips.h5", "w") as file:
        file["clips"] = torch.randn(60, 7, 16, generator=torch.Generator().manual_seed(0)).numpy()
    found = []
    for settings in ({}, {"workers": 4, "worker_start": start}):
        run, data = RunConfig(epochs=2, batch_size=8, **settings), FromHdf5(tmp_path / "clips.h5")
        found.append(list(prepared_parts(data, run, plan_steps(data, run, 0, 1, 0, 0))))
    assert len(found[0]) == len(found[1]) == 16
    assert all(equal(a, b) for a, b in zip(*found))


class Broken(Points):
    def batch(self, indices, generator):
        if 3 in indices:
            raise DataError("features of clip-3: 0 rows, expected 8; extract them again")
        return super().batch(indices, generator)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("workers", [0, 1])
def test_error_of_the_data_arrives_as_it_was_raised(workers: int) -> None:
    run, data = RunConfig(batch_size=2, workers=workers, worker_start="fork" if workers else "auto"), Broken(8)
    with pytest.raises(DataError) as caught:
        list(prepared_parts(data, run, plan_steps(data, run, 0, 1, 0, 0)))
    assert str(caught.value) == "features of clip-3: 0 rows, expected 8; extract them again"


class Named(NamedTuple):
    tensor: torch.Tensor


@dataclass(frozen=True)
class Holder:
    tensor: torch.Tensor
    text: str


def test_tensors_move_in_any_nesting() -> None:
    one = torch.ones(1)
    moved = to_device({"a": [one, (one, "x")], "b": Named(one), "c": Holder(one, "t"), "d": None}, torch.device("meta"))
    tensors = [moved["a"][0], moved["a"][1][0], moved["b"].tensor, moved["c"].tensor]
    assert [tensor.device.type for tensor in tensors] == ["meta"] * 4
    assert (moved["a"][1][1], moved["c"].text, moved["d"]) == ("x", "t", None)


def test_seeds_of_different_places_differ() -> None:
    seeds = {derive_seed(seed, "part", epoch, number) for seed in range(3) for epoch in range(3) for number in range(9)}
    assert len(seeds) == 81
    assert all(0 <= seed < 2**63 for seed in seeds)
