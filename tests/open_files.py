"""What this process holds open, by name: a bare count moves when something of an earlier test is collected."""

from __future__ import annotations

from pathlib import Path

import pytest

OWN = Path("/proc/self/fd")
needs_list_of_open_files = pytest.mark.skipif(not OWN.is_dir(), reason="open files are listed as Linux shows them")


def open_files() -> set[tuple[str, str]]:
    """Number and target of each descriptor; what is open now and was not before is their difference."""
    found = set()
    for descriptor in OWN.iterdir():
        try:
            found.add((descriptor.name, str(descriptor.readlink())))
        except FileNotFoundError:  # closed since it was listed; that of the listing itself always is
            continue
    return found
