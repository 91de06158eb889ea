"""Options and fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent
FULL_PARITY = HERE.parent.parent / "shared" / "parity"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--parity-dir",
        type=Path,
        default=None,
        help="folder with one folder a suite; default: the full set beside the checkout, else the committed cases",
    )
    parser.addoption("--fuzz", type=int, default=300, help="mutated files in each slow fuzz test; 10000 for a long run")
    parser.addoption("--fuzz-seed", type=int, default=2, help="seed of their mutations")


@pytest.fixture
def fuzz_files(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--fuzz"))


@pytest.fixture
def fuzz_seed(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--fuzz-seed"))


@pytest.fixture(scope="session", autouse=True)
def _two_threads() -> None:
    torch.set_num_threads(min(2, torch.get_num_threads()))
