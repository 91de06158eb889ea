"""Idle threads of PyTorch sleep soon, unless somebody chose otherwise."""

from __future__ import annotations

import pytest

from coarse_to_fine.cli.main import SPINS, wait_asleep

SHORT = {"GOMP_SPINCOUNT": SPINS, "KMP_BLOCKTIME": "0"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, SHORT),
        ({"GOMP_SPINCOUNT": "7"}, SHORT | {"GOMP_SPINCOUNT": "7"}),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, {"OMP_WAIT_POLICY": "ACTIVE"}),
    ],
)
def test_a_policy_that_somebody_chose_stays(given: dict[str, str], expected: dict[str, str]) -> None:
    environment = dict(given)
    wait_asleep(environment)
    assert environment == expected
