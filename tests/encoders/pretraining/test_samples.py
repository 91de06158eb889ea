"""Batches are the same from the same generator, and the facts in them are those of the scene."""

from __future__ import annotations

import random

import pytest
import torch

from coarse_to_fine.data_generation.world.frame_captions import sights
from coarse_to_fine.data_generation.world.sampling import sample_scene
from coarse_to_fine.data_generation.world.vocabulary import COLOURS, KINDS
from coarse_to_fine.encoders.preprocessing import Preprocessing
from coarse_to_fine.encoders.pretraining.samples import WorldFrames, object_facts, patch_facts
from coarse_to_fine.encoders.pretraining.vocabulary import train_tokenizer, world_sentences
from coarse_to_fine.encoders.tokenizer import END, ClipTokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(world_sentences(40, seed=0), 800)


def test_batches_follow_from_the_generator(tokenizer) -> None:
    rules = Preprocessing(resize=(32, 32), crop=None)
    data = WorldFrames(10, 3, 2, tokenizer.to_str(), 32, rules, patch_grid=4)
    first = data.batch([1, 7], torch.Generator().manual_seed(3)).data
    second = data.batch([1, 7], torch.Generator().manual_seed(3)).data
    other = data.batch([1, 7], torch.Generator().manual_seed(4)).data
    assert first.pictures.shape == (2, 3, 32, 32, 3)
    assert first.truth.shape == (2, 3, 2, 3)
    assert first.patches.shape == (2, 3, 16, 2)
    for name in first.__dataclass_fields__:
        assert torch.equal(getattr(first, name), getattr(second, name))
    assert not torch.equal(first.pictures, other.pictures)
    assert (first.ids[..., -1] == tokenizer.token_to_id(END)).all()


def test_asked_objects_are_in_the_frame_or_not() -> None:
    rng = random.Random(0)
    for seed in range(10):
        scene = sample_scene(seed)
        visible = {(KINDS.index(s.actor.kind), list(COLOURS).index(s.actor.colour)) for s in sights(scene, 5.0)}
        asked, present, _ = object_facts(scene, 5.0, rng)
        for pair, there in zip(asked.tolist(), present.tolist()):
            assert (tuple(pair) in visible) == bool(there)


def test_the_patch_in_the_middle_of_the_nearest_object_names_it() -> None:
    for seed in range(10):
        scene = sample_scene(seed)
        facts, poses = (values.reshape(14, 14, -1) for values in patch_facts(scene, 2.0, 14))
        _, camera_y = scene.camera.offset(2.0)
        nearest = max(sights(scene, 2.0), key=lambda sight: (sight.pose.in_front, sight.actor.ground))
        middle_y = nearest.actor.ground - nearest.pose.altitude - 0.5 * nearest.pose.size - camera_y
        row, column = int(middle_y * 14), min(13, int(nearest.x * 14))
        kind, colour = facts[row, column].tolist()
        assert (KINDS[kind], list(COLOURS)[colour]) == (nearest.actor.kind, nearest.actor.colour)
        right, down = poses[row, column, :2].tolist()
        assert (column + 0.5 + right) / 14 == pytest.approx(nearest.x, abs=1e-4)
        assert (row + 0.5 + down) / 14 == pytest.approx(middle_y, abs=1e-4)
        background = facts[..., 0] == len(KINDS)
        assert torch.equal(background, facts[..., 1] == len(COLOURS))
        assert background.any()


def test_the_vocabulary_of_the_world_reads_any_text(tokenizer) -> None:
    reader = ClipTokenizer(tokenizer, 32)
    known, foreign = reader.tokenize(["The red cat jumps.", "Ђ猫🙂 zyxwvut"])
    assert len(known.ids) <= 8
    assert len(foreign.ids) > 8
    assert foreign.ids.count(reader.end_id) == 1
    assert reader.end_id == reader.vocabulary_size - 1


def test_transformers_reads_the_saved_vocabulary(tokenizer, tmp_path) -> None:
    from transformers import CLIPTokenizer

    tokenizer.save(str(tmp_path / "tokenizer.json"))
    theirs = CLIPTokenizer.from_pretrained(tmp_path)
    for sentence in ["The red cat jumps over a blue car.", "Unknown wörds, 42 of them"]:
        assert theirs(sentence)["input_ids"] == list(ClipTokenizer(tokenizer, 77).tokenize([sentence])[0].ids)
