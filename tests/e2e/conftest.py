"""The command, as the tests of its verbs run it."""

from tests.cli.conftest import ctf

__all__ = ["ctf"]
