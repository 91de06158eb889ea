"""Why a model hub gave nothing, in a few words."""

from __future__ import annotations

import textwrap

LONGEST = 200


def reason_of(error: Exception) -> str:
    """No network, the setting that forbids it, or what the hub answered, cut at a word.

    Args:
        error: what `snapshot_download` raised.
    """
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    answer: BaseException = error
    if isinstance(error, LocalEntryNotFoundError):
        if constants.HF_HUB_OFFLINE:
            return "HF_HUB_OFFLINE is set"
        if not isinstance(error.__cause__, HfHubHTTPError):
            return "no network, or the hub does not answer"
        answer = error.__cause__
    return textwrap.shorten(str(answer), LONGEST, placeholder=" ...") or type(answer).__name__
