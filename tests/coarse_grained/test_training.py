"""Training of T-MASS: batches without false negatives, the same step however it is cut, and that it learns."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from coarse_to_fine.coarse_grained import COARSE_MODELS, load_coarse
from coarse_to_fine.coarse_grained.learning import PairData
from coarse_to_fine.coarse_grained.mean_pool.model import MeanPool
from coarse_to_fine.coarse_grained.pairs import coarse_pairs
from coarse_to_fine.coarse_grained.t_mass.config import TMassConfig
from coarse_to_fine.coarse_grained.t_mass.model import TMass
from coarse_to_fine.coarse_grained.t_mass.training import TMassLearning, TMassTask
from coarse_to_fine.coarse_grained.train import CoarseTraining, train_coarse
from coarse_to_fine.coarse_grained.validation import METRICS, retrieval_metrics
from coarse_to_fine.config import load_config
from coarse_to_fine.errors import ConfigError, DataError
from coarse_to_fine.training import RunConfig, fit
from tests.coarse_grained.learnable import WIDTH, examples

CONFIGS = Path(__file__).parents[2] / "configs" / "coarse"
ARCHITECTURE = {"embed_dim": WIDTH, "dropout": 0.0, "trials": 10}
RUN = {
    "epochs": 5,
    "batch_size": 32,
    "optimizer": "adam-decoupled",
    "learning_rate": 3e-3,
    "weight_decay": 0.01,
    "clip_norm": 1.0,
    "schedule": "warmup-cosine",
    "warmup": 0.1,
    "select": "R@1",
    "device": "cpu",
}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def training(**run: object) -> CoarseTraining:
    recipe = {
        "name": "t-mass",
        "architecture": ARCHITECTURE,
        "learning": {"initial_temperature": 0.05, "validation_seeds": [0]},
    }
    return CoarseTraining.model_validate({"recipe": recipe, "run": {**RUN, **run}})


def test_it_learns_what_mean_pooling_cannot_see_and_is_stored_with_its_best_weights(tmp_path: Path):
    held_out = examples(120, 2, "held")
    untrained = retrieval_metrics(TMass(TMassConfig(**ARCHITECTURE)), coarse_pairs(held_out))
    trained = train_coarse(training(), examples(600, 1, videos=300), held_out, tmp_path)
    metrics = retrieval_metrics(trained.model, coarse_pairs(held_out))
    assert metrics == pytest.approx(trained.result.best_metrics)
    assert metrics["R@1"] > untrained["R@1"] + 10 and metrics.keys() == set(METRICS)
    assert metrics["R@1"] > trained.baseline["R@1"] + 20
    assert retrieval_metrics(load_coarse(trained.folder), coarse_pairs(held_out)) == pytest.approx(metrics)
    report = json.loads((trained.folder / "training.json").read_text())
    assert report["mean_pool"] == trained.baseline == retrieval_metrics(MeanPool(), coarse_pairs(held_out))


def test_batches_hold_no_video_and_no_sentence_twice_and_every_pair_once():
    made = examples(90, 3, videos=20, segments=2)
    made[7] = replace(made[7], text=made[30].text)
    data = PairData(coarse_pairs(made))
    batches = data.order(8, generator())
    assert sorted(sample for batch in batches for sample in batch) == list(range(90))
    for batch in batches:
        assert len({made[sample].video_id for sample in batch}) == len(batch) <= 8
        assert len({made[sample].text.text for sample in batch}) == len(batch)
    assert sum(len(batch) == 8 for batch in batches) >= 9
    assert data.order(8, generator()) == batches
    assert data.order(8, generator(1)) != batches


def test_pairs_are_merely_shuffled_as_in_the_release_when_asked():
    data = PairData(coarse_pairs(examples(90, 3, videos=20)), distinct=False)
    assert [len(batch) for batch in data.order(8, generator())] == [8] * 11 + [2]


@pytest.mark.parametrize("name", ["t-mass", "t-mass-v2"])
def test_pairs_with_nothing_to_tell_them_apart_are_refused_before_the_first_step(tmp_path: Path, name: str):
    def train(made, distinct=True, **run):
        recipe = {"name": name, "architecture": ARCHITECTURE, "learning": {"distinct": distinct}}
        config = CoarseTraining.model_validate({"recipe": recipe, "run": {**RUN, "epochs": 1, **run}})
        return train_coarse(config, made, examples(4, 2, "held"), tmp_path / "run")

    one_video = examples(6, 1, videos=1, segments=2)
    with pytest.raises(DataError, match=r"6 pairs of 1 video; expected 2 videos or more, .*; add videos"):
        train(one_video)
    with pytest.raises(DataError, match="3 pairs of 1 segment; expected 2 segments or more"):
        train(examples(3, 1, videos=1), distinct=False)
    one_sentence = [replace(one, text=one_video[0].text) for one in examples(3, 1)]
    with pytest.raises(DataError, match="3 pairs of 1 sentence; expected 2 sentences or more"):
        train(one_sentence)
    with pytest.raises(ConfigError, match=r"run.batch_size is 1; expected 2 or more, .*; set run.batch_size to 32"):
        train(examples(4, 1), batch_size=1)
    assert not (tmp_path / "run").exists()
    result = train(one_video, distinct=False).result
    first = json.loads(result.metrics_path.read_text().splitlines()[0])
    assert first["gradient_norm"] > 0


def test_a_batch_joins_each_sentence_with_the_frames_of_its_own_segment():
    made = examples(12, 4, videos=5, segments=2)
    data = PairData(coarse_pairs(made)).batch([11, 0, 7], generator()).data
    for row, sample in enumerate([11, 0, 7]):
        assert torch.equal(data["text"][row], made[sample].text.embedding)
        assert torch.equal(data["frames"][row], made[sample].segment.frames)


@pytest.mark.parametrize("accumulate", [2, 3])
def test_a_step_cut_into_parts_trains_the_same_weights(tmp_path: Path, accumulate: int):
    """The loss compares all pairs of a step and its noise belongs to the step, not to a part."""
    weights = []
    for parts in (1, accumulate):
        model = TMass(TMassConfig(**ARCHITECTURE))
        task = TMassTask(model, coarse_pairs(examples(24, 5)), None, TMassLearning())
        # a large epsilon, because Adam blows the rounding of gradients that are zero up to whole steps
        run = RunConfig(epochs=1, batch_size=12, accumulate=parts, learning_rate=1e-2, epsilon=1e-2, device="cpu")
        fit(task, run, tmp_path / str(parts))
        weights.append(torch.cat([parameter.detach().flatten() for parameter in model.parameters()]))
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=1e-5)


def test_the_temperature_starts_as_asked_and_never_passes_100(tmp_path: Path):
    model = TMass(TMassConfig(**ARCHITECTURE))
    pairs = coarse_pairs(examples(24, 5))
    task = TMassTask(model, pairs, None, TMassLearning(initial_temperature=0.05))
    assert model.logit_scale.exp().item() == pytest.approx(20)
    task = TMassTask(model, pairs, None, TMassLearning(initial_temperature=0.001))
    fit(task, RunConfig(epochs=1, batch_size=12, learning_rate=0.5, weight_decay=0.0, device="cpu"), tmp_path)
    assert model.logit_scale.item() <= math.log(100) + 1e-6


def test_validation_asks_a_query_once_and_counts_the_best_segment():
    made = examples(30, 6, videos=10)
    second = [
        replace(one, segment=replace(one.segment, segment_id=one.video_id + "#1", frames=one.segment.frames.flip(0)))
        for one in made
    ]
    pairs = coarse_pairs([*made, *second])
    assert len(pairs) == 60
    assert len(pairs.queries()) == 30
    assert len(pairs.video_ids) == 10
    model = MeanPool()
    scores = model.score(
        torch.stack([one.text.embedding for one in made]), torch.stack([one.segment.frames for one in made[:10]])
    )
    ranks = [(row > row[index % 10] + 1e-6).sum().item() for index, row in enumerate(scores)]
    found = retrieval_metrics(model, pairs)
    assert found["R@1"] == pytest.approx(100 * sum(rank == 0 for rank in ranks) / 30)
    assert found["MeanR"] == pytest.approx(1 + sum(ranks) / 30)


def test_splits_that_share_a_video_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match=r"training and validation share 1 video \(video0\)"):
        train_coarse(training(), examples(5, 1), examples(1, 2), tmp_path)


def test_features_of_another_width_are_refused_before_the_first_step(tmp_path: Path):
    config = CoarseTraining.model_validate({"recipe": {"name": "t-mass", "architecture": {"embed_dim": 512}}})
    with pytest.raises(DataError, match="12 frames of width 32 and sentences of 32, the architecture 12 of 512"):
        train_coarse(config, examples(5, 1), examples(5, 2, "held"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_imported_features_have_no_frames_for_this_stage(tmp_path: Path):
    bare = [
        replace(one, segment=replace(one.segment, frames=one.segment.frames[:0]))
        for one in (*examples(5, 1), *examples(5, 2, "held"))
    ]
    with pytest.raises(DataError, match="hold no coarse frames, they were imported; expected those of `ctf extract`"):
        train_coarse(training(), bare[:5], bare[5:], tmp_path)


def test_features_that_are_not_finite_are_named():
    made = examples(3, 1)
    made[1].segment.frames[0, 0] = float("inf")
    with pytest.raises(DataError, match="'video1#0' hold values that are not finite"):
        coarse_pairs(made)
    with pytest.raises(DataError, match="no examples"):
        coarse_pairs([])


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_configuration_loads(path: Path):
    config = load_config(CoarseTraining, path)
    assert config.recipe.name in COARSE_MODELS
    assert config.run.select == "R@1"
    assert config.recipe.architecture.num_frames == 12
