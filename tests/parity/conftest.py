"""Turns `@kind("t_mass", "pooling")` on a test into one run a recorded case."""

from __future__ import annotations

import pytest

from tests.parity import cases


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marker = metafunc.definition.get_closest_marker("parity")
    if marker is not None and "case" in metafunc.fixturenames:
        cases.parametrize(metafunc, *marker.args)


@pytest.fixture
def case(request: pytest.FixtureRequest) -> cases.Case:
    return cases.read_case(*request.param)
