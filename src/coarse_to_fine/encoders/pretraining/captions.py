"""Captions of single frames of a scene, with the exact truth of each caption about all frames drawn from that scene.

A caption is about the event going on or about the state of one or several objects; since the scene is known, it is
known for every frame whether it holds there. That makes frames of one scene hard negatives without false ones.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from coarse_to_fine.data_generation.world.captions import event_sentence, listed, noun, sentence
from coarse_to_fine.data_generation.world.frame_captions import Sight, is_readable, sights
from coarse_to_fine.data_generation.world.phrases import (
    AIR_PHRASES,
    FADED_PHRASES,
    GROUND_PHRASES,
    LARGE_WORDS,
    PLACE_PHRASES,
    SIDE_PHRASES,
    SMALL_WORDS,
    TURNED_PHRASES,
)
from coarse_to_fine.data_generation.world.scene import Event, Scene
from coarse_to_fine.data_generation.world.vocabulary import COLOURS, KINDS
from coarse_to_fine.encoders.pretraining.labels import action_label, named_labels, object_labels, place_label
from coarse_to_fine.encoders.pretraining.states import state_of

HOLDS, FAILS, UNCLEAR = 1, 0, -1
PLACE_SHARE = 0.5
_COLOURS = tuple(COLOURS)


@dataclass(frozen=True, slots=True)
class FrameCaption:
    """A sentence and what is known of it.

    Attributes:
        text: the sentence.
        truth: for each frame drawn from the scene, HOLDS, FAILS or UNCLEAR.
        labels: what it says (`labels.py`).
    """

    text: str
    truth: tuple[int, ...]
    labels: tuple[int, ...] = ()


def captions_of_frame(
    scene: Scene,
    times_s: Sequence[float],
    frame: int,
    count: int,
    rng: random.Random,
    seen: Sequence[Sequence[Sight]] | None = None,
) -> list[FrameCaption]:
    """`count` captions of one frame; the first is about the event going on, if a single frame shows it.

    Args:
        scene: the scene.
        times_s: the instants of all frames drawn from it.
        frame: index of the frame that is described.
        count: how many captions.
        rng: chooses facts and words.
        seen: the objects in each frame, if they are not those of the scene at these instants.
    """
    seen = seen or [sights(scene, time_s) for time_s in times_s]
    captions = []
    event = readable_event(scene, times_s[frame])
    if event is not None:
        captions.append(event_caption(scene, event, times_s, rng))
    while len(captions) < count:
        captions.append(state_caption(scene, seen, frame, rng))
    return captions[:count]


def readable_event(scene: Scene, time_s: float) -> Event | None:
    """The event that a single frame at this time shows."""
    return next((event for event in scene.events_at(time_s) if is_readable(event, time_s)), None)


def event_caption(scene: Scene, event: Event, times_s: Sequence[float], rng: random.Random) -> FrameCaption:
    """A sentence about an event. Within its windows, frames that do not show it are UNCLEAR."""
    told = event_sentence(scene, event, rng)

    def truth(time_s: float) -> int:
        if not any(start <= time_s < end for start, end in told.windows_s):
            return FAILS
        return HOLDS if readable_event(scene, time_s) is not None else UNCLEAR

    named = [scene.actors[event.subject]] + ([scene.actors[event.target]] if event.target is not None else [])
    labels = [action_label(event.action), *named_labels([(actor.kind, actor.colour) for actor in named])]
    if any(phrase in told.text for phrase in PLACE_PHRASES[scene.place]):
        labels.append(place_label(scene.place))
    return FrameCaption(told.text, tuple(truth(time_s) for time_s in times_s), tuple(labels))


def state_caption(scene: Scene, seen: Sequence[Sequence[Sight]], frame: int, rng: random.Random) -> FrameCaption:
    """A sentence about one object's state, about how two objects lie to each other, or a list of objects."""
    here = list(seen[frame])
    place = rng.choice(PLACE_PHRASES[scene.place])
    if not here:
        return FrameCaption(sentence(f"nothing {place}"), tuple(int(not others) for others in seen))
    draw = rng.random()
    if draw < 0.6 or len(here) == 1:
        words, holds, labels = _of_one(rng.choice(here), rng)
    elif draw < 0.85:
        first, second = rng.sample(here, 2)
        words, holds, labels = _of_two(first, second, rng)
    else:
        words, holds, labels = _of_several(rng.sample(here, min(len(here), rng.randint(2, 4))), rng)
    if rng.random() < PLACE_SHARE:
        words = f"{words} {place}"
        labels.append(place_label(scene.place))
    return FrameCaption(sentence(words), tuple(HOLDS if holds(others) else FAILS for others in seen), tuple(labels))


def distractor(caption: FrameCaption, scene: Scene, frame: int, rng: random.Random) -> FrameCaption:
    """The caption with another kind, another colour or the other side, so that it fails on its frame.

    An object that the scene does not have fails on all its frames; with sides swapped the other frames are UNCLEAR.
    A caption without an object's name is told of an object that is not there.
    """
    names = {actor.name for actor in scene.actors}
    told = [actor for actor in scene.actors if re.search(rf"\b{actor.name}\b", caption.text)]
    if told and re.search(r"\b(left|right)\b", caption.text) and rng.random() < 0.3:
        truth = [UNCLEAR] * len(caption.truth)
        truth[frame] = FAILS
        return FrameCaption(_sides_swapped(caption.text), tuple(truth))
    kind, colour = rng.choice(KINDS), rng.choice(_COLOURS)
    actor = rng.choice(told) if told else None
    if actor is not None:
        kind, colour = (kind, actor.colour) if rng.random() < 0.6 else (actor.kind, colour)
    while f"{colour} {kind}" in names:
        kind = rng.choice(KINDS)
    text = f"A {colour} {kind}."
    if actor is not None:
        text = re.sub(
            rf"\b([Aa])n? {actor.name}\b", rf"\1{'n' if colour[0] in 'aeiou' else ''} {colour} {kind}", caption.text
        )
        text = re.sub(rf"\b{actor.name}\b", f"{colour} {kind}", text)
    return FrameCaption(text, (FAILS,) * len(caption.truth))


def _sides_swapped(text: str) -> str:
    return re.sub(r"\b(left|right)\b", lambda found: "right" if found[0] == "left" else "left", text)


Predicate = Callable[[Sequence[Sight]], bool]


def _of_one(sight: Sight, rng: random.Random) -> tuple[str, Predicate, list[int]]:
    """What is said of one object, the test whether other pictures show that too, and its labels."""
    state = state_of(sight)
    said: dict[str, str] = {"side": rng.choice(SIDE_PHRASES[state["side"]])} if rng.random() < 0.75 else {}
    if state["turn"] != "no" and rng.random() < 0.7:
        said["turn"] = rng.choice(TURNED_PHRASES[state["turn"]])
    if state["faded"] == "yes" and rng.random() < 0.7:
        said["faded"] = rng.choice(FADED_PHRASES)
    if state["height"] == "air" and rng.random() < 0.6:
        said["height"] = rng.choice(AIR_PHRASES)
    elif state["height"] == "ground" and rng.random() < 0.2:
        said["height"] = rng.choice(GROUND_PHRASES)
    if "facing" in state and state["turn"] == "no" and rng.random() < 0.25:
        said["facing"] = f"facing {state['facing']}"
    name = sight.actor.name
    if state["size"] != "usual" and rng.random() < 0.7:
        said["size"] = ""
        name = f"{rng.choice(LARGE_WORDS if state['size'] == 'large' else SMALL_WORDS)} {name}"
    phrases = [phrase for phrase in said.values() if phrase]
    rng.shuffle(phrases)

    def holds(others: Sequence[Sight]) -> bool:
        found = _same(others, sight)
        if found is None:
            return False
        there = state_of(found)
        return all(there[name] == state[name] for name in said)

    return " ".join([noun(name, rng, definite_share=0.3), *phrases]), holds, object_labels(sight, tuple(said))


def _of_two(first: Sight, second: Sight, rng: random.Random) -> tuple[str, Predicate, list[int]]:
    """As `_of_one`, of where one object is from another."""
    relation = _relation(first, second)
    words = {
        "above": ("above", "higher than"),
        "below": ("below", "lower than"),
        "left": ("to the left of", "left of"),
        "right": ("to the right of", "right of"),
    }[relation]

    def holds(others: Sequence[Sight]) -> bool:
        a = _same(others, first)
        b = _same(others, second)
        return a is not None and b is not None and _relation(a, b) == relation

    a, b = (noun(sight.actor.name, rng, definite_share=0.3) for sight in (first, second))
    labels = named_labels([(sight.actor.kind, sight.actor.colour) for sight in (first, second)])
    return f"{a} {rng.choice(words)} {b}", holds, labels


def _same(others: Sequence[Sight], sight: Sight) -> Sight | None:
    """The same object in another frame; its name is its own within a scene."""
    return next((other for other in others if other.actor.name == sight.actor.name), None)


def _relation(first: Sight, second: Sight) -> str:
    if abs(first.pose.altitude - second.pose.altitude) > 0.15:
        return "above" if first.pose.altitude > second.pose.altitude else "below"
    return "left" if first.x < second.x else "right"


def _of_several(chosen: Sequence[Sight], rng: random.Random) -> tuple[str, Predicate, list[int]]:
    """As `_of_one`, of which objects are there."""
    wanted = {sight.actor.name for sight in chosen}

    def holds(others: Sequence[Sight]) -> bool:
        return wanted <= {other.actor.name for other in others}

    labels = named_labels([(sight.actor.kind, sight.actor.colour) for sight in chosen])
    return listed([noun(sight.actor.name, rng, definite_share=0.3) for sight in chosen]), holds, labels
