"""How good coarse captions are, as numbers, measured against fine sentences that the generator did not read."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from coarse_to_fine.data_generation.tacos_cg.alignment import Alignment, alignment
from coarse_to_fine.data_generation.tacos_cg.near import nearest_of_others
from coarse_to_fine.data_generation.tacos_cg.progress import Advance, Progress, following
from coarse_to_fine.data_generation.tacos_cg.validation import caption_problem, normalised
from coarse_to_fine.data_generation.tacos_cg.words import TfIdf, content_words, jaccard, vector_rows, word_set
from coarse_to_fine.errors import DataError
from coarse_to_fine.evaluation.overlap import FloatArray, IntArray
from coarse_to_fine.wording import first_of

NEARLY_EQUAL = 0.6
Texts = Mapping[str, Sequence[str]]
"""Captions or sentences by video id."""
Embed = Callable[[Sequence[str]], FloatArray]
"""Texts -> (N, D), rows of unit length."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Numbers of one split; shares in [0, 1] where nothing else is said.

    Attributes:
        captions, videos: how many were measured.
        left_out: captions of videos without held-out sentences, those of other splits among them; not measured.
        alignment: by tf-idf of content words.
        encoder_alignment: by a text encoder; None: none was given.
        support: content words of a caption that occur in the held-out sentences of its video.
        coverage: content words of the held-out sentences that occur in the caption.
        diversity: 1 - mean Jaccard over pairs of captions of one video.
        nearly_equal: number of captions with Jaccard >= 0.6 to a caption of another video.
        confusion, confusion_elsewhere: captions of which the nearest such caption is of the same split, of another one.
        form: captions that pass the checks of `validation.py`.
        words: mean words a caption.
        count_defect: number of videos without exactly the wanted number of captions.
    """

    captions: int
    videos: int
    left_out: int
    alignment: Alignment
    encoder_alignment: Alignment | None
    support: float
    coverage: float
    diversity: float
    nearly_equal: int
    confusion: float
    confusion_elsewhere: float
    form: float
    words: float
    count_defect: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Quality:
        """What `as_json` gave."""
        by_encoder = values["encoder_alignment"]
        alignments = {
            "alignment": Alignment(**values["alignment"]),
            "encoder_alignment": None if by_encoder is None else Alignment(**by_encoder),
        }
        return cls(**{**values, **alignments})


def cells_of(quality: Quality) -> dict[str, str]:
    """What tables show of it, by the name of the measure."""
    by_encoder = quality.encoder_alignment
    return {
        "captions": f"{quality.captions}",
        "captions of other videos": f"{quality.left_out}",
        "words": f"{quality.words:.1f}",
        "videos": f"{quality.videos}",
        "videos with too few or many": f"{quality.count_defect}",
        **_alignment_cells(quality.alignment, ""),
        **(_alignment_cells(by_encoder, ", encoder") if by_encoder else {}),
        "support": f"{quality.support:.3f}",
        "coverage": f"{quality.coverage:.3f}",
        "diversity": f"{quality.diversity:.3f}",
        "nearly equal": f"{quality.nearly_equal}",
        "confusion, own split": f"{quality.confusion:.3f}",
        "confusion, other splits": f"{quality.confusion_elsewhere:.3f}",
        "form": f"{quality.form:.3f}",
    }


def _alignment_cells(found: Alignment, by: str) -> dict[str, str]:
    cells = {
        f"A@1 % (chance){by}": f"{found.at_1:.1f} ({found.chance_at_1:.1f})",
        f"A@5 % (chance){by}": f"{found.at_5:.1f} ({found.chance_at_5:.1f})",
        f"MRR{by}": f"{found.mrr:.3f}",
        f"reverse A@1 %{by}": f"{found.reverse_at_1:.1f}",
    }
    if found.groups is not None:
        cells[f"A@1 % (chance) of groups{by}"] = f"{found.group_at_1:.1f} ({found.group_chance_at_1:.1f})"
    return cells


def quality(
    captions: Texts,
    held_out: Texts,
    tf_idf: TfIdf,
    variants: int = 5,
    fine: Texts | None = None,
    groups: Mapping[str, str] | None = None,
    embed: Embed | None = None,
    progress: Progress | None = None,
) -> Quality:
    """Measure captions against held-out fine sentences.

    Args:
        captions: of the split, and of others, with which those of the split should not be confused.
        held_out: fine sentences of the split, none of which the generator read; at least one a video.
        tf_idf: fitted on training videos.
        variants: captions that each video should have.
        fine: all fine sentences of the split, against which the form is checked; None: the held-out ones.
        groups: group of each video with held-out sentences, such as its dish.
        embed: of a text encoder, for a second alignment.
        progress: called while texts are compared.

    Raises:
        DataError: no caption belongs to a video with held-out sentences.
    """
    described = [video for video, texts in captions.items() if texts]
    measured = {video: captions[video] for video in described if video in held_out}
    if not measured:
        raise DataError(
            f"no caption of a video with held-out sentences (captions of {first_of(described, 2) or 'no video'}; "
            f"sentences of {first_of(list(held_out), 2) or 'no video'}); expected captions of these videos; check that "
            "both files are of one set"
        )
    texts = [text for own in measured.values() for text in own]
    shares = [_shared(own, held_out[video]) for video, own in measured.items()]
    support, coverage = (np.concatenate(each) for each in zip(*shares))
    split = {**held_out, **(fine or {})}
    same, other = _nearly_equal(measured, captions, split, following(progress, "nearly equal captions"))
    return Quality(
        captions=len(texts),
        videos=len(held_out),
        left_out=sum(map(len, captions.values())) - len(texts),
        alignment=_alignment(measured, held_out, groups, tf_idf, progress),
        encoder_alignment=_alignment(measured, held_out, groups, embed, progress) if embed else None,
        support=float(support.mean()),
        coverage=float(coverage.mean()),
        diversity=1 - _mean([one for own in measured.values() for one in _overlaps(own)]),
        nearly_equal=same + other,
        confusion=same / len(texts),
        confusion_elsewhere=other / len(texts),
        form=_form(measured, captions, split),
        words=_mean([len(text.split()) for text in texts]),
        count_defect=sum(len(captions.get(video, ())) != variants for video in held_out),
    )


def _alignment(
    captions: Texts,
    held_out: Texts,
    groups: Mapping[str, str] | None,
    by: TfIdf | Embed,
    progress: Progress | None,
) -> Alignment:
    """Alignment by weighted words, or by an encoder, where a video is the mean of its sentences."""
    row = {video: place for place, video in enumerate(held_out)}
    texts, owners = _flat(captions, row)
    sentences, sentence_videos = _flat(held_out, row)
    numbers = None if groups is None else np.unique([groups[video] for video in held_out], return_inverse=True)[1]
    if isinstance(by, TfIdf):
        documents = [" ".join(own) for own in held_out.values()]
        rows = vector_rows([by.vector(content_words(text)) for text in (*texts, *documents, *sentences)])
        ends = len(texts), len(texts) + len(documents)
        parts = rows[: ends[0]], owners, rows[ends[0] : ends[1]], rows[ends[1] :], sentence_videos
        return alignment(*parts, numbers, progress)
    embedded = by(sentences)
    means = np.stack([embedded[sentence_videos == place].mean(axis=0) for place in row.values()])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return alignment(by(texts), owners, means, embedded, sentence_videos, numbers, progress)


def _flat(texts: Texts, row: Mapping[str, int]) -> tuple[list[str], IntArray]:
    """The texts one after the other, and the row of the video of each."""
    videos = [row[video] for video, own in texts.items() for _ in own]
    return [text for own in texts.values() for text in own], np.array(videos, dtype=np.int64)


def _shared(captions: Sequence[str], sentences: Sequence[str]) -> tuple[FloatArray, FloatArray]:
    """Support and coverage of the captions of one video."""
    known = frozenset[str]().union(*map(word_set, sentences))
    words = [word_set(text) for text in captions]
    shared = np.array([len(own & known) for own in words])
    return shared / [max(1, len(own)) for own in words], shared / max(1, len(known))


def _overlaps(captions: Sequence[str]) -> list[float]:
    return [jaccard(one, other) for one, other in itertools.combinations(map(word_set, captions), 2)]


def _nearly_equal(measured: Texts, captions: Texts, split: Texts, advance: Advance) -> tuple[int, int]:
    """Measured captions with a nearly equal one on another video, by the split of the nearest: this one, another."""
    row = {video: place for place, video in enumerate(captions)}
    texts, owners = _flat(captions, row)
    asked = np.flatnonzero(np.isin(owners, [row[video] for video in measured]))
    in_split = np.isin(owners, [row[video] for video in captions if video in split])
    nearest = nearest_of_others([word_set(text) for text in texts], owners, asked, NEARLY_EQUAL, advance)
    inside = in_split[nearest[nearest >= 0]]
    return int(inside.sum()), int((~inside).sum())


def _form(measured: Texts, captions: Texts, fine: Texts) -> float:
    owners: dict[str, set[str]] = defaultdict(set)
    for video, texts in captions.items():
        for text in texts:
            owners[normalised(text)].add(video)
    passed = []
    for video, texts in measured.items():
        taken = {text for text in map(normalised, texts) if owners[text] != {video}}
        for place, text in enumerate(texts):
            variants = [*texts[:place], *texts[place + 1 :]]
            passed.append(caption_problem(text, fine[video], variants, taken) is None)
    return _mean(passed)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
