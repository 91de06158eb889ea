"""Sentences about one instant of a scene: what a single frame shows. They teach an image encoder."""

from __future__ import annotations

import random
from dataclasses import dataclass

from coarse_to_fine.data_generation.world.captions import event_sentence, listed, noun, sentence
from coarse_to_fine.data_generation.world.kinds import DRAWINGS
from coarse_to_fine.data_generation.world.motion import actor_pose, subject_pose
from coarse_to_fine.data_generation.world.phrases import (
    AIR_PHRASES,
    FACING_KINDS,
    FADED_PHRASES,
    GROUND_PHRASES,
    LARGE_WORDS,
    PLACE_PHRASES,
    SIDE_PHRASES,
    SMALL_WORDS,
    TURNED_PHRASES,
)
from coarse_to_fine.data_generation.world.scene import Actor, Event, Pose, Scene

EVENT_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Sight:
    """An object as it is seen at one instant; `x` is its middle in the frame, widths, camera included."""

    actor: Actor
    pose: Pose
    x: float


def frame_caption(scene: Scene, time_s: float, rng: random.Random) -> str:
    """What the frame at `time_s` shows: the event going on, or the state of one or several objects and the place."""
    showing = [event for event in scene.events_at(time_s) if is_readable(event, time_s)]
    if showing and rng.random() < EVENT_SHARE:
        return event_sentence(scene, showing[0], rng).text
    seen = sights(scene, time_s)
    place = rng.choice(PLACE_PHRASES[scene.place])
    if not seen:
        return sentence(f"nothing {place}")
    busy = {actor for event in showing for actor in (event.subject, event.target)}
    draw = rng.random()
    if draw < 0.4:
        active = [sight for sight in seen if scene.actors.index(sight.actor) in busy]
        words = described(rng.choice(active if active and rng.random() < 0.6 else seen), rng)
    elif draw < 0.65 and len(seen) > 1:
        first, second = rng.sample(seen, 2)
        words = related(first, second, rng)
    else:
        rng.shuffle(seen)
        words = listed([_short(sight, rng) for sight in seen[: rng.randint(2, 4)]])
    return sentence(f"{words} {place}" if rng.random() < 0.6 else words)


def sights(scene: Scene, time_s: float) -> list[Sight]:
    """The objects of which at least about half is in the frame."""
    camera_x, _ = scene.camera.offset(time_s)
    found = []
    for index, actor in enumerate(scene.actors):
        pose = actor_pose(scene, index, time_s)
        if pose.present and pose.alpha > 0 and 0 <= pose.x - camera_x <= 1:
            found.append(Sight(actor, pose, pose.x - camera_x))
    return found


def is_readable(event: Event, time_s: float) -> bool:
    """Whether a single frame at `time_s` shows that the event goes on."""
    pose = subject_pose(event, time_s)
    if event.action == "jump":
        return pose.altitude > 0.04
    if event.action == "blink":
        return 0 < pose.alpha < 1
    if event.action == "shake":
        return abs(pose.angle) > 4
    if event.action == "spin":
        return abs((pose.angle + 180) % 360 - 180) > 12
    return True


def described(sight: Sight, rng: random.Random) -> str:
    """One object with up to three properties that can be seen."""
    half = DRAWINGS[sight.actor.kind].half_width * sight.pose.size
    properties = [_place_in_frame(sight, half, rng)]
    turned = _turned(sight.pose, rng)
    if turned:
        properties.append(turned)
    if sight.pose.alpha < 1:
        properties.append(rng.choice(FADED_PHRASES))
    if sight.pose.altitude > 0.08:
        properties.append(rng.choice(AIR_PHRASES))
    elif not turned and rng.random() < 0.3:
        properties.append(rng.choice(GROUND_PHRASES))
    if sight.actor.kind in FACING_KINDS and not turned and rng.random() < 0.3:
        properties.append("facing left" if sight.pose.faces_left else "facing right")
    rng.shuffle(properties)
    return " ".join([_short(sight, rng), *properties[: rng.randint(1, 3)]])


def related(first: Sight, second: Sight, rng: random.Random) -> str:
    """Two objects and how they lie to each other."""
    a, b = _short(first, rng), _short(second, rng)
    if first.pose.altitude > second.pose.altitude + 0.15:
        relation = rng.choice(("above", "higher than"))
    elif first.pose.altitude < second.pose.altitude - 0.15:
        relation = rng.choice(("below", "lower than"))
    else:
        relation = rng.choice(("to the left of", "left of") if first.x < second.x else ("to the right of", "right of"))
    return f"{a} {relation} {b}"


def _short(sight: Sight, rng: random.Random) -> str:
    name = sight.actor.name
    if sight.pose.size > 0.42 and rng.random() < 0.7:
        name = f"{rng.choice(LARGE_WORDS)} {name}"
    elif sight.pose.size < 0.19 and rng.random() < 0.7:
        name = f"{rng.choice(SMALL_WORDS)} {name}"
    return noun(name, rng, definite_share=0.3)


def _place_in_frame(sight: Sight, half_width: float, rng: random.Random) -> str:
    if sight.x < 0.6 * half_width:
        return "at the left edge"
    if sight.x > 1 - 0.6 * half_width:
        return "at the right edge"
    third = "left" if sight.x < 0.36 else "right" if sight.x > 0.64 else "middle"
    return rng.choice(SIDE_PHRASES[third])


def _turned(pose: Pose, rng: random.Random) -> str | None:
    angle = (pose.angle + 180) % 360 - 180
    if abs(angle) < 12:
        return None
    if abs(angle) > 140:
        return rng.choice(TURNED_PHRASES["over"])
    return rng.choice(TURNED_PHRASES["right" if angle > 0 else "left"])
