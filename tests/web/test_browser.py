"""The browser of the tests leaves the machine to the tests beside it."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.web.browser import needs_browser

pytestmark = needs_browser
RIGHT_TO_PRIORITY = 1 << 23  # CAP_SYS_NICE, capabilities(7)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="for root, with setpriv of util-linux")
def test_the_browser_may_not_take_priority_over_other_processes(browser):
    status = Path(f"/proc/{browser.service.process.pid}/status").read_text()
    assert int(re.search(r"CapEff:\s+(\w+)", status)[1], 16) & RIGHT_TO_PRIORITY == 0
