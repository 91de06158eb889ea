"""Options and fixtures that every test may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

PUBLISHED = Path(__file__).parents[2] / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--parity-dir",
        type=Path,
        default=None,
        help="folder with one folder a suite; default: the full set beside the checkout, else the committed cases",
    )
    parser.addoption(
        "--data-dir",
        type=Path,
        default=None,
        help="folder with one folder of published annotation files a set; default: shared/data beside the checkout",
    )
    parser.addoption("--fuzz", type=int, default=300, help="mutated files in each slow fuzz test; 10000 for a long run")
    parser.addoption("--fuzz-seed", type=int, default=2, help="seed of their mutations")


@pytest.fixture(scope="session")
def data_dir(request: pytest.FixtureRequest) -> Path:
    """Published annotation files of others, which are not part of this project; a test without them is skipped."""
    folder = Path(request.config.getoption("--data-dir") or PUBLISHED)
    if not folder.is_dir():
        pytest.skip(f"no folder {folder} with the annotation files of others; name one by --data-dir")
    return folder


@pytest.fixture
def fuzz_files(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--fuzz"))


@pytest.fixture
def fuzz_seed(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--fuzz-seed"))


@pytest.fixture(scope="session", autouse=True)
def _two_threads() -> None:
    torch.set_num_threads(min(2, torch.get_num_threads()))


@pytest.fixture(scope="module", autouse=True)
def _no_new_priority() -> Iterator[None]:
    """A module that left the process at real-time priority would stop the machine in the modules after it."""
    policy_of = getattr(os, "sched_getscheduler", lambda process: None)
    before = policy_of(0)
    yield
    assert policy_of(0) == before
