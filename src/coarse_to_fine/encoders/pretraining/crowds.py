"""Crowds: the objects of a scene and some more, standing anywhere in any way, so that a frame teaches more.

A crowd has no events. Each of its frames is another arrangement of the same objects in the same place, which makes
them hard negatives of each other in everything but names.
"""

from __future__ import annotations

import random
from dataclasses import replace

from coarse_to_fine.data_generation.world.scene import Actor, Pose, Scene
from coarse_to_fine.data_generation.world.vocabulary import COLOURS, KINDS

TILE_ROWS = 3
SHADES = (0.92, 1.0, 1.06)


def crowd(scene: Scene, arrangements: int, rng: random.Random) -> list[Scene]:
    """Scenes without events, one an arrangement, with five to nine objects."""
    cast = _cast(scene, rng.randint(5, 9), rng)
    return [replace(scene, events=(), actors=_arranged(cast, rng)) for _ in range(arrangements)]


def tiles(scene: Scene, rng: random.Random) -> Scene:
    """A scene without events whose objects fill the picture in rows of four: most patches show something."""
    cast = _cast(scene, 4 * TILE_ROWS, rng)
    rng.shuffle(cast)
    actors = []
    for index, (kind, colour) in enumerate(cast):
        row, column = divmod(index, 4)
        size = rng.uniform(0.2, 0.38)
        middle_y = (row + 0.5 + rng.uniform(-0.3, 0.3)) / TILE_ROWS
        pose = _pose(rng).at(
            x=(column + 0.5 + rng.uniform(-0.3, 0.3)) / 4, size=size, altitude=max(0.0, 0.97 - middle_y - 0.5 * size)
        )
        actors.append(Actor(kind, colour, 0.97, pose, rng.choice(SHADES)))
    return replace(scene, events=(), actors=tuple(actors))


def _cast(scene: Scene, wanted: int, rng: random.Random) -> list[tuple[str, str]]:
    """The names of the scene's objects and of others, all different."""
    cast = [(actor.kind, actor.colour) for actor in scene.actors]
    while len(cast) < wanted:
        name = (rng.choice(KINDS), rng.choice(list(COLOURS)))
        if name not in cast:
            cast.append(name)
    return cast


def _arranged(cast: list[tuple[str, str]], rng: random.Random) -> tuple[Actor, ...]:
    return tuple(Actor(kind, colour, rng.uniform(0.76, 0.95), _pose(rng), rng.choice(SHADES)) for kind, colour in cast)


def _pose(rng: random.Random) -> Pose:
    return Pose(
        x=rng.uniform(0.0, 1.0),
        altitude=rng.uniform(0.0, 0.5) if rng.random() < 0.5 else 0.0,
        size=rng.choice(
            (rng.uniform(0.14, 0.24), rng.uniform(0.22, 0.36), rng.uniform(0.22, 0.36), rng.uniform(0.3, 0.55))
        ),
        angle=rng.uniform(-180.0, 180.0) if rng.random() < 0.4 else 0.0,
        faces_left=rng.random() < 0.5,
        alpha=rng.uniform(0.2, 0.8) if rng.random() < 0.15 else 1.0,
        present=rng.random() < 0.85,
    )
