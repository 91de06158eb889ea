"""Frames: reproducible bytes, truth that the pixels show, all kinds and colours distinct."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from coarse_to_fine.data_generation.world import Scene, render_frame, sample_scene
from coarse_to_fine.data_generation.world.backgrounds import MARGIN, VARIANTS, background
from coarse_to_fine.data_generation.world.render import MAX_NOISE
from coarse_to_fine.data_generation.world.scene import Actor, Camera, Encoding, Pose
from coarse_to_fine.data_generation.world.vocabulary import COLOURS, KINDS, PLACES

STILL = Camera(0.0, 0.0, 30.0, 30.0, 0.0)
SMALL = (80, 60)


def quiet(scene: Scene) -> Scene:
    """The scene without noise and drift, so that only objects change pixels."""
    return replace(scene, noise=0, camera=STILL)


def lone(kind: str, colour: str, place: str = "beach") -> Scene:
    actor = Actor(kind, colour, 0.9, Pose(0.5, size=0.4))
    return Scene("x-0", "x", 0, 30.0, place, 0, STILL, 0, (actor,), (), Encoding(112, 112, 12, False, 12, 23))


def test_same_scene_and_time_give_the_same_bytes():
    digests = {hashlib.sha256(render_frame(sample_scene(5, "train"), 7.3).tobytes()).hexdigest() for _ in range(2)}
    assert len(digests) == 1


def test_noise_changes_from_frame_to_frame_and_only_by_its_amplitude():
    scene = replace(sample_scene(5, "train"), camera=STILL, noise=12, events=())
    first, second, clean = (render_frame(s, t) for s, t in ((scene, 1.0), (scene, 1.1), (replace(scene, noise=0), 1.0)))
    assert (first != second).any()
    added = first.astype(int) - clean
    assert added.min() >= 0 and added.max() <= 12


@pytest.mark.parametrize("place", PLACES)
def test_no_colour_is_so_bright_that_noise_wraps_around(place: str):
    for variant in range(VARIANTS):
        assert np.asarray(background(place, variant, 160, 120)).max() <= 255 - MAX_NOISE
    for colour in COLOURS:
        assert render_frame(lone("star", colour, place), 0.0).max() <= 255 - MAX_NOISE


def test_frame_has_the_asked_size_and_does_not_change_the_background():
    scene = sample_scene(8, "train")
    before = np.asarray(background(scene.place, scene.place_variant, 160, 120)).copy()
    assert render_frame(scene, 1.0, (80, 60)).shape == (60, 80, 3)
    assert render_frame(scene, 1.0).shape == (scene.size[1], scene.size[0], 3)
    assert (np.asarray(background(scene.place, scene.place_variant, 160, 120)) == before).all()
    assert MARGIN > 0.055  # the largest drift that is sampled


def test_a_squashed_frame_shows_what_the_resized_frame_shows():
    from PIL import Image

    for seed in range(6):
        scene = quiet(sample_scene(seed, "train"))
        whole = Image.fromarray(render_frame(scene, 5.0, scene.size)).resize((112, 112), Image.Resampling.BOX)
        direct = render_frame(scene, 5.0, (112, 112))
        assert np.abs(np.asarray(whole).astype(int) - direct).mean() < 6


def test_pixels_change_inside_every_window_and_nowhere_else():
    for seed in range(25):
        scene = quiet(sample_scene(seed, "test"))
        borders = [0.0, *(t for event in scene.events for t in event.window_s), scene.duration_s]
        for end_s, start_s in zip(borders[::2], borders[1::2]):
            still = render_frame(scene, end_s + 1e-4, SMALL)
            assert (render_frame(scene, start_s - 1e-4, SMALL) == still).all()
        for event in scene.events:
            before = render_frame(scene, event.start_s - 1e-4, SMALL).astype(int)
            times = event.start_s + event.duration_s * (0.618 * np.arange(1, 13) % 1)
            changes = [(np.abs(render_frame(scene, t, SMALL) - before).max(-1) > 25).sum() for t in times]
            assert sum(change >= 3 for change in changes) >= 6, (scene.video_id, event.action, changes)


def test_motion_starts_within_a_second_of_the_window():
    late = 0
    for seed in range(25):
        scene = quiet(sample_scene(seed, "test"))
        for event in scene.events:
            before = render_frame(scene, event.start_s - 1e-4, (160, 120)).astype(int)
            soon = render_frame(scene, event.start_s + 1.0, (160, 120))
            late += bool((np.abs(soon - before).max(-1) > 12).sum() < 2)
    assert late <= 2  # a jump or a charge may be back where it began at just that instant


def test_all_kinds_and_colours_can_be_told_apart():
    pictures = {kind: render_frame(lone(kind, "red"), 0.0).astype(int) for kind in KINDS}
    for kind, picture in pictures.items():
        nearest = min(np.abs(picture - other).mean() for name, other in pictures.items() if name != kind)
        assert nearest > 2.5, kind
    colours = {colour: render_frame(lone("ball", colour), 0.0).astype(int) for colour in COLOURS}
    for colour, picture in colours.items():
        assert min(np.abs(picture - other).mean() for name, other in colours.items() if name != colour) > 1.5, colour


def test_turning_and_mirroring_turn_the_drawing():
    scene = lone("dog", "blue")
    pose = scene.actors[0].start

    def with_pose(**changes: float | bool) -> np.ndarray:
        return render_frame(replace(scene, actors=(replace(scene.actors[0], start=pose.at(**changes)),)), 0.0)

    plain, mirrored = with_pose(), with_pose(faces_left=True)
    assert (plain != mirrored).any()
    assert np.abs(with_pose(angle=360.0).astype(int) - plain).mean() < 0.5
    assert np.abs(with_pose(angle=180.0).astype(int) - plain).mean() > 3


def test_a_half_transparent_object_lies_between_absent_and_opaque():
    scene = lone("ball", "red")

    def middle(alpha: float) -> np.ndarray:
        actor = replace(scene.actors[0], start=scene.actors[0].start.at(alpha=alpha))
        return render_frame(replace(scene, actors=(actor,)), 0.0)[88, 56].astype(int)

    assert np.allclose(middle(0.5), (middle(0.0) + middle(1.0)) / 2, atol=2)
