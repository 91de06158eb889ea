"""Carrying out one candidate: the event with its exact poses, and the stage as it is left behind."""

from __future__ import annotations

import random
from collections.abc import Callable

from coarse_to_fine.data_generation.world.scene import Camera, Event, Pose
from coarse_to_fine.data_generation.world.stage import Candidate, Stage
from coarse_to_fine.data_generation.world.vocabulary import is_held_out

_REPEAT_S: dict[str, tuple[float, float]] = {  # seconds that one repetition takes, at least and at most
    "jump": (1.2, 1.9),
    "spin": (6.0, 10.0),
    "blink": (2.3, 3.3),
    "fall": (1.8, 2.6),
    "shake": (0.5, 0.8),
    "circle": (7.0, 11.0),
    "hit": (2.4, 3.4),
    "enter": (0.5, 0.9),
    "leave": (0.5, 0.9),
    "pass": (0.5, 0.9),
    "follow": (0.5, 0.9),
}

Poses = tuple[Pose, Pose, float]  # before, after, reach


def perform(
    stage: Stage, candidate: Candidate, start_s: float, end_s: float, camera: Camera, rng: random.Random
) -> Event:
    """The event that `candidate` becomes in [start_s, end_s]; the stage is brought to the state after it."""
    subject, target = candidate.subject, candidate.target
    near = stage.nearest(subject, target)
    target_before = None if target is None else stage.poses[target]
    before, after, reach = _poses(stage, candidate, start_s, end_s, camera, rng)
    target_after = target_before
    if target_before is not None and candidate.target_slot is not None:
        x = stage.spot(candidate.target_slot, rng)
        target_after = target_before.at(x=x, faces_left=x < target_before.x)
    _leave_behind(stage, candidate, after, target_after)
    actor = stage.actors[subject]
    return Event(
        action=candidate.action,
        direction=candidate.direction,
        subject=subject,
        target=target,
        start_s=start_s,
        end_s=end_s,
        repeats=_repeats(candidate.action, end_s - start_s, rng),
        reach=reach,
        before=before,
        after=after,
        target_before=target_before,
        target_after=target_after,
        near=near,
        held_out=is_held_out(actor.kind, actor.colour, candidate.action),
    )


def _repeats(action: str, length_s: float, rng: random.Random) -> int:
    if action not in _REPEAT_S:
        return 1
    return max(1, round(length_s / rng.uniform(*_REPEAT_S[action])))


def _leave_behind(stage: Stage, candidate: Candidate, after: Pose, target_after: Pose | None) -> None:
    stage.poses[candidate.subject] = after
    if candidate.target is not None and target_after is not None:
        stage.poses[candidate.target] = target_after
        if candidate.target_slot is not None:
            stage.slots[candidate.target] = candidate.target_slot
    if candidate.action == "leave":
        del stage.slots[candidate.subject]
    elif candidate.slot is not None:
        stage.slots[candidate.subject] = candidate.slot


def _poses(
    stage: Stage, candidate: Candidate, start_s: float, end_s: float, camera: Camera, rng: random.Random
) -> Poses:
    pose = stage.poses[candidate.subject]
    if candidate.action == "enter":
        assert candidate.slot is not None
        x = _outside(stage, candidate, camera.offset(start_s)[0])
        inside = stage.spot(candidate.slot, rng)
        after = pose.at(x=inside, faces_left=inside < x, present=True, altitude=0.0, angle=0.0)
        return after.at(x=x, present=False), after, 0.0
    if candidate.action == "leave":
        x = _outside(stage, candidate, camera.offset(end_s)[0])
        return pose, pose.at(x=x, faces_left=x < pose.x, present=False), 0.0
    if candidate.slot is not None:
        x = stage.spot(candidate.slot, rng)
        return pose, pose.at(x=x, faces_left=x < pose.x), 0.0
    return _IN_PLACE[candidate.action](stage, candidate, pose, rng)


def _outside(stage: Stage, candidate: Candidate, camera_x: float) -> float:
    half = stage.half_width(candidate.subject)
    return camera_x - half if candidate.direction == "left" else camera_x + 1 + half


def _jump(stage: Stage, candidate: Candidate, pose: Pose, rng: random.Random) -> Poses:
    return pose, pose, min(rng.uniform(0.18, 0.3), 0.72 - pose.size)


def _still(stage: Stage, candidate: Candidate, pose: Pose, rng: random.Random) -> Poses:
    return pose, pose, 0.0


def _grow(stage: Stage, candidate: Candidate, pose: Pose, rng: random.Random) -> Poses:
    return pose, pose.at(size=min(0.52, pose.size * rng.uniform(1.5, 1.75))), 0.0


def _shrink(stage: Stage, candidate: Candidate, pose: Pose, rng: random.Random) -> Poses:
    return pose, pose.at(size=max(0.165, pose.size * rng.uniform(0.52, 0.62))), 0.0


def _fall(stage: Stage, candidate: Candidate, pose: Pose, rng: random.Random) -> Poses:
    return pose, pose.at(altitude=0.0, angle=rng.choice((-1, 1)) * rng.uniform(75, 105)), 0.0


def _rise(stage: Stage, candidate: Candidate, pose: Pose, rng: random.Random) -> Poses:
    return pose, pose.at(altitude=min(rng.uniform(0.3, 0.42), 0.78 - pose.size), angle=0.0), 0.0


def _shake(stage: Stage, candidate: Candidate, pose: Pose, rng: random.Random) -> Poses:
    return pose, pose, rng.uniform(14, 22)


def _circle(stage: Stage, candidate: Candidate, pose: Pose, rng: random.Random) -> Poses:
    assert candidate.target is not None
    top = stage.poses[candidate.target].size
    return pose, pose, min(top + rng.uniform(0.02, 0.1), 0.78 - pose.size)


def _hit(stage: Stage, candidate: Candidate, pose: Pose, rng: random.Random) -> Poses:
    assert candidate.target is not None
    faces_left = stage.poses[candidate.target].x < pose.x
    return pose, pose.at(faces_left=faces_left), stage.hit_reach(candidate.subject, candidate.target)


_IN_PLACE: dict[str, Callable[[Stage, Candidate, Pose, random.Random], Poses]] = {
    "jump": _jump,
    "spin": _still,
    "grow": _grow,
    "shrink": _shrink,
    "blink": _still,
    "fall": _fall,
    "rise": _rise,
    "shake": _shake,
    "circle": _circle,
    "hit": _hit,
}
