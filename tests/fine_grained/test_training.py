"""Training of QD-DETR: targets, negatives, parts of a step, and that it learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from coarse_to_fine.errors import DataError, TrainingError
from coarse_to_fine.features.examples import Saliency
from coarse_to_fine.fine_grained import load_fine
from coarse_to_fine.fine_grained.labels import choose_windows, label_pairs, window_labels
from coarse_to_fine.fine_grained.objective import DetectorLossConfig
from coarse_to_fine.fine_grained.qd_detr.config import QdDetrConfig
from coarse_to_fine.fine_grained.qd_detr.locate import QdDetr
from coarse_to_fine.fine_grained.qd_detr.negatives import next_foreign, rolled
from coarse_to_fine.fine_grained.qd_detr.training import QdDetrData, QdDetrTargetsConfig, QdDetrTask
from coarse_to_fine.fine_grained.train import FineTraining, train_fine
from coarse_to_fine.fine_grained.validation import METRICS, moment_metrics
from coarse_to_fine.training.task import Batch
from tests.fine_grained.conftest import SMALL
from tests.fine_grained.learnable import examples

ARCHITECTURE = QdDetrConfig.model_validate({**SMALL["qd-detr"], "dropout": 0.0, "input_dropout": 0.0})


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def task(loss: DetectorLossConfig, count: int = 6, **targets: Any) -> QdDetrTask:
    torch.manual_seed(0)
    data = QdDetrData(examples(count, 0), ARCHITECTURE, QdDetrTargetsConfig(**targets))
    return QdDetrTask(QdDetr(ARCHITECTURE).train(), data, [], loss)


def test_a_run_is_not_continued_on_other_data(tmp_path: Path) -> None:
    """As many examples with other windows, sentences or features are another run, finished or not."""
    recipe = {"name": "qd-detr", "architecture": SMALL["qd-detr"]}
    config = FineTraining.model_validate({"recipe": recipe, "run": {"epochs": 1, "batch_size": 4, "device": "cpu"}})
    learned = examples(8, 1)
    held_out = [replace(example, video_id=f"held {example.video_id}") for example in examples(4, 2)]
    train_fine(config, learned, held_out, tmp_path)
    train_fine(config, examples(8, 1), held_out, tmp_path)
    moved = [replace(learned[0], windows_s=learned[0].windows_s / 2), *learned[1:]]
    brighter = replace(learned[0].segment, clips=learned[0].segment.clips + 1)
    for other in (moved, [replace(learned[0], segment=brighter), *learned[1:]]):
        with pytest.raises(
            TrainingError, match=r"another run: config.training_data_sha256 was .* another output folder"
        ):
            train_fine(config, other, held_out, tmp_path)
    with pytest.raises(TrainingError, match=r"config.validation_data_sha256 was"):
        train_fine(config, learned, held_out[::-1], tmp_path)


def test_it_learns_and_is_stored_with_its_best_weights(tmp_path: Path) -> None:
    config = FineTraining.model_validate(
        {
            "recipe": {
                "name": "qd-detr",
                "architecture": {
                    **SMALL["qd-detr"], "dropout": 0.0, "input_dropout": 0.1,
                    "encoder_layers": 1, "text_to_video_layers": 1,
                },
                "loss": {"foreign": 1.0},
            },
            "run": {
                "epochs": 5, "batch_size": 16, "learning_rate": 6e-3, "clip_norm": 0.1,
                "select": "mAP", "evaluate_every": 5, "device": "cpu",
            },
        }
    )  # fmt: skip
    held_out = [replace(example, video_id=f"held {example.video_id}") for example in examples(40, 2)]
    trained = train_fine(config, examples(128, 1), held_out, tmp_path)
    metrics = moment_metrics(trained.model, held_out)
    assert metrics["R1@0.5"] > 45 and metrics.keys() == set(METRICS)
    assert metrics == pytest.approx(trained.result.best_metrics, abs=0.5)
    stored = load_fine(tmp_path / "model")
    assert moment_metrics(stored, held_out) == pytest.approx(metrics, abs=1e-6)


def test_scores_beside_a_foreign_sentence_fall_with_the_foreign_term() -> None:
    training = task(DetectorLossConfig(foreign=1.0))
    batch = training.data.batch(range(6), generator())
    losses = training.losses(batch, generator())
    assert "loss_foreign" in losses.terms
    assert float(losses.terms["loss_foreign"].detach()) > 0
    assert "loss_foreign" not in task(DetectorLossConfig()).losses(batch, generator()).terms


def test_parts_of_a_step_add_up_to_the_whole() -> None:
    """Without foreign sentences in play, two parts with the counts of the step give the gradient of the step."""
    loss = DetectorLossConfig(saliency=0.0)
    whole, parts = task(loss), task(loss)
    step = whole.data.batch(range(6), generator())
    whole.losses(step, generator()).total.backward()
    cut = [parts.data.batch(indices, generator()) for indices in ([0, 1], [2, 3, 4, 5])]
    means = {name: sum(part.counts[name] for part in cut) / 2 for name in ("pairs", "samples")}
    for part in cut:
        (parts.losses(Batch(part.data, part.sample_ids, means), generator()).total / 2).backward()
    for (name, one), (_, other) in zip(whole.model.named_parameters(), parts.model.named_parameters(), strict=True):
        if one.grad is not None and one.grad.abs().max() > 1e-6:
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-5, msg=name)


def test_batches_depend_on_the_generator_only() -> None:
    data = task(DetectorLossConfig()).data
    first, again = (data.batch([3, 1], generator()).data.targets for _ in range(2))
    assert torch.equal(first.positive, again.positive)
    assert torch.equal(first.negative, again.negative)


def test_foreign_sentences_are_of_another_video_and_have_other_words() -> None:
    chosen, found = next_foreign(["a", "a", "b", "a"], ["1", "2", "3", "4"])
    assert chosen.tolist() == [2, 2, 3, 2]
    assert found.tolist() == [True] * 4
    assert not next_foreign(["a", "a"], ["1", "2"])[1].any()
    assert not next_foreign(["a", "b"], ["same words", "same words"])[1].any()
    assert rolled(3).tolist() == [1, 2, 0]


def test_a_batch_of_one_video_has_a_finite_loss() -> None:
    torch.manual_seed(0)
    data = QdDetrData(examples(4, 0, videos=1), ARCHITECTURE, QdDetrTargetsConfig())
    training = QdDetrTask(QdDetr(ARCHITECTURE).train(), data, [], DetectorLossConfig(foreign=1.0))
    losses = training.losses(data.batch(range(4), generator()), generator())
    assert bool(torch.isfinite(losses.total.detach()))
    assert float(losses.terms["loss_foreign"].detach()) == 0.0


def test_clips_are_relevant_by_their_middle() -> None:
    windows = torch.tensor([[3.1, 5.9]])
    assert window_labels(windows, 5, 2.0).tolist() == [0, 0, 1, 0, 0]
    assert window_labels(windows, 5, 2.0, "lighthouse").tolist() == [0, 1, 0, 0, 0]
    assert window_labels(torch.tensor([[4.2, 4.6]]), 5, 2.0).tolist() == [0, 0, 1, 0, 0]
    assert window_labels(torch.tensor([[0.0, 2.0], [8.0, 10.0]]), 5, 2.0).tolist() == [1, 0, 0, 0, 1]


def test_lighthouse_marks_the_first_window_only() -> None:
    windows = torch.tensor([[0.0, 2.0], [6.0, 10.0]])
    assert window_labels(windows, 5, 2.0, "lighthouse").tolist() == [1, 0, 0, 0, 0]


@pytest.mark.parametrize("labels", [[1.0] * 5, [0.0, 1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0, 0.0], [0.0] * 5, [1.0]])
def test_clip_pairs_exist_for_every_window(labels: list[float]) -> None:
    given = torch.tensor(labels)
    positive, negative = label_pairs(given, generator())
    assert positive.shape == negative.shape == (2,)
    if given.any():
        assert bool((given[positive] > 0).all())
    if int((given == 0).sum()) >= 2 and given.any():
        assert bool((given[negative] == 0).all())


def test_at_most_five_windows_are_targets() -> None:
    windows = torch.arange(16.0).reshape(8, 2)
    chosen = choose_windows(windows, generator())
    assert len(chosen) == 5
    assert torch.equal(chosen[:, 0].sort().values, chosen[:, 0])


def test_annotated_saliency_needs_annotations() -> None:
    with pytest.raises(DataError, match="annotated"):
        task(DetectorLossConfig(), saliency="annotated").data.batch([0], generator())
    (example,) = examples(1, 0)
    example = replace(example, saliency=Saliency((1, 2), ((1.0, 2.0, 1.0), (4.0, 4.0, 3.0))))
    data = QdDetrData([example], ARCHITECTURE, QdDetrTargetsConfig(saliency="annotated"))
    targets = data.batch([0], generator()).data.targets
    assert targets.labels[0, :4].tolist() == [0, 4, 11, 0]
    assert (int(targets.positive[0, 0]), int(targets.negative[0, 0])) == (2, 1)


def test_grouped_lengths_use_every_example_once_and_pad_less() -> None:
    def padding(group: bool) -> int:
        data = QdDetrData(examples(200, 0), ARCHITECTURE, QdDetrTargetsConfig(group_lengths=group))
        batches = data.order(16, generator())
        assert sorted(index for batch in batches for index in batch) == list(range(200))
        lengths = [[len(data.examples[index].segment.clips) for index in batch] for batch in batches]
        return sum(max(own) * len(own) - sum(own) for own in lengths)

    assert padding(True) < padding(False) / 2


def test_splits_that_share_a_video_are_refused(tmp_path: Path) -> None:
    config = FineTraining.model_validate({"recipe": {"name": "qd-detr", "architecture": SMALL["qd-detr"]}})
    with pytest.raises(DataError, match="training and validation share"):
        train_fine(config, examples(4, 1), examples(4, 2), tmp_path)


@pytest.mark.parametrize("part", ["clip features", "word states", "windows"])
def test_values_that_are_not_finite_name_the_query(part: str) -> None:
    (example,) = examples(1, 0)
    values = {"clip features": example.segment.clips, "word states": example.text.tokens, "windows": example.windows_s}
    values[part][0, 0] = float("nan")
    data = QdDetrData([example], ARCHITECTURE, QdDetrTargetsConfig())
    with pytest.raises(DataError, match=f"{part} of query '0-0'"):
        data.batch([0], generator())


def test_a_window_without_length_has_a_finite_loss() -> None:
    torch.manual_seed(0)
    made = [replace(example, windows_s=torch.tensor([[4.0, 4.0]])) for example in examples(3, 0)]
    training = QdDetrTask(
        QdDetr(ARCHITECTURE).train(), QdDetrData(made, ARCHITECTURE, QdDetrTargetsConfig()), [], DetectorLossConfig()
    )
    losses = training.losses(training.data.batch(range(3), generator()), generator())
    losses.total.backward()
    gradients = [parameter.grad for parameter in training.model.parameters() if parameter.grad is not None]
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients)


@pytest.mark.parametrize("name", ["qd-detr", "mesm"])
def test_queries_without_windows_are_refused_before_the_first_step(tmp_path: Path, name: str) -> None:
    made = examples(12, 0)
    made[3:10] = [replace(example, windows_s=torch.zeros(0, 2)) for example in made[3:10]]
    recipe = {"name": name, "architecture": SMALL[name]}
    config = FineTraining.model_validate({"recipe": recipe, "run": {"epochs": 1, "device": "cpu"}})
    held_out = [replace(example, video_id=f"held {example.video_id}") for example in examples(4, 2)]
    with pytest.raises(DataError, match=f"7 training queries have no window .{made[3].query_id}, ") as caught:
        train_fine(config, made, held_out, tmp_path / "run")
    assert "expected windows_s" in str(caught.value) and "leave them out" in str(caught.value)


def test_no_examples_are_refused() -> None:
    with pytest.raises(DataError, match="no training examples"):
        QdDetrData([], ARCHITECTURE, QdDetrTargetsConfig())
