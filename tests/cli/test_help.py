"""Every verb has help of one sentence and examples that name existing options."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from coarse_to_fine.cli.main import command as whole_command

COMMAND = whole_command()


def verbs(command=COMMAND, path=()):
    for name, one in command.commands.items():
        if hasattr(one, "commands"):
            yield from verbs(one, (*path, name))
        else:
            yield (*path, name), one


VERBS = list(verbs())


def examples(command):
    text = (command.help or "").partition("Examples:")[2]
    return [line.strip() for line in text.splitlines() if line.strip().startswith("ctf ")]


@pytest.mark.parametrize(("path", "command"), VERBS, ids=[" ".join(path) for path, _ in VERBS])
def test_help_is_one_sentence_with_two_examples(path, command):
    first = (command.help or "").strip().splitlines()[0]
    assert first.endswith((".", "stopped."))
    found = examples(command)
    assert len(found) >= 2
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for line in found:
        own = next(part for part in line.split("&&") if part.strip().startswith(f"ctf {' '.join(path)}"))
        used = set(re.findall(r"(?<=\s)--?[a-z][a-z-]*", own))
        assert used <= known | {"--help"}, line


@pytest.mark.parametrize(("path", "command"), VERBS, ids=[" ".join(path) for path, _ in VERBS])
def test_every_option_is_described(path, command):
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{' '.join(path)} {parameter.name}"


def test_the_top_help_lists_every_verb(ctf):
    result = ctf("--help")
    assert result.code == 0
    for name in COMMAND.commands:
        assert name in result.out


def test_the_version_is_printed(ctf):
    assert ctf("--version").out.startswith("coarse-to-fine 0.")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("serach",), "search"),
        (("clip", "a dog", "--pad", "long"), "--pad"),
        (("search", "a dog", "--min-score", "2"), "(see ctf search --help)"),
        (("index", "videos"), "--library"),
        (("search", "a dog", "--nothing"), "--nothing"),
    ],
)
def test_a_wrong_option_or_verb_gets_one_line(ctf, monkeypatch, tmp_path, arguments, said):
    monkeypatch.chdir(tmp_path)
    result = ctf(*arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("ctf: ")
    assert result.err.count("\n") == 1
    assert said in result.err


def test_nothing_at_all_gets_the_help(ctf):
    result = ctf()
    assert result.code in (0, 2)
    assert "search" in result.out + result.err


def test_a_stop_by_hand_says_how_to_go_on(ctf, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("coarse_to_fine.cli.question.Question.ready", interrupted)
    result = ctf("search", "a dog")
    assert result.code == 130
    assert "run the same command again" in result.err


@pytest.mark.parametrize("module", ["coarse_to_fine", "coarse_to_fine.cli", "coarse_to_fine.cli.main"])
def test_the_command_runs_as_a_module(module):
    done = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith("coarse-to-fine 0."), done.stderr
