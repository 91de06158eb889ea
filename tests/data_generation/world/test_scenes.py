"""Sampled scenes: reproducible, within their ranges, hard, and kept apart by split."""

from __future__ import annotations

from collections import Counter

import pytest

from coarse_to_fine.data_generation.world import Scene, sample_scene
from coarse_to_fine.data_generation.world.annotations import hard_negatives
from coarse_to_fine.data_generation.world.generate import MOST_VIDEOS, scene_seed
from coarse_to_fine.data_generation.world.motion import actor_pose
from coarse_to_fine.data_generation.world.vocabulary import (
    ACTION_NAMES,
    ACTIONS,
    COLOURS,
    KINDS,
    PLACES,
    SPLITS,
    is_held_out,
)
from coarse_to_fine.errors import ConfigError


@pytest.fixture(scope="module")
def train() -> list[Scene]:
    return [sample_scene(seed, "train") for seed in range(600)]


@pytest.fixture(scope="module")
def composition() -> list[Scene]:
    return [sample_scene(seed, "test_composition") for seed in range(100)]


def triples(scenes: list[Scene]) -> Counter[tuple[str, str, str]]:
    found: Counter[tuple[str, str, str]] = Counter()
    for scene in scenes:
        for event in scene.events:
            for actor in (event.subject, event.target):
                if actor is not None:
                    found[scene.actors[actor].kind, scene.actors[actor].colour, event.action] += 1
    return found


def test_same_seed_and_split_give_the_same_scene():
    assert sample_scene(12, "val") == sample_scene(12, "val")


def test_one_seed_gives_another_video_in_every_split():
    scenes = [sample_scene(3, split) for split in SPLITS]
    assert len({scene.video_id for scene in scenes}) == len(SPLITS)
    assert len({scene.events for scene in scenes}) == len(SPLITS)


def test_sets_of_different_seeds_share_no_video():
    assert scene_seed(0, MOST_VIDEOS - 1) < scene_seed(1, 0)


def test_durations_and_numbers_of_events_stay_in_range(train: list[Scene]):
    assert all(30 <= scene.duration_s <= 180 and 4 <= len(scene.events) <= 10 for scene in train)
    assert 65 < sum(scene.duration_s for scene in train) / len(train) < 85


def test_windows_are_disjoint_and_of_readable_length(train: list[Scene]):
    shortest = {rule.name: rule.min_s for rule in ACTIONS}
    for scene in train:
        now = 0.0
        for event in scene.events:
            assert now < event.start_s and event.end_s < scene.duration_s
            assert shortest[event.action] - 0.06 <= event.duration_s <= 25.02
            now = event.end_s


def test_every_word_of_the_world_is_used_often(train: list[Scene]):
    found = triples(train)
    kinds, colours, actions = (Counter[str]() for _ in range(3))
    for (kind, colour, action), count in found.items():
        kinds[kind] += count
        colours[colour] += count
        actions[action] += count
    assert len(kinds) == len(KINDS) >= 20 and min(kinds.values()) > 100
    assert len(colours) == len(COLOURS) == 8 and min(colours.values()) > 400
    assert len(actions) == len(ACTION_NAMES) >= 12 and min(actions.values()) > 100
    assert {scene.place for scene in train} == set(PLACES) and len(PLACES) >= 6


def test_held_out_triples_are_a_tenth_and_leave_every_pair_of_words_in_training():
    held = {(k, c, a) for k in KINDS for c in COLOURS for a in ACTION_NAMES if is_held_out(k, c, a)}
    assert 0.08 < len(held) / (len(KINDS) * len(COLOURS) * len(ACTION_NAMES)) < 0.12
    assert max(Counter((k, a) for k, _, a in held).values()) == 1
    assert max(Counter((k, c) for k, c, _ in held).values()) <= 2


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_held_out_triples_never_occur_outside_the_composition_split(split: str):
    assert not any(is_held_out(*triple) for triple in triples([sample_scene(seed, split) for seed in range(200)]))


def test_every_composition_scene_has_held_out_events_and_marks_them(composition: list[Scene]):
    for scene in composition:
        marked = [event.held_out for event in scene.events]
        subjects = [scene.actors[event.subject] for event in scene.events]
        assert sum(marked) >= 2
        assert marked == [is_held_out(a.kind, a.colour, e.action) for a, e in zip(subjects, scene.events)]


def test_every_scene_holds_hard_negatives(train: list[Scene]):
    for scene in train:
        counts = [hard_negatives(scene, event) for event in scene.events]
        assert any(count["same_object"] for count in counts)
        assert any(count["same_action"] for count in counts)
    assert sum(any(hard_negatives(s, e)["other_direction"] for e in s.events) for s in train) > 30


def test_many_scenes_hold_the_same_kind_in_two_colours(train: list[Scene]):
    twins = sum(len({actor.kind for actor in scene.actors}) < len(scene.actors) for scene in train)
    assert twins > len(train) / 2


def test_only_the_two_objects_of_an_event_move_and_nothing_moves_between_events(train: list[Scene]):
    for scene in train[:60]:
        for event in scene.events:
            for actor in range(len(scene.actors)):
                before = actor_pose(scene, actor, event.start_s - 0.01)
                middle = [actor_pose(scene, actor, event.start_s + event.duration_s * k / 7) for k in range(1, 7)]
                after = actor_pose(scene, actor, event.end_s + 0.01)
                if actor not in (event.subject, event.target):
                    assert {before, *middle} == {after}
                elif actor == event.subject:
                    assert any(pose != before for pose in middle)


def test_paths_have_no_jump_at_the_borders_of_their_window(train: list[Scene]):
    for scene in train[:100]:
        for event in scene.events:
            for actor, start, end in (
                (event.subject, event.before, event.after),
                (event.target, event.target_before, event.target_after),
            ):
                if actor is None or start is None or end is None:
                    continue
                for time_s, pose in ((event.start_s, start), (event.end_s - 1e-6, end)):
                    seen = actor_pose(scene, actor, time_s)
                    turned = (seen.angle - pose.angle + 180) % 360 - 180
                    gaps = (seen.x - pose.x, seen.altitude - pose.altitude, seen.size - pose.size, turned / 360)
                    assert max(map(abs, gaps)) < 1e-3


def test_objects_in_the_picture_are_two_to_five_and_inside_it(train: list[Scene]):
    for scene in train[:100]:
        for time_s in (0.0, scene.duration_s / 2, scene.duration_s):
            poses = [actor_pose(scene, actor, time_s) for actor in range(len(scene.actors))]
            shown = [pose for pose in poses if pose.present]
            assert 2 <= len(shown) <= 5
            assert all(pose.altitude + pose.size < 0.92 and 0.14 < pose.size < 0.55 for pose in shown)


def test_an_unknown_split_is_named():
    with pytest.raises(ConfigError, match=r"'dev'.*test_composition"):
        sample_scene(0, "dev")
