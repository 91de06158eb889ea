"""Captions of frames are true where they say so, checked against the scene."""

from __future__ import annotations

import random

import pytest

from coarse_to_fine.data_generation.world.frame_captions import sights
from coarse_to_fine.data_generation.world.sampling import sample_scene
from coarse_to_fine.encoders.pretraining.captions import (
    FAILS,
    HOLDS,
    UNCLEAR,
    captions_of_frame,
    event_caption,
    readable_event,
    state_of,
)
from coarse_to_fine.encoders.pretraining.samples import frame_times


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
