"""A crowd keeps the place and the names of a scene and moves everything else."""

from __future__ import annotations

import random

from coarse_to_fine.data_generation.world.frame_captions import sights
from coarse_to_fine.data_generation.world.sampling import sample_scene
from coarse_to_fine.encoders.pretraining.captions import HOLDS, captions_of_frame
from coarse_to_fine.encoders.pretraining.crowds import TILE_ROWS, crowd, tiles


def test_arrangements_share_names_and_place() -> None:
    for seed in range(10):
        scene = sample_scene(seed)
        stands = crowd(scene, 3, random.Random(seed))
        names = [[actor.name for actor in one.actors] for one in stands]
        assert names[0] == names[1] == names[2]
        assert len(set(names[0])) == len(names[0])
        assert {actor.name for actor in scene.actors} <= set(names[0])
        assert all(one.place == scene.place and not one.events for one in stands)
        assert stands[0].actors != stands[1].actors


def test_captions_of_a_crowd_hold_on_their_own_frame() -> None:
    elsewhere = 0
    for seed in range(20):
        rng = random.Random(seed)
        stands = crowd(sample_scene(seed), 4, rng)
        seen = [sights(one, 1.0) for one in stands]
        for frame, one in enumerate(stands):
            for caption in captions_of_frame(one, [1.0] * 4, frame, 2, rng, seen):
                assert caption.truth[frame] == HOLDS
                elsewhere += sum(caption.truth) - 1
    assert elsewhere > 0  # the same words are true of other arrangements now and then


def test_tiles_lie_all_over_the_picture() -> None:
    for seed in range(10):
        one = tiles(sample_scene(seed), random.Random(seed))
        assert len({actor.name for actor in one.actors}) == 4 * TILE_ROWS
        middles = [actor.ground - actor.start.altitude - 0.5 * actor.start.size for actor in one.actors]
        for row in range(TILE_ROWS):
            for middle in middles[4 * row : 4 * row + 4]:
                assert abs(middle - (row + 0.5) / TILE_ROWS) < 0.17
