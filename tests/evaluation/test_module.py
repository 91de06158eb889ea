"""`python -m coarse_to_fine.evaluation.evaluate` does what `ctf evaluate predictions` does."""

from __future__ import annotations

import json

import typer

from coarse_to_fine.cli.main import app
from coarse_to_fine.evaluation.evaluate import argument_parser, main
from tests.cli.conftest import ctf

__all__ = ["ctf"]


def test_both_have_the_same_options_with_the_same_defaults():
    module = {one.option_strings[-1]: one.default for one in argument_parser()._actions if one.dest != "help"}
    group = typer.main.get_command(app).commands["evaluate"]
    command = {one.opts[0]: one.default for one in group.commands["predictions"].params}
    assert module.keys() == command.keys()
    for name in ("--task", "--convention", "--missing", "--resamples"):
        assert module[name] == command[name], name


def test_both_say_the_same(ctf, capsys, tmp_path):
    truth, answers = tmp_path / "truth.jsonl", tmp_path / "answers.jsonl"
    row = {"qid": 1, "query": "a dog", "vid": "v", "duration": 30, "relevant_windows": [[2, 8]]}
    truth.write_text(json.dumps(row) + "\n")
    answers.write_text(json.dumps({"qid": 1, "pred_relevant_windows": [[2, 7, 0.9], [20, 30, 0.1]]}) + "\n")
    options = ["--predictions", str(answers), "--truth", str(truth), "--json"]
    by_command = ctf("evaluate", "predictions", *options)
    assert by_command.code == 0, by_command.err
    page = tmp_path / "page.html"
    capsys.readouterr()
    assert main([*options, "--html", str(page)]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(by_command.out)
    assert "R1@0.5" in page.read_text()
    assert main([*options, "--train", str(truth)]) == 2
    assert "share" in capsys.readouterr().err
