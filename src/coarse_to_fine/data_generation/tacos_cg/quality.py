"""How good coarse captions are, as numbers, measured against fine sentences that the generator did not read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from coarse_to_fine.data_generation.tacos_cg.validation import caption_problem, normalised
from coarse_to_fine.data_generation.tacos_cg.words import TfIdf, content_words, cosine, jaccard

CONFUSED = 0.6


@dataclass(frozen=True, slots=True)
class Quality:
    """Numbers of one split; percentages where the name has no unit, shares in [0, 1] from `mrr` on.

    Attributes:
        alignment_at_1, alignment_at_5: captions whose own video is among the best K by tf-idf cosine with the held-out
            sentences, ties at their expected rank.
        chance_at_1, chance_at_5: alignment of a random ranking.
        reverse_at_1: fine sentences whose best caption belongs to their video.
        mrr: mean reciprocal rank.
        support: content words of a caption that occur in the held-out sentences of its video.
        coverage: content words of the held-out sentences that occur in the caption.
        diversity: 1 - mean Jaccard over pairs of captions of one video.
        confusion: captions with Jaccard >= 0.6 to a caption of another video.
        form: captions that pass the checks of `validation.py`.
        words: mean words a caption.
        count_defect: videos without exactly the wanted number of captions.
    """

    captions: int
    videos: int
    alignment_at_1: float
    alignment_at_5: float
    chance_at_1: float
    chance_at_5: float
    reverse_at_1: float
    mrr: float
    support: float
    coverage: float
    diversity: float
    confusion: float
    form: float
    words: float
    count_defect: int

    def as_json(self) -> dict[str, float]:
        return asdict(self)


def quality(
    captions: Mapping[str, Sequence[str]],
    held_out: Mapping[str, Sequence[str]],
    tf_idf: TfIdf,
    variants: int = 5,
    fine: Mapping[str, Sequence[str]] | None = None,
) -> Quality:
    """Measure captions by video against held-out fine sentences by video.

    Args:
        captions: texts by video id; every id is in `held_out`.
        held_out: fine sentences by video id, none of which the generator read.
        tf_idf: fitted on training videos.
        variants: captions that each video should have.
        fine: all fine sentences by video id, against which the form is checked; None: the held-out ones.
    """
    documents = {video: [word for text in texts for word in content_words(text)] for video, texts in held_out.items()}
    vectors = {video: tf_idf.vector(words) for video, words in documents.items()}
    owned = [(video, text, content_words(text)) for video, texts in captions.items() for text in texts]
    ranks = []
    for video, _, words in owned:
        vector = tf_idf.vector(words)
        scores = {other: cosine(vector, document) for other, document in vectors.items()}
        own = scores.pop(video)
        ranks.append(1 + sum(one > own for one in scores.values()) + sum(one == own for one in scores.values()) / 2)
    support = [len(set(words) & set(documents[video])) / max(1, len(set(words))) for video, _, words in owned]
    coverage = [
        len(set(words) & set(documents[video])) / max(1, len(set(documents[video]))) for video, _, words in owned
    ]
    return Quality(
        captions=len(owned),
        videos=len(vectors),
        alignment_at_1=100 * _mean([rank <= 1 for rank in ranks]),
        alignment_at_5=100 * _mean([rank <= 5 for rank in ranks]),
        chance_at_1=_chance(1, len(vectors)),
        chance_at_5=_chance(5, len(vectors)),
        reverse_at_1=100 * _reverse(owned, held_out, tf_idf),
        mrr=_mean([1 / rank for rank in ranks]),
        support=_mean(support),
        coverage=_mean(coverage),
        diversity=_diversity(owned),
        confusion=_confusion(owned),
        form=_form(captions, held_out if fine is None else fine),
        words=_mean([len(text.split()) for _, text, _ in owned]),
        count_defect=sum(len(captions.get(video, ())) != variants for video in held_out),
    )


Owned = Sequence[tuple[str, str, list[str]]]


def _reverse(owned: Owned, held_out: Mapping[str, Sequence[str]], tf_idf: TfIdf) -> float:
    postings: dict[str, list[tuple[int, float]]] = {}
    for index, (_, _, words) in enumerate(owned):
        for word, weight in tf_idf.vector(words).items():
            postings.setdefault(word, []).append((index, weight))
    hits = []
    for video, texts in held_out.items():
        for text in texts:
            scores: dict[int, float] = {}
            for word, weight in tf_idf.vector(content_words(text)).items():
                for index, other in postings.get(word, ()):
                    scores[index] = scores.get(index, 0.0) + weight * other
            best = max(scores.items(), key=lambda item: (item[1], -item[0]), default=(-1, 0.0))[0]
            hits.append(best >= 0 and owned[best][0] == video)
    return _mean(hits)


def _diversity(owned: Owned) -> float:
    sets: dict[str, list[set[str]]] = {}
    for video, _, words in owned:
        sets.setdefault(video, []).append(set(words))
    overlaps = [
        jaccard(one, other)
        for group in sets.values()
        for place, one in enumerate(group)
        for other in group[place + 1 :]
    ]
    return 1 - _mean(overlaps)


def _confusion(owned: Owned) -> float:
    sets = [(video, set(words)) for video, _, words in owned]
    return _mean(
        [any(other != video and jaccard(words, more) >= CONFUSED for other, more in sets) for video, words in sets]
    )


def _form(captions: Mapping[str, Sequence[str]], fine: Mapping[str, Sequence[str]]) -> float:
    known = {video: {normalised(text) for text in texts} for video, texts in captions.items()}
    passed = []
    for video, texts in captions.items():
        taken = set().union(*(others for other, others in known.items() if other != video))
        for place, text in enumerate(texts):
            variants = [*texts[:place], *texts[place + 1 :]]
            passed.append(caption_problem(text, fine[video], variants, taken) is None)
    return _mean(passed)


def _chance(k: int, videos: int) -> float:
    return 100 * min(1.0, k / max(1, videos))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
