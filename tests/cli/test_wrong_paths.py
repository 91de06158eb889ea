"""A path that does not exist, or is of another kind, is named as that: one line, exit code 2."""

from __future__ import annotations

import pytest

from tests.datasets.test_layout_rows import ROW, write_lines

FINE = "configs/fine/qd-detr-world.yaml"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """`world`: annotations alone; `two`: a training set of two splits; `note.txt`: something else."""
    for folder, splits in (("world", ["test"]), ("two/annotations", ["train", "val"])):
        (tmp_path / folder).mkdir(parents=True)
        write_lines(tmp_path / folder / "videos.jsonl", {"video_id": "v", "duration_s": 20.0})
        for split in splits:
            write_lines(tmp_path / folder / f"queries.{split}.jsonl", ROW)
    (tmp_path / "l.ctf").mkdir()
    (tmp_path / "note.txt").write_text("hello\n")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (f"train fine --config {FINE} --train trian --validation trian --out o", "trian is no folder; expected a trai"),
        ("evaluate fine trian --fine similarity", "trian is no folder; expected a training set"),
        ("evaluate coarse trian --coarse mean-pool --split val", "trian is no folder; expected a training set"),
        ("evaluate fine world --fine similarity", "world holds annotations without features"),
        ("evaluate fine world --fine similarity", "make them: ctf extract ./world --split NAME"),
        ("extract world/queries.test.jsonl --out o", "give its folder: ctf extract ./world --split test"),
        ("evaluate pipeline l.ctf --library world", "l.ctf holds no annotations; expected videos.jsonl and queries.te"),
        ("evaluate fine two --fine similarity", "holds the splits train, val; expected one; extract each into"),
        ("evaluate fine two --fine similarity --split tset", "no queries.tset.jsonl in two/annotations, which holds"),
        ("evaluate pipeline worl --library l", "worl is no folder; expected one with videos.jsonl"),
        ("features show nope", "nothing at nope; expected a feature folder or a file"),
        ("features show nope.hdf5", "nothing at nope.hdf5"),
        ("features verify nope", "nothing at nope; expected a feature folder or a training set"),
        ("evaluate predictions --predictions world --truth world", "world: Is a directory; expected a text file"),
        (
            "evaluate predictions --predictions note.txt --truth nope",
            "nope: No such file or directory; expected a text",
        ),
        ("evaluate predictions --predictions note.txt --truth note.txt", "`ctf data check FILE --format NAME` says"),
    ],
)
def test_what_is_there_is_said(ctf, here, command, said):
    result = ctf(*command.split())
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert said in result.err


def test_the_drawn_world_is_told_from_a_folder_of_its_name(ctf, here):
    result = ctf("extract", "world", "--videos", 1, "--workers", 1, "--out", "drawn")
    assert result.code == 0
    assert "not the folder of that name; give that as ./world" in result.err
