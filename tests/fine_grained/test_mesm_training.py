"""Training of MESM: batches, foreign sentences, guessed words, parts of a step, and that it learns."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from coarse_to_fine.config import load_config
from coarse_to_fine.errors import ConfigError, DataError
from coarse_to_fine.features.examples import Saliency, TrainingExample
from coarse_to_fine.features.word_vectors import WordVectors
from coarse_to_fine.fine_grained import load_fine
from coarse_to_fine.fine_grained.labels import window_labels
from coarse_to_fine.fine_grained.mesm.batches import (
    MesmData,
    MesmTargetsConfig,
    foreign_rows,
    numbered,
)
from coarse_to_fine.fine_grained.mesm.config import MesmConfig
from coarse_to_fine.fine_grained.mesm.contrast import hulls, moment_sentence_loss, same_moment
from coarse_to_fine.fine_grained.mesm.locate import Mesm
from coarse_to_fine.fine_grained.mesm.loss import MesmLossConfig
from coarse_to_fine.fine_grained.mesm.recipe import MesmRecipe
from coarse_to_fine.fine_grained.mesm.training import MesmTask
from coarse_to_fine.fine_grained.mesm.vocabulary import Vocabulary, WordUnits
from coarse_to_fine.fine_grained.train import FineTraining, train_fine
from coarse_to_fine.fine_grained.validation import moment_metrics
from coarse_to_fine.training.task import Batch
from coarse_to_fine.types import TextFeatures
from tests.fine_grained.conftest import SMALL, TOKEN_DIM
from tests.fine_grained.learnable import WORDS, examples

CONFIGS = Path(__file__).parents[2] / "configs" / "fine"
NO_DROPOUT = {"dropout": 0.0, "input_dropout": 0.0}
ARCHITECTURE = MesmConfig.model_validate({**SMALL["mesm"], **NO_DROPOUT, "word_classes": WORDS + 1})
PUBLISHED_PARAMETERS = {
    "mesm-charades-vgg-glove": 13_081_395,
    "mesm-charades-clip-slowfast": 12_806_789,
    "mesm-charades-cg-clip-slowfast": 12_806_789,
    "mesm-tacos-c3d-glove": 14_134_579,
    "mesm-qvhighlights-clip-slowfast": 13_810_358,
}
"""Of the released checkpoints, unused parts included."""


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def vectors() -> WordVectors:
    """One vector a word of the learnable sentences, which are one word here."""
    return WordVectors({str(word): word for word in range(WORDS)}, torch.randn(WORDS, TOKEN_DIM, generator=generator()))


def worded(count: int, seed: int, videos: int | None = None) -> list[TrainingExample]:
    """Learnable examples whose sentences are words of `vectors`."""
    made = []
    for example in examples(count, seed, videos):
        word = example.text.text.removeprefix("word ")
        (text,) = vectors().encode_text([f"{word} {word}"])
        made.append(_with(example, text=text))
    return made


def _with(example: TrainingExample, **fields: Any) -> TrainingExample:
    values = {name: getattr(example, name) for name in example.__slots__}
    return TrainingExample(**{**values, **fields})


def task(loss: MesmLossConfig, count: int = 6, videos: int | None = None, **targets: Any) -> MesmTask:
    torch.manual_seed(0)
    made = worded(count, 0, videos)
    vocabulary = Vocabulary(WordUnits(vectors()), [example.text.text for example in made], WORDS + 1)
    data = MesmData(made, ARCHITECTURE, MesmTargetsConfig(**targets), vocabulary)
    return MesmTask(Mesm(ARCHITECTURE).train(), data, [], loss)


def test_it_learns_and_is_stored_with_its_best_weights(tmp_path: Path) -> None:
    vectors().save(tmp_path / "vectors.safetensors")
    config = FineTraining.model_validate(
        {
            "recipe": {
                "name": "mesm",
                "architecture": {
                    **SMALL["mesm"], "dropout": 0.0, "input_dropout": 0.1, "word_classes": WORDS + 1,
                    "summary_layers": 1, "enhancement_layers": 1, "alignment_layers": 1, "encoder_layers": 1,
                },
                "words": {"units": "words", "vectors": str(tmp_path / "vectors.safetensors")},
                "loss": {"saliency": 1.0, "triplet": True, "words": 0.3, "foreign": 1.0},
            },
            "run": {
                "epochs": 10, "batch_size": 16, "learning_rate": 4e-3, "clip_norm": 0.1,
                "select": "mAP", "evaluate_every": 5, "device": "cpu",
            },
        }
    )  # fmt: skip
    held_out = [_with(e, video_id="h" + e.video_id) for e in worded(40, 2)]
    trained = train_fine(config, worded(112, 1), held_out, tmp_path / "run")
    metrics = moment_metrics(trained.model, held_out)
    assert metrics["R1@0.5"] > 60
    assert metrics == pytest.approx(trained.result.best_metrics, abs=0.5)
    assert moment_metrics(load_fine(tmp_path / "run" / "model"), held_out) == pytest.approx(metrics, abs=1e-6)


def test_every_term_falls_on_one_batch() -> None:
    training = task(MesmLossConfig(saliency=1.0, triplet=True, words=0.5, sentences=0.5, foreign=1.0), 8, 4)
    batch = training.data.batch(range(8), generator())
    optimiser = torch.optim.AdamW(training.model.parameters(), lr=3e-3)
    history = []
    for _ in range(60):
        losses = training.losses(batch, generator())
        optimiser.zero_grad()
        losses.total.backward()
        torch.nn.utils.clip_grad_norm_(training.model.parameters(), 1.0)
        optimiser.step()
        history.append({name: float(term.detach()) for name, term in losses.terms.items()})
    first, last = history[0], history[-1]
    for name in (
        "loss_span",
        "loss_giou",
        "loss_label",
        "loss_saliency",
        "loss_words",
        "loss_sentences",
        "loss_foreign",
    ):
        assert last[name] < 0.9 * first[name], name
    assert last["words_right"] > 0.9


def test_every_parameter_learns_and_no_term_touches_another_video() -> None:
    training = task(MesmLossConfig(triplet=True, foreign=1.0))
    training.losses(training.data.batch(range(6), generator()), generator()).total.backward()
    assert [name for name, each in training.model.named_parameters() if each.grad is None] == []


def test_terms_can_be_left_out() -> None:
    training = task(MesmLossConfig(words=0.0, sentences=0.0, auxiliary=False))
    terms = training.losses(training.data.batch(range(6), generator()), generator()).terms
    assert set(terms) == {"loss_span", "loss_giou", "loss_label", "class_error", "loss_saliency"}


def test_a_batch_of_one_video_has_a_finite_loss_without_foreign_terms() -> None:
    training = task(MesmLossConfig(foreign=1.0), 4, 1)
    losses = training.losses(training.data.batch(range(4), generator()), generator())
    assert bool(torch.isfinite(losses.total.detach()))
    assert float(losses.terms["loss_foreign"].detach()) == 0.0


def test_parts_of_a_step_add_up_to_the_whole() -> None:
    """Without terms that compare the samples of a step, parts with the counts of the step give its gradient."""
    loss = MesmLossConfig(saliency=0.0, sentences=0.0, words=0.0)
    whole, parts = task(loss), task(loss)
    whole.losses(whole.data.batch(range(6), generator()), generator()).total.backward()
    pieces = [parts.data.batch(indices, generator()) for indices in ([0, 1], [2, 3, 4, 5])]
    means = {name: sum(part.counts[name] for part in pieces) / 2 for name in ("pairs", "samples")}
    for part in pieces:
        (parts.losses(Batch(part.data, part.sample_ids, means), generator()).total / 2).backward()
    for (name, one), (_, other) in zip(whole.model.named_parameters(), parts.model.named_parameters(), strict=True):
        if one.grad is not None and one.grad.abs().max() > 1e-6:
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-5, msg=name)


def test_batches_depend_on_the_generator_only() -> None:
    data = task(MesmLossConfig()).data
    first, again, other = (data.batch([3, 1, 0], generator(seed)).data for seed in (1, 1, 2))
    assert torch.equal(first.words.masked, again.words.masked)
    assert torch.equal(first.foreign, again.foreign)
    assert torch.equal(first.targets.positive, again.targets.positive)
    assert not torch.equal(first.targets.positive, other.targets.positive)


def test_sentences_of_a_video_stand_together_in_pieces() -> None:
    training = task(MesmLossConfig(), 24, 4, max_sentences=3)
    order = training.data.order(6, generator())
    flat = [index for batch in order for index in batch]
    assert sorted(flat) == list(range(24))
    assert [len(batch) for batch in order] == [6] * 4
    flat = [index % 4 for index in flat]
    assert all(len(set(flat[start : start + 3])) == 1 for start in range(0, 24, 3))
    assert order != training.data.order(6, generator(1))
    assert order == training.data.order(6, generator())


def test_a_batch_can_count_videos() -> None:
    data = task(MesmLossConfig(), 24, 4, batch_by="videos", max_sentences=100).data
    order = data.order(3, generator())
    assert [len(batch) for batch in order] == [18, 6]
    assert [len({index % 4 for index in batch}) for batch in order] == [3, 1]


def test_foreign_rows_are_of_other_videos_and_other_sentences() -> None:
    videos, texts = ["a", "a", "b", "c"], ["x", "y", "x", "z"]
    drawn = [foreign_rows(videos, texts, generator(seed)) for seed in range(30)]
    assert all(bool(found.all()) for _, found in drawn)
    assert {int(chosen[0]) for chosen, _ in drawn} == {3}  # row 2 says the same
    assert {int(chosen[1]) for chosen, _ in drawn} == {2, 3}
    chosen, found = foreign_rows(["a", "a"], ["x", "y"], generator())
    assert not bool(found.any()) and chosen.tolist() == [0, 1]


@pytest.mark.parametrize("part", ["clip features", "word states", "windows"])
def test_values_that_are_not_finite_name_the_query(part: str) -> None:
    data = task(MesmLossConfig(), 2).data
    example = data.examples[0]
    values = {"clip features": example.segment.clips, "word states": example.text.tokens, "windows": example.windows_s}
    values[part][0, 0] = float("nan")
    with pytest.raises(DataError, match=f"{part} of query {example.query_id!r}"):
        data.batch([0, 1], generator())


def test_features_that_are_not_finite_stop_the_run_with_their_sample(tmp_path: Path) -> None:
    made = worded(6, 0)
    made[4].segment.clips[2, 3] = float("inf")
    architecture = {**SMALL["mesm"], "summary_layers": 1}
    recipe = {"name": "mesm", "architecture": architecture, "loss": {"words": 0.0}}
    config = FineTraining.model_validate(
        {"recipe": recipe, "run": {"epochs": 1, "batch_size": 6, "select": None, "device": "cpu"}}
    )
    with pytest.raises(DataError, match=made[4].query_id):
        train_fine(config, made, [], tmp_path)


def test_a_window_without_length_and_one_that_fills_the_video_train() -> None:
    training = task(MesmLossConfig(triplet=True, foreign=1.0), 2)
    first, second = training.data.examples
    whole = _with(second, windows_s=torch.tensor([[0.0, second.duration_s]]))
    training.data.examples = [_with(first, windows_s=torch.tensor([[4.0, 4.0]])), whole]
    losses = training.losses(training.data.batch([0, 1], generator()), generator())
    losses.total.backward()
    gradients = [each.grad for each in training.model.parameters() if each.grad is not None]
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients)


def test_batches_can_be_made_in_other_processes() -> None:
    data = task(MesmLossConfig()).data
    copy = pickle.loads(pickle.dumps(data))
    one, other = (each.batch([2, 0], generator()).data.words.classes for each in (data, copy))
    assert torch.equal(one, other)


def test_groups_are_numbered_by_first_appearance() -> None:
    assert numbered(["b", "a", "b", "c"]).tolist() == [0, 1, 0, 2]


def test_clips_that_a_window_touches_are_relevant() -> None:
    assert window_labels(torch.tensor([[2.1, 4.0]]), 6, 1.0, "inclusive").tolist() == [0, 0, 1, 1, 1, 0]
    assert window_labels(torch.tensor([[5.0, 99.0], [0.0, 0.5]]), 6, 1.0, "inclusive").tolist() == [1, 0, 0, 0, 0, 1]
    assert window_labels(torch.tensor([[0.0, 6.0]]), 6, 1.0, "inclusive").tolist() == [1] * 6


def test_annotated_clips_are_asked_for_by_name() -> None:
    data = task(MesmLossConfig(), relevant="annotated").data
    with pytest.raises(DataError, match="targets are annotated"):
        data.batch([0], generator())
    data.examples = [_with(data.examples[0], saliency=Saliency((1, 2), ((1.0, 2.0, 3.0), (4.0, 4.0, 4.0))))]
    targets = data.batch([0], generator()).data.targets
    assert targets.labels[0, :4].tolist() == [0, 6, 12, 0]
    assert targets.clip_mask[0, :4].tolist() == [False, True, True, False]
    assert targets.positive[0, 0] == 2 and targets.negative[0, 0] == 1


def test_same_moments_are_of_one_segment_and_overlap() -> None:
    moments = torch.tensor([[0.1, 0.5], [0.1, 0.51], [0.1, 0.5], [0.4, 0.9], [0.3, 0.3]])
    same = same_moment(moments, torch.tensor([0, 0, 1, 0, 0]))
    expected = torch.eye(5, dtype=torch.bool)
    expected[0, 1] = expected[1, 0] = True
    assert torch.equal(same, expected)
    several = [torch.tensor([[0.3, 0.2], [0.7, 0.2]]), torch.tensor([[0.5, 1.0]])]
    torch.testing.assert_close(hulls(several), torch.tensor([[0.2, 0.8], [0.0, 1.0]]))


def test_moments_without_clips_are_left_out_of_the_contrast() -> None:
    clips, words = torch.randn(3, 5, 8, generator=generator()), torch.randn(3, 4, 8, generator=generator(1))
    clip_mask = torch.tensor([[True] * 5, [True] * 5, [False] * 5])
    every, eye = torch.ones(3, 4, dtype=torch.bool), torch.eye(3, dtype=torch.bool)
    loss = moment_sentence_loss(clips, clip_mask, words, every, eye)
    changed = clips.clone()
    changed[2] = 9.0
    torch.testing.assert_close(loss, moment_sentence_loss(changed, clip_mask, words, every, eye))
    assert float(moment_sentence_loss(clips, ~every.new_ones(3, 5), words, every, eye)) == 0.0


def test_guessing_words_needs_a_head() -> None:
    with pytest.raises(ConfigError, match="word_classes"):
        MesmRecipe(name="mesm", loss=MesmLossConfig(words=0.1))


@pytest.mark.parametrize("name", sorted(PUBLISHED_PARAMETERS))
def test_published_configurations_have_the_published_number_of_parameters(name: str) -> None:
    config = load_config(FineTraining, CONFIGS / f"{name}.yaml").recipe.architecture
    with torch.device("meta"):
        own = sum(parameter.numel() for parameter in Mesm(config).parameters())
    width, stages = config.hidden_dim, config.projection_stages
    unused = (config.max_words + 1) * width + 2 * width + stages * (width * width + 3 * width)
    assert own + unused == PUBLISHED_PARAMETERS[name]


def test_the_world_architecture_is_small() -> None:
    config = load_config(FineTraining, CONFIGS / "mesm-world.yaml").recipe.architecture
    with torch.device("meta"):
        parameters = sum(parameter.numel() for parameter in Mesm(config).parameters())
    assert 2 * parameters <= 4.5e6  # bytes in float16


def test_vectors_make_text_features_of_the_contract() -> None:
    (text,) = vectors().encode_text(["1 2 nothing 1"])
    assert isinstance(text, TextFeatures)
    assert text.tokens.shape == (3, TOKEN_DIM)
