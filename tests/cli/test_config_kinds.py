"""A configuration file that is given to another command is named as what it is."""

from __future__ import annotations

import pytest

from coarse_to_fine.cli.config_kinds import kind_of
from coarse_to_fine.config import read_yaml
from coarse_to_fine.shipped_configs import shipped_configs

STAGE = "--train t --validation v --out o"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            f"train fine --config configs/coarse/t-mass-world.yaml {STAGE}",
            "a coarse model; expected one of the training of ",
        ),
        (f"train coarse --config configs/fine/mesm-world.yaml {STAGE}", "give it to `ctf train fine`"),
        (f"train fine --config configs/run/world.yaml {STAGE}", "configures a whole experiment"),
        ("train encoder --config configs/fine/mesm-world.yaml --out o", "give it to `ctf train fine`"),
        ("run --config configs/encoder/tiny-world.yaml", "give it to `ctf train encoder`"),
    ],
)
def test_the_right_command_is_named(ctf, tmp_path, monkeypatch, command, said):
    monkeypatch.chdir(tmp_path)
    result = ctf(*command.split())
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert said in result.err


@pytest.mark.parametrize("kind", ["coarse", "fine", "encoder", "run"])
def test_every_shipped_file_is_of_its_kind(kind):
    assert {kind_of(read_yaml(path)) for path in shipped_configs(kind).values()} == {kind}
