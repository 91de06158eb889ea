"""The losses are what their formulas say, on cases worked by hand."""

from __future__ import annotations

import math

import torch

from coarse_to_fine.encoders.pretraining.captions import UNCLEAR
from coarse_to_fine.encoders.pretraining.objectives import contrastive_loss, pair_truth, question_loss


def test_contrast_with_one_right_answer_is_the_cross_entropy_both_ways() -> None:
    generator = torch.Generator().manual_seed(0)
    texts, images = torch.randn(5, 8, generator=generator), torch.randn(5, 8, generator=generator)
    logits = 7 * torch.nn.functional.cosine_similarity(texts[:, None], images[None], dim=-1)
    target = torch.arange(5)
    expected = (
        torch.nn.functional.cross_entropy(logits, target) + torch.nn.functional.cross_entropy(logits.T, target)
    ) / 2
    found = contrastive_loss(texts, images, torch.eye(5, dtype=torch.long), torch.tensor(7.0))
    torch.testing.assert_close(found, expected)


def test_an_unclear_pair_counts_neither_way() -> None:
    texts = torch.eye(3, requires_grad=True)
    truth = torch.eye(3, dtype=torch.long)
    truth[0, 1] = UNCLEAR
    loss = contrastive_loss(texts, torch.eye(3), truth, torch.tensor(1.0))
    row_2 = math.log(math.e + 1) - 1  # one other frame is left for caption 0, one other caption for frame 1
    row_3 = math.log(math.e + 2) - 1
    torch.testing.assert_close(loss, torch.tensor((row_2 + 2 * row_3) / 3))
    loss.backward()
    assert torch.isfinite(texts.grad).all()


def test_two_right_answers_share_the_target() -> None:
    texts, images = torch.eye(2)[:1], torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    loss = contrastive_loss(texts, images, torch.ones(1, 2, dtype=torch.long), torch.tensor(3.0))
    torch.testing.assert_close(loss, torch.tensor(math.log(2) / 2))


def test_truth_reaches_other_scenes_through_equal_words_only() -> None:
    scene_truth = torch.zeros(2, 2, 1, 2, dtype=torch.long)
    scene_truth[0, 0, 0] = torch.tensor([1, 0])
    scene_truth[0, 1, 0] = torch.tensor([UNCLEAR, 1])
    scene_truth[1, 0, 0] = torch.tensor([1, 1])
    scene_truth[1, 1, 0] = torch.tensor([0, 1])
    ids = torch.tensor([[1, 9], [2, 9], [1, 9], [3, 9]])
    assert pair_truth(ids, scene_truth).tolist() == [
        [1, 0, 1, 1],
        [UNCLEAR, 1, 0, 0],
        [1, 0, 1, 1],
        [0, 0, 0, 1],
    ]


def test_poses_of_absent_objects_do_not_count() -> None:
    answers = torch.zeros(1, 2, 9)
    answers[0, 1, 1:] = 100.0
    presence, pose = question_loss(answers, torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2, 8))
    torch.testing.assert_close(presence, torch.tensor(math.log(2)))
    assert pose == 0
