"""Libraries, features and models are refused where safetensors could not open them, before anything is written."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from coarse_to_fine import Library
from coarse_to_fine.cli.out_paths import folder_to_write
from coarse_to_fine.errors import UserError
from coarse_to_fine.features.store import FeatureReader
from coarse_to_fine.model_folders import read_tensors
from tests.library.small_encoder import SmallEncoder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every file name is text")
REFUSED = "not UTF-8; expected one that is"


@pytest.fixture
def undecoded(tmp_path: Path) -> Path:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    return folder


def test_a_library_is_not_made_there_and_one_whose_folder_was_renamed_says_why(tmp_path: Path, undecoded: Path):
    with pytest.raises(UserError, match=REFUSED):
        Library.create(undecoded / "library.ctf", SmallEncoder())
    assert list(undecoded.iterdir()) == []
    Library.create(tmp_path / "library.ctf", SmallEncoder()).close()
    (tmp_path / "library.ctf").rename(undecoded / "library.ctf")
    with pytest.raises(UserError, match=REFUSED):
        Library.open(undecoded / "library.ctf")


def test_features_and_models_there_are_refused(undecoded: Path):
    for read in (FeatureReader, lambda place: read_tensors(place / "model.safetensors")):
        with pytest.raises(UserError, match=REFUSED):
            read(undecoded)


def test_results_that_would_go_there_are_refused_before_the_work(undecoded: Path):
    option: Any = SimpleNamespace(opts=["--out"])
    with pytest.raises(UserError, match=REFUSED):
        folder_to_write(option, undecoded / "set")
