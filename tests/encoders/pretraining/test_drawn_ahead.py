"""Scenes drawn before the training are those of their source, and a run that stopped draws only what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from coarse_to_fine.encoders.preprocessing import Preprocessing
from coarse_to_fine.encoders.pretraining import drawn_ahead
from coarse_to_fine.encoders.pretraining.drawn_ahead import draw_ahead
from coarse_to_fine.encoders.pretraining.samples import WorldFrames
from coarse_to_fine.encoders.pretraining.vocabulary import train_tokenizer, world_sentences
from coarse_to_fine.training.seeds import generator_for


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> WorldFrames:
    monkeypatch.setattr(drawn_ahead, "SCENES_OF_A_FILE", 4)
    tokenizer = train_tokenizer(world_sentences(40, seed=0), 800)
    return WorldFrames(6, 2, 1, tokenizer.to_str(), 32, Preprocessing(resize=(32, 32), crop=None), patch_grid=4)


def test_the_samples_are_those_of_the_source(source: WorldFrames, tmp_path: Path) -> None:
    ahead = draw_ahead(source, tmp_path, seed=5, processes=1)
    assert len(ahead) == 6
    picked = ahead.batch([5, 1], torch.Generator()).data
    drawn = [
        source.batch(rows, generator_for(5, "drawn-ahead", file)).data for file, rows in ((1, [4, 5]), (0, range(4)))
    ]
    for row, (samples, place) in enumerate(zip(drawn, (1, 1))):
        assert torch.equal(picked.pictures[row], samples.pictures[place])
        assert torch.equal(picked.patches[row], samples.patches[place])
        length = samples.ids.shape[-1]
        assert torch.equal(picked.ids[row, ..., :length], samples.ids[place])
        assert (picked.ids[row, ..., length:] == source.end_id).all()


def test_only_what_is_missing_is_drawn(source: WorldFrames, tmp_path: Path) -> None:
    draw_ahead(source, tmp_path, seed=5, processes=1)
    first, second = sorted(tmp_path.iterdir())
    content, written = second.read_bytes(), first.stat().st_mtime_ns
    second.unlink()
    draw_ahead(source, tmp_path, seed=5, processes=1)
    assert first.stat().st_mtime_ns == written
    assert second.read_bytes() == content
