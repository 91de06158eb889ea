"""`python -m coarse_to_fine.main_pipeline --config FILE`: the same as `ctf run`."""

from __future__ import annotations

import sys

from coarse_to_fine.cli.main import run

if __name__ == "__main__":
    sys.argv[1:1] = ["run"]
    run()
