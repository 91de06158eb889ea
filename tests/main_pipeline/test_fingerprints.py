"""The code of a step is its module and all that it imports, and nothing else."""

from __future__ import annotations

import pytest

from coarse_to_fine.file_hashes import sha256_of_values
from coarse_to_fine.main_pipeline import fingerprints
from coarse_to_fine.main_pipeline.fingerprints import code_digest, files_digest


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of four modules: `a` imports `b` on top and `c` inside a function; nothing imports `d`."""
    source = tmp_path / "coarse_to_fine"
    (source / "inner").mkdir(parents=True)
    files = {
        "__init__.py": "",
        "a.py": "import os\nfrom coarse_to_fine.b import x\ndef f():\n    from coarse_to_fine.inner import c\n",
        "b.py": "x = 1\n",
        "inner/__init__.py": "",
        "inner/c.py": "import coarse_to_fine.b\n",
        "d.py": "x = 1\n",
    }
    for name, text in files.items():
        (source / name).write_text(text)
    monkeypatch.setattr(fingerprints, "SOURCE", source)
    fingerprints._closure.cache_clear()
    fingerprints._imports.cache_clear()
    yield source
    fingerprints._closure.cache_clear()
    fingerprints._imports.cache_clear()


@pytest.mark.parametrize(("changed", "seen"), [("a.py", True), ("b.py", True), ("inner/c.py", True), ("d.py", False)])
def test_the_code_of_a_module_is_what_it_imports(package, changed, seen):
    before = code_digest("coarse_to_fine.a")
    (package / changed).write_text((package / changed).read_text() + "# more\n")
    assert (code_digest("coarse_to_fine.a") != before) == seen


def test_the_real_steps_depend_on_what_they_use():
    step = "coarse_to_fine.main_pipeline.steps"
    features, coarse = (fingerprints._closure(f"{step}.{name}") for name in ("features", "coarse"))
    assert "coarse_to_fine.video.read" in features
    assert "coarse_to_fine.encoders.towers" in features
    assert "coarse_to_fine.training.loop" in coarse
    assert "coarse_to_fine.coarse_grained.t_mass.model" in coarse
    for unused in ("coarse_to_fine.web.app", "coarse_to_fine.fine_grained.qd_detr.model"):
        assert unused not in features
        assert unused not in coarse


def test_digests_tell_values_names_and_contents_apart(tmp_path):
    assert (
        sha256_of_values({"a": 1, "b": 2}) == sha256_of_values({"b": 2, "a": 1}) != sha256_of_values({"a": 1, "b": 3})
    )
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("x")
    assert files_digest([one, two], tmp_path) == "absent"
    two.write_text("y")
    first = files_digest([two, one], tmp_path)
    assert first == files_digest([one, two], tmp_path)
    two.write_text("z")
    assert files_digest([one, two], tmp_path) != first
