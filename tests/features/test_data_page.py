"""The configurations of the page on data are valid."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from coarse_to_fine.config import parse_config
from coarse_to_fine.features.published.config import PublishedFeatures

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=[block.split("path: ")[1].split(",")[0] for block in BLOCKS])
def test_a_configuration_of_the_page_is_valid(block):
    parse_config(PublishedFeatures, yaml.safe_load(block))


def test_every_form_is_shown():
    assert {form for block in BLOCKS for form in re.findall(r"form: (\w+)", block)} >= {"npz", "npy", "hdf5"}
    assert len(BLOCKS) >= 5
