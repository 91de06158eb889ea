"""The losses are what their formulas say, on cases worked by hand."""

from __future__ import annotations

import math

import torch

from coarse_to_fine.data_generation.world.vocabulary import COLOURS, KINDS
from coarse_to_fine.encoders.config import VisionConfig
from coarse_to_fine.encoders.pretraining.captions import UNCLEAR
from coarse_to_fine.encoders.pretraining.labels import named_labels
from coarse_to_fine.encoders.pretraining.objectives import (
    Probes,
    attention_misses,
    contrastive_loss,
    label_loss,
    pair_truth,
    question_loss,
)
from coarse_to_fine.encoders.pretraining.samples import multi_hot
from coarse_to_fine.encoders.towers import Block


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


def test_attention_on_objects_is_measured_by_its_share() -> None:
    block = Block(VisionConfig(hidden_size=8, intermediate_size=8, num_attention_heads=2))
    with torch.no_grad():
        block.self_attn.q_proj.weight.zero_()
        block.self_attn.q_proj.bias.zero_()  # the class token looks at all five tokens alike
    covered = torch.tensor([[True, False, False, False], [True, True, True, True], [False] * 4])
    misses, heads = attention_misses(block, torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(0)), covered)
    assert heads.tolist() == [2, 2, 0]  # in a grid of two columns the bands of both heads reach both
    torch.testing.assert_close(misses, torch.tensor([-2 * math.log(0.2001), -2 * math.log(0.8001), 0.0]))


def test_labels_are_weighed_within_their_family_and_absent_families_do_not_count() -> None:
    probes = Probes(embed_dim=4, vision_width=8, width=8)
    with torch.no_grad():
        probes.labels.weight.zero_()
        probes.labels.bias.zero_()
    labels = torch.stack([multi_hot(named_labels([("cat", "red"), ("dog", "red")])), multi_hot([])])
    loss = label_loss(probes, torch.ones(2, 4), labels)
    sizes = (len(KINDS), len(COLOURS), len(KINDS) * len(COLOURS))
    torch.testing.assert_close(loss, torch.tensor(sum(math.log(size) for size in sizes) / 3))
