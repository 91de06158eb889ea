"""Masked word modelling: guess the words of a sentence from the clips of its moment. Training only.

Axes: B batch, L clips, M clips of the longest moment, T words, D width, K word classes. Masks: True = real.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from coarse_to_fine.fine_grained.inputs import pad_rows
from coarse_to_fine.fine_grained.mesm.enhancement import reading_mask
from coarse_to_fine.fine_grained.mesm.model import MesmNetwork

MASKED_SHARE = 3
"""One word in this many is masked."""


@dataclass(frozen=True, slots=True)
class WordTargets:
    """What the words of a batch are.

    Attributes:
        classes: (B, T) class of each word.
        unknown: (B, T) words outside the vocabulary; their vector is replaced.
        masked: (B, T) words whose vector is hidden.
    """

    classes: Int[Tensor, "B T"]
    unknown: Bool[Tensor, "B T"]
    masked: Bool[Tensor, "B T"]


def guess_words(
    network: MesmNetwork,
    words: Float[Tensor, "B T D"],
    words_mask: Bool[Tensor, "B T"],
    targets: WordTargets,
    clips: Float[Tensor, "B L D"],
    position: Float[Tensor, "B L D"],
    clip_mask: Bool[Tensor, "B L"],
) -> Float[Tensor, "B T K"]:
    """Logits over the word classes for every word, masked or not.

    Args:
        network: its enhancement layers read the clips, its head guesses.
        words, words_mask: projected words.
        targets: which words are unknown and which are masked.
        clips, position: projected clips and their positions.
        clip_mask: clips of the moment, at least one a row.
    """
    config = network.config
    keys, keys_mask = pad_rows([row[inside] for row, inside in zip(clips, clip_mask, strict=True)])  # (B, M, D)
    positions, _ = pad_rows([row[inside] for row, inside in zip(position, clip_mask, strict=True)])
    unknown, masked = (network.input_txt_proj(token) for token in (network.unknown_token, network.masked_token))
    words = torch.where(targets.unknown[..., None], unknown, words)
    words = torch.where(targets.masked[..., None], masked, words)
    mask = reading_mask(words_mask, keys_mask, config.heads, config.official_mask)
    logits: Tensor = network.output_txt_proj(
        network.enhance_encoder.t2v_encoder.read_clips(words, keys, positions, mask)
    )
    return logits


def choose_masked(
    weights: Float[Tensor, "B T"], words_mask: Bool[Tensor, "B T"], generator: torch.Generator
) -> Bool[Tensor, "B T"]:
    """Words to hide: a third of each sentence, at least one of two or more, drawn without replacement.

    A sentence with fewer words of positive weight than are to be drawn has all of them hidden (the release raises).

    Args:
        weights: chances are in proportion to them; 0 is never drawn (start, end, padding).
        words_mask: real words, start and end included; they count in the length of the sentence.
        generator: on the CPU, as are the others.
    """
    masked = torch.zeros_like(words_mask)
    for row, weight in enumerate(weights):
        length, drawable = int(words_mask[row].sum()), int((weight > 0).sum())
        count = min(max(length // MASKED_SHARE, 1), drawable) if length > 1 else 0
        if count:
            masked[row, torch.multinomial(weight, count, generator=generator)] = True
    return masked
