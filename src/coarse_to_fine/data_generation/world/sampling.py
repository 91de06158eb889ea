"""Sampling a whole scene from a split and a seed."""

from __future__ import annotations

import random

from coarse_to_fine.data_generation.world.backgrounds import VARIANTS
from coarse_to_fine.data_generation.world.scene import Actor, Camera, Encoding, Event, Pose, Scene
from coarse_to_fine.data_generation.world.stage import SLOTS, Candidate, Stage
from coarse_to_fine.data_generation.world.staging import perform
from coarse_to_fine.data_generation.world.vocabulary import (
    COLOURS,
    COMPOSITION_SPLIT,
    KINDS,
    PLACES,
    SPLITS,
    is_held_out,
)
from coarse_to_fine.errors import ConfigError

WORLD_VERSION = 1
SHORTEST_EVENT_S, LONGEST_EVENT_S = 4.0, 25.0
SHORTEST_GAP_S = 0.4
_ATTEMPTS = 200

_SIZES = {
    (160, 120): 5, (192, 144): 4, (240, 180): 3, (256, 144): 4, (320, 180): 3, (320, 240): 3, (480, 270): 1,
    (480, 360): 1, (640, 360): 1,
}  # fmt: skip
_FPS = {12: 5, 15: 5, 20: 1, 24: 1, 25: 2, 30: 2}
_KEY_DISTANCES = (12, 25, 50, 100, 250)
_NOISES = (0, 6, 12, 12, 18, 24)
_RARER: dict[str, float] = {
    "circle": 5.0, "hit": 3.2, "pass": 3.2, "enter": 2.4, "leave": 1.8, "spin": 1.8, "follow": 1.7, "fall": 1.4,
}  # fmt: skip


def sample_scene(seed: int, split: str = "train") -> Scene:
    """A scene that depends on `seed` and `split` alone; two splits never share one.

    In every scene some object does two different actions and some action is done by two different objects. Triples
    (kind, colour, action) that `is_held_out` occur in `test_composition` only, at least twice in each of its scenes.

    Args:
        seed: any integer from 0.
        split: one of SPLITS.

    Raises:
        ConfigError: an unknown split or a negative seed.
    """
    if split not in SPLITS or seed < 0:
        raise ConfigError(
            f"split {split!r} with seed {seed}; expected one of {', '.join(SPLITS)} and a seed from 0; correct them"
        )
    for attempt in range(_ATTEMPTS):
        scene = _attempt(seed, split, random.Random(f"world/{WORLD_VERSION}/{split}/{seed}/{attempt}"))
        if _is_hard(scene.events) and (split != COMPOSITION_SPLIT or sum(e.held_out for e in scene.events) >= 2):
            return scene
    raise AssertionError(f"no scene for {split} {seed}")


def _attempt(seed: int, split: str, rng: random.Random) -> Scene:
    encoding = _encoding(rng)
    ticks = round(min(180.0, 30.0 + rng.gammavariate(2.0, 20.0)) * encoding.fps)
    duration_s = ticks / encoding.fps
    camera = Camera(
        rng.uniform(0.0, 0.055), rng.uniform(0.0, 0.03), rng.uniform(25, 90), rng.uniform(25, 90), rng.uniform(0, 6.28)
    )
    stage = _stage(_cast(rng), encoding.width / encoding.height, rng)
    actors = tuple(stage.actors)
    events = _events(stage, _windows(duration_s, rng), camera, split, rng)
    return Scene(
        video_id=f"{split}-{seed:06d}",
        split=split,
        seed=seed,
        duration_s=duration_s,
        place=rng.choice(PLACES),
        place_variant=rng.randrange(VARIANTS),
        camera=camera,
        noise=rng.choice(_NOISES),
        actors=actors,
        events=events,
        encoding=encoding,
    )


def _is_hard(events: tuple[Event, ...]) -> bool:
    """Whether one object does two actions and one action is done by two objects."""
    pairs = [(event.subject, event.action) for event in events]
    actions_of: dict[int, set[str]] = {}
    subjects_of: dict[str, set[int]] = {}
    for subject, action in pairs:
        actions_of.setdefault(subject, set()).add(action)
        subjects_of.setdefault(action, set()).add(subject)
    return max(map(len, actions_of.values())) > 1 and max(map(len, subjects_of.values())) > 1


def _encoding(rng: random.Random) -> Encoding:
    width, height = rng.choices(list(_SIZES), list(_SIZES.values()))[0]
    fps = rng.choices(list(_FPS), list(_FPS.values()))[0]
    return Encoding(width, height, fps, rng.random() < 0.2, rng.choice(_KEY_DISTANCES), rng.randint(22, 29))


def _cast(rng: random.Random) -> list[tuple[str, str]]:
    """Names of the objects: often two of one kind in other colours, or of one colour and other kinds."""
    wanted = rng.randint(4, 7)
    cast = [(rng.choice(KINDS), rng.choice(list(COLOURS)))]
    while len(cast) < wanted:
        draw = rng.random()
        kind = rng.choice(cast)[0] if draw < 0.3 else rng.choice(KINDS)
        colour = rng.choice(cast)[1] if 0.3 <= draw < 0.5 else rng.choice(list(COLOURS))
        if (kind, colour) not in cast:
            cast.append((kind, colour))
    return cast


def _stage(cast: list[tuple[str, str]], aspect: float, rng: random.Random) -> Stage:
    most = rng.choice((3, 4, 4, 5))
    shown = rng.randint(2, min(most, 4))
    slots = rng.sample(range(len(SLOTS)), shown)
    grounds = [0.80 + 0.13 * (index + rng.random()) / len(cast) for index in range(len(cast))]
    rng.shuffle(grounds)
    stage = Stage([], aspect, most, [])
    for index, (kind, colour) in enumerate(cast):
        size = rng.uniform(0.24, 0.36)
        pose = Pose(x=0.5, size=size, present=False)
        if index < shown:
            high = rng.uniform(0.28, 0.4) if rng.random() < 0.22 else 0.0
            pose = Pose(stage.spot(slots[index], rng), high, size, faces_left=rng.random() < 0.5)
            stage.slots[index] = slots[index]
        stage.actors.append(Actor(kind, colour, grounds[index], pose, rng.choice((0.92, 1.0, 1.06))))
        stage.poses.append(pose)
    return stage


def _windows(duration_s: float, rng: random.Random) -> list[tuple[float, float]]:
    """Disjoint windows with gaps before, between and after them."""
    count = min(10, max(4, round(duration_s / rng.uniform(7.5, 13.0))))
    lengths = [rng.lognormvariate(0.0, 0.45) for _ in range(count)]
    scale = duration_s * rng.uniform(0.58, 0.82) / sum(lengths)
    lengths = [min(LONGEST_EVENT_S, max(SHORTEST_EVENT_S, length * scale)) for length in lengths]
    room = duration_s - SHORTEST_GAP_S * (count + 1) - SHORTEST_EVENT_S * count
    above = sum(lengths) - SHORTEST_EVENT_S * count
    squeeze = min(1.0, 0.95 * room / above) if above > 0 else 1.0
    lengths = [SHORTEST_EVENT_S + (length - SHORTEST_EVENT_S) * squeeze for length in lengths]
    gaps = [rng.random() for _ in range(count + 1)]
    spare = (duration_s - SHORTEST_GAP_S * (count + 1) - sum(lengths)) / sum(gaps)
    windows = []
    now = 0.0
    for gap, length in zip(gaps, lengths):
        now += SHORTEST_GAP_S + gap * spare
        windows.append((round(now, 2), round(now + length, 2)))
        now += length
    return windows


def _events(
    stage: Stage, windows: list[tuple[float, float]], camera: Camera, split: str, rng: random.Random
) -> tuple[Event, ...]:
    events: list[Event] = []
    for start_s, end_s in windows:
        candidates = stage.candidates(end_s - start_s)
        weights = _weights(stage, candidates, events, split)
        candidate = rng.choices(candidates, weights)[0]
        events.append(perform(stage, candidate, start_s, end_s, camera, rng))
    return tuple(events)


def _weights(stage: Stage, candidates: list[Candidate], events: list[Event], split: str) -> list[float]:
    """Every action equally likely, shared by its candidates; twins of what has happened already are preferred."""
    shares: dict[str, int] = {}
    for candidate in candidates:
        shares[candidate.action] = shares.get(candidate.action, 0) + 1
    past = {(event.subject, event.action) for event in events}
    exact = {(event.subject, event.action, event.direction) for event in events}
    actions, subjects = {action for _, action in past}, {subject for subject, _ in past}
    weights = []
    for c in candidates:
        weight = _RARER.get(c.action, 1.0) / shares[c.action]
        if (c.subject, c.action, c.direction) in exact:
            weight *= 0.25
        elif (c.subject, c.action) not in past:
            weight *= (2.0 if c.action in actions else 1.0) * (1.8 if c.subject in subjects else 1.0)
        weights.append(weight * _held_out_factor(stage, c, split))
    return weights


def _held_out_factor(stage: Stage, candidate: Candidate, split: str) -> float:
    """0 where the triple must not occur, more than 1 where it should."""
    subject = stage.actors[candidate.subject]
    if candidate.target is not None:
        target = stage.actors[candidate.target]
        if is_held_out(target.kind, target.colour, candidate.action):
            return 0.0
    if is_held_out(subject.kind, subject.colour, candidate.action):
        return 6.0 if split == COMPOSITION_SPLIT else 0.0
    return 1.0
