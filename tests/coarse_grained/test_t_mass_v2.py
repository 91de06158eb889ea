"""T-MASS-V2: it begins as T-MASS, each sample set is a set, the order below K stays, and the alignment learns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from coarse_to_fine.coarse_grained import load_coarse
from coarse_to_fine.coarse_grained.pairs import coarse_pairs
from coarse_to_fine.coarse_grained.rescoring import rescore, scores_as_searched
from coarse_to_fine.coarse_grained.retrieve import CoarseRetriever
from coarse_to_fine.coarse_grained.t_mass.config import TMassConfig
from coarse_to_fine.coarse_grained.t_mass.model import TMass
from coarse_to_fine.coarse_grained.t_mass_v2.alignment import SampleAlignment
from coarse_to_fine.coarse_grained.t_mass_v2.config import TMassV2Config
from coarse_to_fine.coarse_grained.t_mass_v2.model import TMassV2
from coarse_to_fine.coarse_grained.t_mass_v2.training import TMassV2Learning, TMassV2Task
from coarse_to_fine.coarse_grained.train import CoarseTraining, train_coarse
from coarse_to_fine.coarse_grained.validation import retrieval_metrics
from coarse_to_fine.errors import ConfigError, WeightsError
from coarse_to_fine.model_folders import save_model
from coarse_to_fine.training import RunConfig, fit
from tests.coarse_grained.learnable import WIDTH, examples
from tests.coarse_grained.models import features, small_model
from tests.coarse_grained.test_retrieve import Block, ListedGallery

ARCHITECTURE = {"embed_dim": WIDTH, "dropout": 0.0, "trials": 5}
RUN = {"epochs": 3, "batch_size": 32, "learning_rate": 3e-3, "clip_norm": 1.0, "select": "R@5", "device": "cpu"}


def new_over(head: TMass, **fields: object) -> TMassV2:
    """An alignment at its initial values over a head."""
    model = TMassV2(TMassV2Config(**head.config.model_dump(), **fields))
    model.t_mass.load_state_dict(head.state_dict())
    return model.eval()


@pytest.mark.parametrize("fields", [{}, {"prior": "normal"}, {"num_heads": 4}, {"trials": 1}])
def test_it_begins_with_the_scores_of_t_mass(fields: dict):
    head = small_model("t-mass", **fields)
    text, frames = features(5, 9)
    model = new_over(head, align_layers=3, frame_positions=True)
    assert torch.equal(model.score(text, frames, seed=4), head.score(text, frames, seed=4))
    changed = small_model("t-mass-v2", **fields)
    assert not torch.allclose(changed.score(text, frames), changed.t_mass.score(text, frames), atol=1e-2)


def test_samples_are_a_set():
    """Nothing tells samples of a pair apart, so their order goes through and no best score can change."""
    alignment = SampleAlignment(WIDTH, 12)
    with torch.no_grad():
        for parameter in alignment.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    samples = torch.randn(2, 3, 7, WIDTH)
    keys_values = alignment.keys_values(torch.randn(2, 12, WIDTH))
    order = torch.randperm(7)
    whole = alignment(samples, keys_values)
    torch.testing.assert_close(alignment(samples[:, :, order], keys_values), whole[:, :, order], rtol=0, atol=1e-5)
    fewer = alignment(samples[:, :, :6], keys_values)
    assert not torch.allclose(fewer, whole[:, :, :6], atol=1e-3), "samples must see each other"
    other = alignment.keys_values(torch.randn(2, 12, WIDTH))
    assert not torch.allclose(alignment(samples, other), whole, atol=1e-3), "samples must see the frames"


def test_only_the_best_k_are_scored_again_and_the_order_below_stays():
    model = small_model("t-mass-v2", rescored=6)
    text, frames = features(4, 30)
    first = model.ranker.score(text, frames)
    found = rescore(model, text, first, lambda columns: frames[columns])
    again = model.score(text, frames)
    for before, after, own in zip(first, found, again):
        best = set(before.topk(6).indices.tolist())
        order = after.argsort(descending=True).tolist()
        assert set(order[:6]) == best
        assert order[:6] == sorted(best, key=lambda column: -own[column])
        assert order[6:] == [column for column in before.argsort(descending=True).tolist() if column not in best]
        torch.testing.assert_close(after[list(best)], own[list(best)], rtol=0, atol=1e-5)


def test_a_new_alignment_changes_no_search():
    head = small_model("t-mass")
    text, frames = features(4, 30)
    gallery = ListedGallery(
        [Block([f"v{row}#0" for row in range(start, start + 10)], frames[start : start + 10]) for start in (0, 10, 20)]
    )
    expected = CoarseRetriever(head, gallery).rank(text, top_videos=30)
    found = CoarseRetriever(new_over(head, rescored=7), gallery).rank(text, top_videos=30)
    for ours, theirs in zip(found, expected):
        assert [video.video_id for video in ours] == [video.video_id for video in theirs]
        assert [video.score for video in ours] == pytest.approx([video.score for video in theirs], abs=1e-6)


def test_an_evaluation_ranks_as_a_search_does():
    model = small_model("t-mass-v2", rescored=6)
    text, frames = features(4, 30)
    scores = scores_as_searched(model, text, frames, model.ranker.video_cache(frames))
    ids = [f"v{row:02d}#0" for row in range(30)]
    searched = CoarseRetriever(model, ListedGallery([Block(ids, frames)])).rank(text, top_videos=30)
    for row, found in zip(scores, searched):
        assert [f"v{column:02d}" for column in row.argsort(descending=True)] == [video.video_id for video in found]
    every = model.score(text, frames).argsort(descending=True)
    assert (scores.argsort(descending=True) != every).any()


@pytest.mark.slow
def test_the_alignment_learns_over_a_head_that_stays_as_it_is(tmp_path: Path):
    """Sentences lie in other directions than pictures; the head does not know it, the alignment finds out."""
    train, held_out = examples(600, 1, videos=300), examples(120, 2, "held")
    head = TMass(TMassConfig(**ARCHITECTURE)).eval()
    save_model(head, tmp_path / "head")
    recipe = {
        "name": "t-mass-v2",
        "architecture": {**ARCHITECTURE, "align_layers": 1, "align_heads": 4, "align_dropout": 0.0},
        "learning": {"start": str(tmp_path / "head"), "samples": 2, "validation_seeds": [0]},
    }
    trained = train_coarse(
        CoarseTraining.model_validate({"recipe": recipe, "run": RUN}), train, held_out, tmp_path / "aligned"
    )
    assert isinstance(trained.model, TMassV2)
    for name, value in head.state_dict().items():
        assert torch.equal(trained.model.t_mass.state_dict()[name], value), name
    metrics = retrieval_metrics(trained.model, coarse_pairs(held_out))
    assert metrics["R@5"] > retrieval_metrics(head, coarse_pairs(held_out))["R@5"] + 8
    assert retrieval_metrics(load_coarse(trained.folder), coarse_pairs(held_out)) == pytest.approx(metrics)
    report = json.loads((trained.folder / "training.json").read_text())
    assert report["ranker"] == pytest.approx(retrieval_metrics(head, coarse_pairs(held_out)))


def test_in_the_second_phase_everything_learns(tmp_path: Path):
    model = TMassV2(TMassV2Config(**ARCHITECTURE))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    task = TMassV2Task(model, coarse_pairs(examples(24, 5)), None, TMassV2Learning(phase="all"))
    fit(task, RunConfig(epochs=3, batch_size=12, learning_rate=1e-2, device="cpu"), tmp_path)
    same = [name for name, value in model.state_dict().items() if torch.equal(value, before[name])]
    assert not same


def test_a_start_of_another_architecture_or_model_is_refused(tmp_path: Path):
    save_model(TMass(TMassConfig(embed_dim=16)), tmp_path / "narrow")
    save_model(small_model("t-mass-v2"), tmp_path / "aligned")
    for start, error in [("narrow", ConfigError), ("aligned", ConfigError), ("nowhere", WeightsError)]:
        recipe = {
            "name": "t-mass-v2",
            "architecture": ARCHITECTURE,
            "learning": {"start": str(tmp_path / start)},
        }
        with pytest.raises(error, match=start):
            train_coarse(
                CoarseTraining.model_validate({"recipe": recipe, "run": RUN}),
                examples(5, 1), examples(5, 2, "held"), tmp_path / "out",
            )  # fmt: skip
