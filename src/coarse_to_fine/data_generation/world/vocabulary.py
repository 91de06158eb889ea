"""The words of the drawn world: kinds of objects, colours, actions with their directions, places and splits."""

from __future__ import annotations

from dataclasses import dataclass

KINDS: tuple[str, ...] = (
    "cat", "dog", "fish", "duck", "butterfly", "snail", "car", "bus", "boat", "plane", "rocket", "ball", "tree",
    "house", "star", "heart", "flower", "umbrella", "balloon", "mushroom", "mug", "robot", "key", "chair", "hat",
    "bell",
)  # fmt: skip

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (212, 38, 38),
    "orange": (231, 126, 24),
    "yellow": (231, 208, 40),
    "green": (44, 150, 58),
    "blue": (42, 84, 214),
    "purple": (122, 46, 168),
    "pink": (231, 132, 186),
    "white": (226, 226, 222),
}

PLACES: tuple[str, ...] = ("beach", "forest", "city", "desert", "night", "snow", "kitchen", "underwater")

SIDES: tuple[str, ...] = ("left", "right")
TURNS: tuple[str, ...] = ("clockwise", "counterclockwise")


@dataclass(frozen=True, slots=True)
class ActionRule:
    """What an action needs.

    Attributes:
        name: the action.
        directions: its directions; empty where it has none. For `enter` the side it comes from, else the side it
            goes to.
        min_s: shortest length, seconds, in which frames every 2 s show it.
    """

    name: str
    directions: tuple[str, ...] = ()
    min_s: float = 4.0


ACTIONS: tuple[ActionRule, ...] = (
    ActionRule("enter", SIDES),
    ActionRule("leave", SIDES),
    ActionRule("jump"),
    ActionRule("spin", TURNS, min_s=6.0),
    ActionRule("grow"),
    ActionRule("shrink"),
    ActionRule("blink"),
    ActionRule("fall"),
    ActionRule("rise"),
    ActionRule("shake"),
    ActionRule("circle", TURNS, min_s=7.0),
    ActionRule("pass", SIDES),
    ActionRule("hit", min_s=5.0),
    ActionRule("follow", SIDES),
)
ACTION_NAMES: tuple[str, ...] = tuple(rule.name for rule in ACTIONS)

SPLITS: tuple[str, ...] = ("train", "val", "test", "test_composition")
COMPOSITION_SPLIT = "test_composition"

_KIND_INDEX = {name: index for index, name in enumerate(KINDS)}
_COLOUR_INDEX = {name: index for index, name in enumerate(COLOURS)}
_ACTION_INDEX = {name: index for index, name in enumerate(ACTION_NAMES)}


def is_held_out(kind: str, colour: str, action: str) -> bool:
    """Whether the triple is kept for `test_composition`: one in ten, at most one colour of each (kind, action).

    All three multipliers are coprime to 10, so that every pair of words keeps at least seven tenths of its triples.
    """
    return (3 * _KIND_INDEX[kind] + 7 * _COLOUR_INDEX[colour] + 9 * _ACTION_INDEX[action]) % 10 == 0
