"""The commands and the code of the documentation are those of the package."""

from __future__ import annotations

import ast
import doctest
import importlib
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from coarse_to_fine.cli.main import command as whole_command
from coarse_to_fine.datasets.formats import load_annotations
from coarse_to_fine.encoders.load import load_encoder
from coarse_to_fine.features.training_set import extract_annotated
from coarse_to_fine.library import Library
from tests.library.small_videos import write_videos

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "coarse_to_fine"
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "benchmarks").rglob("*.md"),
        *PACKAGE.glob("*_grained/**/README.md"),
        *PACKAGE.glob("bundled/*/README.md"),
    ]
)
FENCE = re.compile(r"^```(\S*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(ctf [a-z][^`]*)`")
CommandError = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
"""Typer's own or Click's, whichever this version of typer has."""

EXCERPT = ("...", "|", "<", "[", "…")
"""Marks of a command that is described and not meant to be typed."""


def blocks(page: Path, *languages: str) -> list[str]:
    return [text for language, text in FENCE.findall(page.read_text(encoding="utf-8")) if language in languages]


def commands(page: Path) -> list[str]:
    """Lines of shell blocks that call the command, without comments; continued lines joined."""
    found = []
    for block in blocks(page, "", "sh", "bash", "shell", "console"):
        for line in block.replace("\\\n", " ").splitlines():
            line = line.strip().removeprefix("$ ")
            line = line.replace("python -m coarse_to_fine.main_pipeline", "ctf run")
            line = re.sub(r"^torchrun .*-m coarse_to_fine ", "ctf ", line)
            line = line.partition(" | ")[2] if " | ctf " in line else line
            if line.startswith("ctf ") and not line.endswith("..."):
                found.append(line)
    return found


def mentioned(page: Path) -> list[str]:
    """Commands inside sentences; they may leave out what the sentence is not about."""
    found = INLINE.findall(page.read_text(encoding="utf-8"))
    return [one for one in found if "--" in one and not any(mark in one for mark in EXCERPT)]


def parse(line: str) -> None:
    """Let the real command read the arguments, without running it."""
    words = shlex.split(line, comments=True)[1:]
    current = whole_command()
    context = current.context_class(current, info_name="ctf")
    while hasattr(current, "resolve_command"):
        if words == ["--help"] or words == ["--version"]:
            return
        name, current, words = current.resolve_command(context, words)
        assert current is not None, name
        context = current.context_class(current, info_name=name, parent=context)
    current.make_context(current.name, words, parent=context)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_of_a_page_is_understood(page):
    for line in (*commands(page), *mentioned(page)):
        try:
            parse(line)
        except (CommandError, ValueError) as error:
            left_out = type(error).__name__ == "MissingParameter" or "requires an argument" in str(error)
            if not left_out or line in commands(page):
                pytest.fail(f"{line!r}: {error!r} {getattr(error, 'message', '')}")


def test_there_are_commands_to_be_tested_and_wrong_ones_are_found():
    assert sum(len(commands(page)) for page in PAGES) > 60
    for wrong in (
        "ctf serch x",
        "ctf search x --libary y",
        "ctf train fine --config a",
        "ctf index a -l b --workers x",
    ):
        with pytest.raises(CommandError):
            parse(wrong)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_python_of_a_page_imports_what_there_is(page):
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("coarse_to_fine"):
                module = importlib.import_module(node.module)
                for alias in node.names:
                    assert hasattr(module, alias.name), f"{node.module}.{alias.name}"


def anchor(heading: str) -> str:
    """What a link to a heading ends with."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_of_a_page_lead_somewhere(page):
    for target, heading in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", page.read_text(encoding="utf-8")):
        if "://" not in target and not target.startswith("mailto:"):
            there = page.parent / target if target else page
            assert there.exists(), target
            if heading:
                headings = re.findall("^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE)
                assert heading in map(anchor, headings), f"{target}#{heading}"


def test_every_picture_is_shown_by_a_page():
    shown = {
        (page.parent / target).resolve()
        for page in PAGES
        for target in re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    }
    there = {path for kind in ("*.png", "*.svg") for path in (ROOT / "docs" / "images").glob(kind)}
    assert there <= shown


def test_files_in_the_tables_of_module_pages_are_there():
    for page in PACKAGE.rglob("README.md"):
        for cell in re.findall(r"^\| (`\w+\.py`[^|]*)\|", page.read_text(encoding="utf-8"), re.MULTILINE):
            for name in re.findall(r"`(\w+\.py)`", cell):
                assert (page.parent / name).is_file(), f"{page.relative_to(ROOT)}: {name}"


def test_configurations_that_pages_name_are_there():
    for page in PAGES:
        for name in re.findall(r"configs/[a-z]+/[A-Za-z0-9_.-]+\.yaml", page.read_text(encoding="utf-8")):
            assert (ROOT / name).is_file(), f"{page.name}: {name}"


def test_examples_in_docstrings_run():
    """Every module with an example that a prompt begins."""
    tried = 0
    for path in sorted((ROOT / "src").rglob("*.py")):
        if ">>> " in path.read_text(encoding="utf-8"):
            name = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")
            failed, count = doctest.testmod(importlib.import_module(name))
            assert not failed, name
            tried += count
    assert tried


def test_the_examples_of_own_models_run(tmp_path, monkeypatch):
    """All blocks of docs/own_models.md, one after the other, beside what they name."""
    monkeypatch.chdir(tmp_path)
    write_videos(tmp_path / "videos", 3)
    rows = [
        {"qid": number, "query": f"square {number}", "vid": f"v{number:03d}", "duration": 2.0 + number}
        | {"relevant_windows": [[0, 1]]}
        for number in range(3)
    ]
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, rows)))
    encoder = load_encoder("tiny-world")
    extract_annotated(load_annotations(tmp_path / "own.jsonl"), "videos", encoder, "feats/test")
    with Library.create("videos.ctf", encoder=encoder) as library:
        library.add("videos")
    names: dict[str, Any] = {}
    for block in blocks(ROOT / "docs" / "own_models.md", "python"):
        exec(block, names)
    assert names["hits"] and names["baseline"] and names["both"].value("VR R@1") is not None
    assert len(names["answers"]) == 3 and (tmp_path / "feats" / "colours" / "texts").is_dir()
    assert names["pipeline"].coarse_name == "scaled" and names["pipeline"].search("a red ball falls")


@pytest.mark.slow
def test_the_first_search_runs_as_written(tmp_path):
    """The block of docs/first_search.md that draws, indexes and asks, through a shell."""
    block = next(text for text in blocks(ROOT / "docs" / "first_search.md", "sh") if "ctf generate world" in text)
    path = f"{Path(sys.executable).parent}"
    shell = f'set -e\nexport PATH="{path}:$PATH"\n{block}'
    done = subprocess.run(["sh", "-c", shell], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "test-00000" in done.stdout


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("sphinx")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", str(ROOT / "docs")]
    done = subprocess.run([*command, str(tmp_path / "html")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in ("index", "first_search", "experiments", "api/search"):
        assert (tmp_path / "html" / f"{name}.html").is_file()
