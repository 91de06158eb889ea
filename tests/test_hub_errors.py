"""Why a hub gave nothing, in a few words."""

from __future__ import annotations

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from coarse_to_fine.hub_errors import LONGEST, reason_of


@pytest.mark.parametrize(
    ("offline", "expected"), [(False, "no network, or the hub does not answer"), (True, "HF_HUB_OFFLINE is set")]
)
def test_a_missing_network_is_told_from_a_setting(monkeypatch, offline, expected):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", offline)
    error = LocalEntryNotFoundError("An error happened while trying to locate the files on the Hub, and " * 9)
    error.__cause__ = OSError("Connection refused")
    assert reason_of(error) == expected


def test_what_the_hub_answered_is_cut_at_a_word():
    said = reason_of(ValueError("404\n\nNot found " + "somewhere " * 90))
    assert said.startswith("404 Not found somewhere") and said.endswith("somewhere ...") and len(said) <= LONGEST
