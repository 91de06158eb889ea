"""Labels that pictures and sentences share: what is there, where and how it stands, what happens, and the place.

One linear head reads them from the embeddings of both towers, so that both put the same fact into the same direction.
A family is a set of labels that are weighed against each other.
"""

from __future__ import annotations

from collections.abc import Sequence

from coarse_to_fine.data_generation.world.frame_captions import Sight
from coarse_to_fine.data_generation.world.vocabulary import ACTION_NAMES, COLOURS, KINDS, PLACES
from coarse_to_fine.encoders.pretraining.states import state_of

STATES: dict[str, tuple[str, ...]] = {
    "side": ("left", "middle", "right"),
    "turn": ("no", "left", "right", "over"),
    "height": ("ground", "low", "air"),
    "size": ("small", "usual", "large"),
    "faded": ("no", "yes"),
    "facing": ("left", "right"),
}


def _families() -> dict[str, dict[tuple[str, ...], int]]:
    families: dict[str, list[tuple[str, ...]]] = {
        "kind": [(kind,) for kind in KINDS],
        "colour": [(colour,) for colour in COLOURS],
        "pair": [(kind, colour) for kind in KINDS for colour in COLOURS],
        "place": [(place,) for place in PLACES],
        "action": [(action,) for action in ACTION_NAMES],
    }
    for name, values in STATES.items():
        families[f"colour-{name}"] = [(colour, value) for colour in COLOURS for value in values]
        families[f"kind-{name}"] = [(kind, value) for kind in KINDS for value in values]
    start = 0
    numbered = {}
    for family, labels in families.items():
        numbered[family] = {label: start + index for index, label in enumerate(labels)}
        start += len(labels)
    return numbered


FAMILIES = _families()
LABELS = sum(len(labels) for labels in FAMILIES.values())
BOUNDS: tuple[tuple[int, int], ...] = tuple(
    (min(labels.values()), max(labels.values()) + 1) for labels in FAMILIES.values()
)


def object_labels(sight: Sight, said: Sequence[str] | None = None) -> list[int]:
    """Labels of one object; `said` names the properties of its state that count, by default all."""
    kind, colour = sight.actor.kind, sight.actor.colour
    found = [FAMILIES["kind"][kind,], FAMILIES["colour"][colour,], FAMILIES["pair"][kind, colour]]
    for name, value in state_of(sight).items():
        if said is None or name in said:
            found += [FAMILIES[f"colour-{name}"][colour, value], FAMILIES[f"kind-{name}"][kind, value]]
    return found


def named_labels(names: Sequence[tuple[str, str]]) -> list[int]:
    """Labels of objects of which only kind and colour are told."""
    found = []
    for kind, colour in names:
        found += [FAMILIES["kind"][kind,], FAMILIES["colour"][colour,], FAMILIES["pair"][kind, colour]]
    return found


def place_label(place: str) -> int:
    return FAMILIES["place"][place,]


def action_label(action: str) -> int:
    return FAMILIES["action"][action,]
