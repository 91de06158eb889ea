"""`python -m coarse_to_fine.cli` is the command `ctf`."""

from coarse_to_fine.cli.main import run

run()
