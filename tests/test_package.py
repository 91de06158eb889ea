"""The package as a whole: public names, imports, the size and speed of what is loaded."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import coarse_to_fine

SOURCE = Path(coarse_to_fine.__file__).parent


def test_public_names_are_sorted_and_there():
    assert coarse_to_fine.__all__ == sorted(coarse_to_fine.__all__)
    assert {*coarse_to_fine.__all__} <= {*dir(coarse_to_fine)}
    for name in coarse_to_fine.__all__:
        assert getattr(coarse_to_fine, name) is not None


def test_type_checkers_know_the_public_names_from_where_they_come():
    stub = ast.parse((SOURCE / "__init__.pyi").read_text())
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    typed = {one.asname: (node.module, one.name) for node in imports for one in node.names}
    assert typed == {name: (home, name) for name, home in coarse_to_fine._HOME.items()}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        coarse_to_fine.Nonsense  # noqa: B018


def test_every_module_imports():
    for module in pkgutil.walk_packages([str(SOURCE)], "coarse_to_fine."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


@pytest.mark.parametrize("heavy", ["torch", "transformers", "av", "numpy"])
@pytest.mark.parametrize("light", ["coarse_to_fine", "coarse_to_fine.cli.main"])
def test_the_package_and_the_command_load_nothing_heavy(light, heavy):
    code = f"import sys, {light}; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_name_says_nothing():
    vague = {"utils", "util", "helpers", "misc", "common"}
    assert [path for path in SOURCE.rglob("*.py") if path.stem in vague] == []


def test_bundled_weights_stay_small():
    size = sum(path.stat().st_size for path in (SOURCE / "bundled").rglob("*.safetensors"))
    assert 0 < size <= 12e6
