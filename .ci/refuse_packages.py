"""Reads `pip list --format=freeze` and fails where a package stands that the core must not bring.

decord has no wheels for new Pythons and Arm; faiss and opencv bring a second OpenMP or FFmpeg; torchcodec needs the
FFmpeg of the system.
"""

from __future__ import annotations

import sys

REFUSED = ("decord", "eva-decord", "faiss-cpu", "faiss-gpu", "opencv-python", "opencv-python-headless", "torchcodec")


def main() -> int:
    installed = {line.partition("==")[0].strip().lower() for line in sys.stdin}
    found = sorted(installed & set(REFUSED))
    if found:
        print(f"installed: {', '.join(found)}; expected none of them", file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
