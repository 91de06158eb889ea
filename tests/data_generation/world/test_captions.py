"""Sentences: true of all their windows and of no other event, in several wordings, reproducible."""

from __future__ import annotations

import random
import re

import pytest

from coarse_to_fine.data_generation.world import (
    Scene,
    coarse_caption,
    event_sentence,
    event_sentences,
    frame_caption,
    sample_scene,
)
from coarse_to_fine.data_generation.world.annotations import query_rows
from coarse_to_fine.data_generation.world.frame_captions import is_readable, sights
from coarse_to_fine.data_generation.world.phrases import DIRECTED_PHRASES, PLACE_PHRASES, PLAIN_PHRASES
from coarse_to_fine.data_generation.world.vocabulary import ACTIONS


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [sample_scene(seed, "test") for seed in range(150)]


def test_every_action_has_at_least_three_plain_and_directed_wordings():
    for rule in ACTIONS:
        assert len(PLAIN_PHRASES[rule.name]) >= 3
        assert len(DIRECTED_PHRASES.get(rule.name, ())) >= 3 or not rule.directions
    wordings = [phrase for table in (PLAIN_PHRASES, DIRECTED_PHRASES) for row in table.values() for phrase in row]
    assert len(set(wordings)) == len(wordings)


def test_a_sentence_lists_its_own_window_and_names_subject_and_target(scenes: list[Scene]):
    rng = random.Random(0)
    for scene in scenes:
        for event in scene.events:
            one = event_sentence(scene, event, rng)
            assert event.window_s in one.windows_s
            assert scene.actors[event.subject].name in one.text
            assert event.target is None or scene.actors[event.target].name in one.text
            assert one.text[0].isupper() and one.text.endswith(".") and "{" not in one.text


def test_a_sentence_that_fits_two_events_lists_both_windows(scenes: list[Scene]):
    rng = random.Random(1)
    several = 0
    for scene in scenes:
        for event in scene.events:
            one = event_sentence(scene, event, rng)
            directed = event.direction is not None and f" {event.direction}" in one.text
            fits = [
                other.window_s
                for other in scene.events
                if (other.action, other.subject, other.target) == (event.action, event.subject, event.target)
                and (not directed or other.direction == event.direction)
            ]
            assert list(one.windows_s) == fits
            several += len(fits) > 1
    assert several > 10


def test_no_text_of_a_video_has_two_different_truths(scenes: list[Scene]):
    for scene in scenes:
        truths: dict[str, list[list[float]]] = {}
        for row in query_rows(scene):
            for one in (row, *row["extras"]["alternates"]):
                assert truths.setdefault(one["text"].lower(), one["windows_s"]) == one["windows_s"]


def test_paraphrases_differ(scenes: list[Scene]):
    texts = [one.text for one in event_sentences(scenes[0], scenes[0].events[0], 4, random.Random(0))]
    assert len(texts) == len(set(texts)) == 4


def test_rows_are_reproducible_and_unique(scenes: list[Scene]):
    rows = [row for scene in scenes for row in query_rows(scene)]
    assert rows == [row for scene in scenes for row in query_rows(scene)]
    assert len({row["query_id"] for row in rows}) == len(rows) == sum(len(scene.events) for scene in scenes)


def test_coarse_captions_name_the_place_and_objects_of_the_video(scenes: list[Scene]):
    for scene in scenes:
        texts = [coarse_caption(scene, variant) for variant in range(4)]
        assert len(set(texts)) > 1
        for text in texts:
            assert any(place in text.lower() for place in PLACE_PHRASES[scene.place])
            assert sum(actor.name in text for actor in scene.actors) >= 2


def test_frame_captions_name_only_what_is_in_the_picture(scenes: list[Scene]):
    rng = random.Random(2)
    for scene in scenes:
        time_s = rng.uniform(0, scene.duration_s)
        text = frame_caption(scene, time_s, rng)
        allowed = {sight.actor.name for sight in sights(scene, time_s)}
        for event in scene.events_at(time_s):
            for actor in (event.subject, event.target, event.near):
                if actor is not None:
                    allowed.add(scene.actors[actor].name)
        named = {actor.name for actor in scene.actors if re.search(rf"\b{actor.name}\b", text)}
        assert named <= allowed and (named or text.startswith("Nothing"))


def test_frame_captions_tell_events_only_while_they_can_be_seen(scenes: list[Scene]):
    jumps = [(scene, event) for scene in scenes for event in scene.events if event.action == "jump"]
    scene, event = jumps[0]
    assert not is_readable(event, event.start_s)
    period = event.duration_s / event.repeats
    assert is_readable(event, event.start_s + period / 2)
    rng = random.Random(3)
    quiet = {frame_caption(scene, event.start_s - 0.01, rng) for _ in range(50)}
    assert not any(word in text for text in quiet for word in ("jump", "hop", "bounce", "leap"))
