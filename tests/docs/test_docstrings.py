"""What docstrings name is there: parameters under Args, fields under Attributes, errors under Raises."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "coarse_to_fine"
Documented = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def documented() -> Iterator[tuple[str, Documented, str]]:
    """Place, node and docstring of every class and function that has one."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                if text:
                    yield f"{path.relative_to(SOURCE)}: {node.name}", node, text


def named(text: str, section: str) -> list[str]:
    """The names that begin the entries of a section: `name: ...` or `name, other: ...`."""
    found = re.search(rf"^{section}:\n((?:    .*\n?|\n)*)", text, re.MULTILINE)
    entries = re.findall(r"^    (\w+(?:, \w+)*): ", found[1], re.MULTILINE) if found else []
    return [name for entry in entries for name in entry.split(", ")]


def parameters(node: Documented) -> set[str]:
    """Of a function, or of the `__init__` of a class; of a class without one its fields."""
    if isinstance(node, ast.ClassDef):
        made = [one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"]
        return parameters(made[0]) if made else attributes(node)
    given = node.args
    return {one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg) if one}


def attributes(node: Documented) -> set[str]:
    """Fields, properties, and what a method stores in `self`."""
    found = {one.name for one in ast.walk(node) if isinstance(one, ast.FunctionDef)}
    found |= {
        one.target.id for one in ast.walk(node) if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
    }
    return found | {
        one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute) and isinstance(one.ctx, ast.Store)
    }


def test_parameters_that_docstrings_name_are_there():
    found = list(documented())
    assert sum(bool(named(text, "Args")) for _, _, text in found) > 100
    assert [
        (place, name) for place, node, text in found for name in named(text, "Args") if name not in parameters(node)
    ] == []


def test_attributes_that_docstrings_name_are_there():
    assert [
        (place, name)
        for place, node, text in documented()
        for name in named(text, "Attributes")
        if name not in attributes(node)
    ] == []


def test_errors_that_docstrings_name_are_there():
    own = {node.name for _, node, _ in documented() if isinstance(node, ast.ClassDef)}
    assert [
        (place, name)
        for place, _, text in documented()
        for name in named(text, "Raises")
        if name not in own and not hasattr(builtins, name)
    ] == []
