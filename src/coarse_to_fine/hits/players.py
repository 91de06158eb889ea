"""Opens a video at a time with whatever player the machine has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from coarse_to_fine.errors import UserError, VideoError
from coarse_to_fine.hits.given import require_hit
from coarse_to_fine.types import MomentHit
from coarse_to_fine.video import player_clock

PLAYERS = {
    "mpv": ["--start={start:.3f}", "--", "{path}"],
    "vlc": ["--start-time={start:.3f}", "--", "{path}"],
    "mplayer": ["-ss", "{start:.3f}", "{path}"],
    "ffplay": ["-ss", "{start:.3f}", "-autoexit", "{path}"],
}
"""Players that can start at a time, in the order of choice, with their arguments; the paths are absolute."""

OPENERS = {"darwin": "open", "linux": "xdg-open", "win32": "explorer"}
"""Programs that hand a file to the desktop's player, which starts at its beginning."""


def player_command(hit: MomentHit, player: str | None = None) -> tuple[list[str], bool]:
    """The command that plays a hit, and whether it starts at the hit's time.

    Args:
        hit: what to play.
        player: one of mpv, vlc, mplayer, ffplay; None takes the first that is installed, else the desktop's opener.

    Raises:
        UserError: no such player, or none installed.
    """
    if player is not None and player not in PLAYERS:
        raise UserError(f"no player {player!r}; expected one of {', '.join(PLAYERS)}; leave it out to take any")
    for name in [player] if player is not None else PLAYERS:
        found = shutil.which(name)
        if found is not None:
            return [found, *(part.format(start=_start_s(hit), path=hit.path) for part in PLAYERS[name])], True
    opener = shutil.which(OPENERS.get(sys.platform, "xdg-open")) if player is None else None
    if opener is not None:
        return [opener, hit.path], False
    wanted = player or f"one of {', '.join(PLAYERS)}"
    raise UserError(f"no player found; expected {wanted} in PATH; install it, or watch the page with: ctf serve")


def _start_s(hit: MomentHit) -> float:
    """Start of a hit from the beginning of the file, which is where players count from; sound may come first."""
    try:
        clock = player_clock(hit.path)
    except VideoError:
        return hit.start_s  # the player will say what is wrong with the file
    return hit.start_s + clock.first_frame_s - clock.begins_s


def open_hit(hit: MomentHit, player: str | None = None) -> bool:
    """Start a player with a hit and return at once; whether the player starts at the hit's time.

    Raises:
        UserError: this is no hit, the video is not there, or there is no player.

    Example:
        pipeline = Pipeline.load("videos.ctf")
        open_hit(pipeline.search("a dog jumps into the water")[0])
    """
    require_hit(hit, "hit")
    if not Path(hit.path).is_file():
        raise UserError(f"{hit.path} is not there; expected the video that was indexed; index its folder again")
    command, at_the_time = player_command(hit, player)
    nowhere = subprocess.DEVNULL
    alone = os.name == "posix"
    player_process = subprocess.Popen(command, stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=alone)
    threading.Thread(target=player_process.wait, daemon=True).start()  # takes note of its end
    return at_the_time
