"""The bar of long commands."""

from __future__ import annotations

import re

from coarse_to_fine.cli.output import progress_bar


def test_the_second_piece_of_work_is_not_said_to_have_no_time_left(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with progress_bar("comparing") as advance:
        advance(5, 5, "first")
        advance(1, 5, "second")
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    last = re.findall(r"comparing.*second", shown)[-1]
    assert "1/5" in last and last.split()[-3:] == ["0:00:00", "-:--:--", "second"]
