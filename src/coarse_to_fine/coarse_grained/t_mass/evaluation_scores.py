"""Score matrices of a test set; the only place where the leaking score of the release can be had, by name.

Axes: T texts, V videos, M captions of a video, F frames, D width, S trials.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from coarse_to_fine.coarse_grained.base import blocks, unit
from coarse_to_fine.coarse_grained.t_mass.model import PLAIN_BLOCK_FLOATS, TMass
from coarse_to_fine.coarse_grained.t_mass.stochastic import frame_cosines, stochastic_text, trial_cosines
from coarse_to_fine.errors import UserError


@torch.no_grad()
def evaluation_scores(
    model: TMass,
    text: Float[Tensor, "T D"],
    frames: Float[Tensor, "V F D"],
    video_of_text: Int[Tensor, " T"] | None = None,
    score: Literal["query", "official"] = "query",
    noise: Float[Tensor, "S *VT D"] | None = None,
    seed: int = 0,
) -> Float[Tensor, "T V"]:
    """Score of every text with every video.

    Args:
        model: the head.
        text: T text embeddings.
        frames: frame embeddings of V videos.
        video_of_text: row of each text's true video; only 'official' needs (and sees) it.
        score: 'query' pools each candidate by the query, as a search must. 'official' reproduces the release: each
            candidate is pooled by its OWN caption of the same number, which leaks the truth (on independent random
            texts and frames it reaches R@1 20 % where chance is 0.5 %). Use it only beside published numbers.
        noise: (S, D), or (S, V, T, D); none: the bank of the seed.
        seed: seed of the bank.

    Returns:
        (T, V); with 'official', NaN where a candidate has fewer captions than the query's number.

    Raises:
        UserError: an unknown score, or 'official' without `video_of_text`.
    """
    if score not in ("query", "official") or (score == "official" and video_of_text is None):
        raise UserError(
            f"score {score!r} with video_of_text {'missing' if video_of_text is None else 'given'}, expected 'query', "
            "or 'official' with the true video of each text; correct the call"
        )
    noise = model.noise_bank(seed) if noise is None else noise
    own = slot = None
    if score == "official" and video_of_text is not None:
        own, slot = _caption_table(video_of_text, len(frames))
    scores = text.new_empty(len(text), len(frames))
    for part in blocks(len(frames), PLAIN_BLOCK_FLOATS // max(1, text.numel())):
        pooled = model.pooling(text, frames[part])  # (V, T, D)
        radius = model.radius(frame_cosines(text, frames[part]))
        drawn = noise[:, part] if noise.ndim > 2 else noise
        trials = trial_cosines(text, pooled, radius, drawn)  # (S, V, T)
        if own is None or slot is None:
            scores[:, part] = trials.amax(dim=0).T
        else:
            chosen = unit(stochastic_text(text, radius, _best_noise(drawn, trials)))
            scores[:, part] = _by_own_caption(chosen, unit(pooled), own[part], slot).T
    return scores


def _best_noise(noise: Tensor, trials: Float[Tensor, "S V T"]) -> Float[Tensor, "V T D"]:
    best = trials.argmax(dim=0)  # (V, T)
    if noise.ndim == 2:
        return noise[best]
    return noise.gather(0, best[None, ..., None].expand(1, -1, -1, noise.shape[-1]))[0]


def _caption_table(video_of_text: Int[Tensor, " T"], videos: int) -> tuple[Int[Tensor, "V M"], Int[Tensor, " T"]]:
    """Text of each video's m-th caption (-1: none), and the number m of each text among its video's captions."""
    texts: list[list[int]] = [[] for _ in range(videos)]
    slot = torch.zeros_like(video_of_text)
    for index, video in enumerate(video_of_text.tolist()):
        slot[index] = len(texts[video])
        texts[video].append(index)
    longest = max((len(own) for own in texts), default=0)
    table = torch.full((videos, longest), -1, dtype=torch.int64)
    for video, own in enumerate(texts):
        table[video, : len(own)] = torch.tensor(own, dtype=torch.int64)
    return table.to(video_of_text.device), slot


def _by_own_caption(
    chosen: Float[Tensor, "V T D"], pooled: Float[Tensor, "V T D"], own: Int[Tensor, "V M"], slot: Int[Tensor, " T"]
) -> Float[Tensor, "V T"]:
    """Cosine of each chosen text with the candidate as the candidate's own caption of that number sees it."""
    rows = torch.arange(len(pooled), device=pooled.device)
    scores = chosen.new_full(chosen.shape[:2], float("nan"))
    for number in range(own.shape[1]):
        texts = (slot == number).nonzero().squeeze(1)
        caption = own[:, number]
        target = pooled[rows, caption.clamp(min=0)]  # (V, D)
        cosine = (chosen[:, texts] * target[:, None]).sum(dim=-1)
        scores[:, texts] = torch.where((caption >= 0)[:, None], cosine, scores[:, texts])
    return scores
