"""Captions of frames are true where they say so, checked against the scene."""

from __future__ import annotations

import random
import re

import pytest

from coarse_to_fine.data_generation.world.frame_captions import sights
from coarse_to_fine.data_generation.world.sampling import sample_scene
from coarse_to_fine.encoders.pretraining.captions import (
    FAILS,
    HOLDS,
    UNCLEAR,
    captions_of_frame,
    distractor,
    event_caption,
    readable_event,
    state_caption,
)
from coarse_to_fine.encoders.pretraining.labels import FAMILIES
from coarse_to_fine.encoders.pretraining.samples import frame_labels, frame_times
from coarse_to_fine.encoders.pretraining.states import state_of


@pytest.mark.parametrize("seed", range(20))
def test_a_caption_holds_on_its_own_frame(seed: int) -> None:
    scene, rng = sample_scene(seed), random.Random(seed)
    times = frame_times(scene, 4, rng)
    for frame in range(4):
        for caption in captions_of_frame(scene, times, frame, 3, rng):
            assert caption.truth[frame] == HOLDS, caption.text
            assert len(caption.truth) == 4


def test_an_event_caption_fails_outside_its_windows_and_is_unclear_where_nothing_shows() -> None:
    unclear = 0
    for seed in range(30):
        scene = sample_scene(seed)
        for event in scene.events:
            times = [event.start_s - 0.05, event.end_s + 0.05, *(event.start_s + k * 0.3 for k in range(12))]
            truth = event_caption(scene, event, times, random.Random(seed)).truth
            twins = [o for o in scene.events if o.action == event.action and o.subject == event.subject and o != event]
            assert truth[:2] == (FAILS, FAILS) or twins
            for time_s, found in zip(times[2:], truth[2:]):
                if time_s < event.end_s:
                    assert found == (HOLDS if readable_event(scene, time_s) else UNCLEAR)
                    unclear += found == UNCLEAR
    assert unclear > 0


def test_sides_are_those_of_the_picture() -> None:
    for seed in range(20):
        for sight in sights(sample_scene(seed), 3.0):
            side = state_of(sight)["side"]
            assert (side == "left") == (sight.x < 0.36)
            assert (side == "right") == (sight.x > 0.64)


def test_captions_follow_from_the_generator() -> None:
    scene = sample_scene(4)
    times = frame_times(scene, 4, random.Random(1))
    assert captions_of_frame(scene, times, 0, 5, random.Random(2)) == captions_of_frame(
        scene, times, 0, 5, random.Random(2)
    )


def test_a_distractor_fails_on_its_frame_and_names_no_object_of_the_scene() -> None:
    swapped = 0
    for seed in range(40):
        scene, rng = sample_scene(seed), random.Random(seed)
        times = frame_times(scene, 3, rng)
        for frame in range(3):
            caption = captions_of_frame(scene, times, frame, 1, rng)[0]
            false = distractor(caption, scene, frame, rng)
            assert false.truth[frame] == FAILS
            assert false.text != caption.text
            if UNCLEAR in false.truth:
                swapped += 1
                words = zip(caption.text.rstrip(".").split(), false.text.rstrip(".").split())
                assert {pair for pair in words if pair[0] != pair[1]} <= {("left", "right"), ("right", "left")}
            else:
                assert not re.search(r"\ban? (?=[^aeiou])n ", false.text)
                told = [a.name for a in scene.actors if re.search(rf"\b{a.name}\b", caption.text)]
                kept = [a.name for a in scene.actors if re.search(rf"\b{a.name}\b", false.text)]
                assert len(kept) < len(told) or not told
    assert swapped > 0


def test_what_a_caption_of_a_state_says_is_true_of_its_frame() -> None:
    said = set()
    for seed in range(30):
        scene, rng = sample_scene(seed), random.Random(seed)
        times = frame_times(scene, 3, rng)
        for frame, time_s in enumerate(times):
            seen = [sights(scene, at) for at in times]
            caption = state_caption(scene, seen, frame, rng)
            assert set(caption.labels) <= set(frame_labels(scene, time_s)), caption.text
            said |= {name for name, labels in FAMILIES.items() if set(labels.values()) & set(caption.labels)}
    assert {"kind", "colour", "pair", "place", "colour-side", "kind-side"} <= said


def test_labels_of_an_event_name_its_action_and_its_objects() -> None:
    for seed in range(10):
        scene = sample_scene(seed)
        for event in scene.events:
            labels = event_caption(scene, event, [event.start_s], random.Random(seed)).labels
            subject = scene.actors[event.subject]
            assert FAMILIES["action"][event.action,] in labels
            assert FAMILIES["pair"][subject.kind, subject.colour] in labels
