"""What can be said about an object that is seen."""

from __future__ import annotations

from coarse_to_fine.data_generation.world.frame_captions import Sight
from coarse_to_fine.data_generation.world.phrases import FACING_KINDS


def state_of(sight: Sight) -> dict[str, str]:
    """The object's state, by property; the way it faces only where a kind has one."""
    pose = sight.pose
    angle = (pose.angle + 180) % 360 - 180
    state = {
        "side": "left" if sight.x < 0.36 else "right" if sight.x > 0.64 else "middle",
        "turn": "no" if abs(angle) < 12 else "over" if abs(angle) > 140 else "right" if angle > 0 else "left",
        "height": "air" if pose.altitude > 0.08 else "ground" if pose.altitude < 0.02 else "low",
        "size": "large" if pose.size > 0.42 else "small" if pose.size < 0.19 else "usual",
        "faded": "yes" if pose.alpha < 1 else "no",
    }
    if sight.actor.kind in FACING_KINDS:
        state["facing"] = "left" if pose.faces_left else "right"
    return state
