"""Sentences about a scene: one event, the whole video, or one instant.

All choices come from a generator that the caller gives, so that a sentence is reproducible.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from coarse_to_fine.data_generation.world.phrases import (
    COARSE_PHRASES,
    DIRECTED_PHRASES,
    NEAR_PHRASES,
    PLACE_PHRASES,
    PLAIN_PHRASES,
)
from coarse_to_fine.data_generation.world.scene import Event, Scene

DIRECTED_SHARE, PLACE_SHARE, NEAR_SHARE = 0.7, 0.5, 0.4


@dataclass(frozen=True, slots=True)
class EventSentence:
    """A sentence about an event and everything it is true of.

    Attributes:
        text: the sentence.
        windows_s: all windows of the video that it describes, in order of time; the event's own is among them.
    """

    text: str
    windows_s: tuple[tuple[float, float], ...]


def event_sentence(scene: Scene, event: Event, rng: random.Random) -> EventSentence:
    """One paraphrase of what happens in `event`, sometimes with its direction, the place or a bystander."""
    directed = event.direction is not None and rng.random() < DIRECTED_SHARE
    phrases = DIRECTED_PHRASES if directed else PLAIN_PHRASES
    words = {"s": noun(scene.actors[event.subject].name, rng), "d": event.direction or ""}
    if event.target is not None:
        words["t"] = noun(scene.actors[event.target].name, rng)
    parts = [rng.choice(phrases[event.action]).format(**words)]
    twins = [other for other in scene.events if is_twin(event, other, directed)]
    if event.near is not None and event.target is None and len(twins) == 1 and rng.random() < NEAR_SHARE:
        parts.append(rng.choice(NEAR_PHRASES).format(n=noun(scene.actors[event.near].name, rng)))
    if rng.random() < PLACE_SHARE:
        parts.append(rng.choice(PLACE_PHRASES[scene.place]))
    return EventSentence(sentence(" ".join(parts)), tuple(twin.window_s for twin in twins))


def event_sentences(scene: Scene, event: Event, count: int, rng: random.Random) -> tuple[EventSentence, ...]:
    """At most `count` paraphrases with different texts."""
    found: dict[str, EventSentence] = {}
    for _ in range(4 * count):
        if len(found) == count:
            break
        one = event_sentence(scene, event, rng)
        found.setdefault(one.text, one)
    return tuple(found.values())


def is_twin(event: Event, other: Event, directed: bool) -> bool:
    """Whether one sentence describes both events; `directed` says whether it names the direction."""
    return (
        (event.action, event.subject, event.target) == (other.action, other.subject, other.target)
        and (not directed or event.direction == other.direction)
    )  # fmt: skip


def coarse_caption(scene: Scene, variant: int = 0) -> str:
    """A sentence about the whole video: its main objects and its place; variants differ in words and order."""
    rng = random.Random(f"{scene.video_id}/coarse/{variant}")
    names = [scene.actors[actor].name for actor in main_actors(scene)]
    chosen = names[: rng.choice((3, 3, 4, 4, 2))]
    rng.shuffle(chosen)
    objects = listed([noun(name, rng, definite_share=0.0) for name in chosen])
    place = rng.choice(PLACE_PHRASES[scene.place])
    return sentence(rng.choice(COARSE_PHRASES).format(objects=objects, place=place))


def main_actors(scene: Scene) -> tuple[int, ...]:
    """Indices of actors by how long something happens to them, bystanders that are never seen left out."""
    busy = dict.fromkeys(range(len(scene.actors)), 0.0)
    for event in scene.events:
        busy[event.subject] += event.duration_s
        if event.target is not None:
            busy[event.target] += 0.5 * event.duration_s
    shown = [actor for actor in busy if busy[actor] > 0 or scene.actors[actor].start.present]
    return tuple(sorted(shown, key=lambda actor: (-busy[actor], actor)))


def noun(name: str, rng: random.Random, definite_share: float = 0.5) -> str:
    """The name with an article."""
    if rng.random() < definite_share:
        return f"the {name}"
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def sentence(words: str) -> str:
    """First letter large, full stop."""
    return f"{words[0].upper()}{words[1:]}."
