"""The largest memory of a process, for programs that tests start."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path


def peak_mib() -> int:
    """Of this process since its program was started; where the system does not say it, since it was forked.

    On Linux `ru_maxrss` counts what the starting process held, so a test runner's own memory would decide.
    """
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        if found:
            return int(found[1]) // 1024
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used // (1 << 20 if sys.platform == "darwin" else 1 << 10)
