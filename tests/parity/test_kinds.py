"""Every kind of recorded case has a test, so that a case of a new kind cannot go by unnoticed."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest

from tests.parity.cases import suite_folder

SUITES = ("t_mass", "qd_detr", "mesm", "moment_metrics")


def marked_kinds(suite: str) -> set[str]:
    """Kinds of a suite that a test of this folder takes."""
    modules = [import_module(f"tests.parity.{path.stem}") for path in Path(__file__).parent.glob("test_*.py")]
    marks = [mark for module in modules for test in vars(module).values() for mark in getattr(test, "pytestmark", [])]
    return {mark.args[1] for mark in marks if mark.name == "parity" and mark.args[0] == suite}


@pytest.mark.parametrize("suite", SUITES)
def test_every_kind_of_a_suite_is_tested(suite: str, pytestconfig: pytest.Config) -> None:
    folder = suite_folder(pytestconfig, suite)
    if folder is None:
        pytest.skip("no recorded cases")
    kinds = {entry["kind"] for entry in json.loads((folder / "index.json").read_text())["cases"]}
    assert kinds <= marked_kinds(suite)
