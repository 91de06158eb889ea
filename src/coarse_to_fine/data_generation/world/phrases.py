"""Paraphrases: how actions, places and states are put into words.

`{s}` is the subject, `{t}` the target, `{d}` the direction (a side, or a turn).
"""

from __future__ import annotations

PLAIN_PHRASES: dict[str, tuple[str, ...]] = {
    "enter": ("{s} enters the scene", "{s} comes into view", "{s} moves into the picture"),
    "leave": ("{s} leaves the scene", "{s} goes out of view", "{s} moves out of the picture"),
    "jump": (
        "{s} jumps up and down",
        "{s} hops again and again",
        "{s} is jumping",
        "{s} bounces on the spot",
        "{s} leaps into the air several times",
    ),
    "spin": ("{s} spins around", "{s} rotates on the spot", "{s} is spinning", "{s} turns around and around"),
    "grow": ("{s} grows", "{s} gets bigger", "{s} becomes larger and larger", "{s} is growing", "{s} swells up"),
    "shrink": ("{s} shrinks", "{s} gets smaller", "{s} becomes smaller and smaller", "{s} is shrinking"),
    "blink": (
        "{s} blinks",
        "{s} flickers",
        "{s} keeps appearing and disappearing",
        "{s} fades in and out",
        "{s} is blinking",
    ),
    "fall": (
        "{s} falls to the ground",
        "{s} drops from the air",
        "{s} tumbles down",
        "{s} is falling",
        "{s} comes down and lands on its side",
    ),
    "rise": (
        "{s} rises into the air",
        "{s} floats up",
        "{s} takes off",
        "{s} lifts off the ground",
        "{s} is rising slowly",
    ),
    "shake": ("{s} shakes", "{s} trembles", "{s} wobbles from side to side", "{s} is shaking", "{s} rattles in place"),
    "circle": ("{s} circles {t}", "{s} goes around {t}", "{s} is circling around {t}", "{s} orbits {t}"),
    "pass": ("{s} passes {t}", "{s} moves past {t}", "{s} goes by {t}"),
    "hit": (
        "{s} hits {t}",
        "{s} bumps into {t} again and again",
        "{s} keeps hitting {t}",
        "{s} runs into {t} repeatedly",
        "{s} knocks against {t}",
    ),
    "follow": ("{s} follows {t}", "{s} chases {t}", "{s} is following {t}"),
}

DIRECTED_PHRASES: dict[str, tuple[str, ...]] = {
    "enter": (
        "{s} enters from the {d}",
        "{s} comes in from the {d}",
        "{s} moves into the picture from the {d} side",
        "{s} appears at the {d} edge and comes in",
    ),
    "leave": (
        "{s} leaves to the {d}",
        "{s} goes out of the picture on the {d}",
        "{s} exits on the {d} side",
        "{s} moves off to the {d} and disappears",
    ),
    "spin": ("{s} spins {d}", "{s} turns {d}", "{s} rotates {d} on the spot", "{s} is spinning {d}"),
    "circle": ("{s} circles {t} {d}", "{s} goes {d} around {t}", "{s} moves around {t} {d}"),
    "pass": (
        "{s} passes {t} to the {d}",
        "{s} moves past {t} to the {d}",
        "{s} goes to the {d} in front of {t}",
    ),
    "follow": ("{s} follows {t} to the {d}", "{s} chases {t} to the {d}", "{s} moves after {t} to the {d}"),
}

PLACE_PHRASES: dict[str, tuple[str, ...]] = {
    "beach": ("on the beach", "by the sea"),
    "forest": ("in the forest", "in the woods"),
    "city": ("in the city", "on a city street"),
    "desert": ("in the desert", "on desert sand"),
    "night": ("at night", "under the night sky"),
    "snow": ("in the snow", "in front of snowy mountains"),
    "kitchen": ("in the kitchen", "in a kitchen"),
    "underwater": ("under water", "at the bottom of the sea"),
}

NEAR_PHRASES: tuple[str, ...] = ("near {n}", "next to {n}", "beside {n}")

COARSE_PHRASES: tuple[str, ...] = (
    "{objects} {place}",
    "{place}, {objects} can be seen",
    "a video of {objects} {place}",
    "{objects} moving about {place}",
    "a scene {place} with {objects}",
    "several things happen to {objects} {place}",
)

SIDE_PHRASES: dict[str, tuple[str, ...]] = {
    "left": ("on the left", "on the left side"),
    "middle": ("in the middle", "in the centre"),
    "right": ("on the right", "on the right side"),
}
AIR_PHRASES: tuple[str, ...] = ("in the air", "above the ground")
GROUND_PHRASES: tuple[str, ...] = ("on the ground",)
LARGE_WORDS: tuple[str, ...] = ("large", "big")
SMALL_WORDS: tuple[str, ...] = ("small", "little")
FADED_PHRASES: tuple[str, ...] = ("half transparent", "faded")
TURNED_PHRASES: dict[str, tuple[str, ...]] = {
    "left": ("tilted to the left", "leaning to the left"),
    "right": ("tilted to the right", "leaning to the right"),
    "over": ("upside down", "turned upside down"),
}
FACING_KINDS: frozenset[str] = frozenset({"cat", "dog", "fish", "duck", "snail", "car", "bus", "plane"})
