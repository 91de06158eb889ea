"""The page on formats is true: its code reads a library without ours, its tables name every column and key."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import torch

from tests.library.small_videos import write_video

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")


def test_code_of_the_page_reads_a_library(filled, tmp_path):
    filled.add(write_video(tmp_path / "long.mp4", 160.0, seed=9))
    filled.remove("v002")
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    values = {"folder": filled.path}
    exec(code, values)
    values["catalogue"].close()
    found = values["found"]
    stored = filled.segment_features([one.segment_id for one in filled.segments()])
    assert sorted(found) == sorted(one.segment_id for one in stored)
    assert len(found) == 6
    for one in stored:
        start, end, frames, clips = found[one.segment_id]
        assert (start, end) == (one.start_s, one.end_s)
        assert torch.equal(torch.from_numpy(frames).float(), one.frames)
        assert torch.equal(torch.from_numpy(clips).float(), one.clips)


def test_page_names_every_column_and_key(filled):
    connection = sqlite3.connect(filled.path / "catalogue.sqlite")
    names = [row[0] for row in connection.execute("SELECT key FROM meta")]
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        names += [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    connection.close()
    assert [name for name in names if f"`{name}`" not in PAGE] == ["key", "value"]
