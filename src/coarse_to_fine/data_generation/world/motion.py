"""Where every object is at an instant: the paths of the actions as pure functions of the fraction of the event done.

Every path starts at the pose before its event and ends at the pose after it, so that an object never jumps.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from coarse_to_fine.data_generation.world.scene import Event, Pose, Scene

Path = Callable[[Event, float], Pose]

RAMP = 0.12  # fraction of the event in which a repeated motion comes to full size and dies down
DIP = 0.07  # how far a circling object comes forward in front of its target, heights


def actor_pose(scene: Scene, actor: int, time_s: float) -> Pose:
    """Pose of actor number `actor` at `time_s` seconds."""
    pose = scene.actors[actor].start
    for event in scene.events:
        if event.start_s > time_s:
            break
        if event.subject == actor:
            pose = event.after if time_s >= event.end_s else subject_pose(event, time_s)
        elif event.target == actor:
            done = time_s >= event.end_s
            pose = _given(event.target_after) if done else target_pose(event, time_s)
    return pose


def subject_pose(event: Event, time_s: float) -> Pose:
    """Pose of the subject while its event goes on."""
    return _SUBJECT_PATHS[event.action](event, _done(event, time_s))


def target_pose(event: Event, time_s: float) -> Pose:
    """Pose of the target while the event goes on."""
    done = _done(event, time_s)
    before, after = _given(event.target_before), _given(event.target_after)
    if event.action == "hit":
        return _jolted(event, before, done)
    if event.action == "follow":
        return _walk(before, after, done, event.repeats)
    return before


def _done(event: Event, time_s: float) -> float:
    return min(1.0, max(0.0, (time_s - event.start_s) / event.duration_s))


def _given(pose: Pose | None) -> Pose:
    assert pose is not None  # an event with a target always holds both of its poses
    return pose


def _mix(a: float, b: float, share: float) -> float:
    return a + (b - a) * share


def _swell(done: float) -> float:
    """0 at both ends, 1 between the ramps."""
    return min(1.0, done / RAMP, (1.0 - done) / RAMP)


def _travel(event: Event, done: float) -> Pose:
    """Enter and leave: a straight walk with small steps; the object is drawn for the whole event."""
    return _walk(event.before.at(present=True), event.after.at(present=True), done, event.repeats)


def _walk(before: Pose, after: Pose, done: float, steps: int) -> Pose:
    step = 0.012 * abs(math.sin(math.pi * steps * done))
    faces_left = after.x < before.x if after.x != before.x else before.faces_left
    return before.at(x=_mix(before.x, after.x, done), altitude=before.altitude + step, faces_left=faces_left)


def _jump(event: Event, done: float) -> Pose:
    height = event.reach * abs(math.sin(math.pi * event.repeats * done))
    return event.before.at(altitude=event.before.altitude + height)


def _spin(event: Event, done: float) -> Pose:
    sign = 1.0 if event.direction == "clockwise" else -1.0
    return event.before.at(angle=event.before.angle + sign * 360.0 * event.repeats * done)


def _resize(event: Event, done: float) -> Pose:
    return event.before.at(size=_mix(event.before.size, event.after.size, done))


def _blink(event: Event, done: float) -> Pose:
    phase = (event.repeats * done) % 1.0
    alpha = 0.35 if phase < 0.3 else 0.0 if phase < 0.5 else 0.35 if phase < 0.65 else 1.0
    return event.before.at(alpha=1.0 if done >= 1.0 else alpha)


def _fall(event: Event, done: float) -> Pose:
    sway = 0.02 * math.sin(math.tau * event.repeats * done)
    return event.before.at(
        x=event.before.x + sway,
        altitude=_mix(event.before.altitude, 0.0, done),
        angle=_mix(event.before.angle, event.after.angle, done),
    )


def _rise(event: Event, done: float) -> Pose:
    return event.before.at(
        altitude=_mix(event.before.altitude, event.after.altitude, done),
        angle=_mix(event.before.angle, event.after.angle, min(1.0, 2 * done)),
    )


def _shake(event: Event, done: float) -> Pose:
    swing = math.sin(math.tau * event.repeats * done) * min(1.0, 2 * _swell(done))
    return event.before.at(x=event.before.x + 0.03 * swing, angle=event.before.angle + event.reach * swing)


def _circle(event: Event, done: float) -> Pose:
    """Once or more round the target: side, above, other side, in front; clockwise as seen on the picture."""
    middle = _given(event.target_before).x
    radius = abs(event.before.x - middle)
    from_left = event.before.x < middle
    sign = 1.0 if event.direction == "clockwise" else -1.0
    turn = math.tau * event.repeats * done
    theta = (math.pi - sign * turn) if from_left else -sign * turn  # counterclockwise angle on the picture
    up = math.sin(theta)
    altitude = event.before.altitude + (event.reach if up > 0 else DIP) * up
    moving_left = sign * up < 0
    return event.before.at(
        x=middle + radius * math.cos(theta), altitude=altitude, faces_left=moving_left, in_front=up < -1e-6
    )


def _pass(event: Event, done: float) -> Pose:
    return _walk(event.before, event.after, done, event.repeats).at(in_front=True)


def _hit(event: Event, done: float) -> Pose:
    """Repeated charges: up to the target, then back."""
    phase = (event.repeats * done) % 1.0
    near = phase / 0.55 if phase < 0.55 else (1.0 - phase) / 0.45
    target = _given(event.target_before).x
    toward = event.before.x + (target - event.before.x) * event.reach * near
    return event.before.at(x=toward, faces_left=target < event.before.x, in_front=True)


def _jolted(event: Event, before: Pose, done: float) -> Pose:
    phase = (event.repeats * done) % 1.0
    jolt = max(0.0, 1.0 - abs(phase - 0.62) / 0.18)
    away = 1.0 if before.x > event.before.x else -1.0
    return before.at(x=before.x + 0.03 * jolt * away, angle=before.angle + 16.0 * jolt * away)


def is_contact(event: Event, time_s: float) -> bool:
    """Whether a hitting object touches its target at `time_s`."""
    return event.action == "hit" and 0.48 < (event.repeats * _done(event, time_s)) % 1.0 < 0.66


_SUBJECT_PATHS: dict[str, Path] = {
    "enter": _travel,
    "leave": _travel,
    "jump": _jump,
    "spin": _spin,
    "grow": _resize,
    "shrink": _resize,
    "blink": _blink,
    "fall": _fall,
    "rise": _rise,
    "shake": _shake,
    "circle": _circle,
    "pass": _pass,
    "hit": _hit,
    "follow": lambda event, done: _walk(event.before, event.after, done, event.repeats),
}
