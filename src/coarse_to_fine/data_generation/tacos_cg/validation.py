"""What a coarse caption must satisfy, whoever wrote it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from coarse_to_fine.data_generation.tacos_cg.words import jaccard, word_set

FEWEST_WORDS, MOST_WORDS = 6, 40
MOST_SENTENCES = 2
LEAST_SUPPORT = 0.6
MOST_OVERLAP = 0.8
RESTATED = 0.8
MARKUP = re.compile(r"^\s*(?:\d+[.)]|[-*•>#])|###|\*\*|`|https?://|www\.|[\"“”]")
OPENING = re.compile(r"^\s*(?:in|on)?\s*(?:the|this|a)\s+(?:video|clip|footage)\b", re.IGNORECASE)
TWO_PIECES = re.compile(r";\s")


def caption_problem(
    text: str, fine_sentences: Sequence[str], other_variants: Sequence[str], taken: Collection[str]
) -> str | None:
    """Why a caption is refused, or None.

    Args:
        text: the caption.
        fine_sentences: all fine sentences of its video.
        other_variants: captions of the same video that are kept already.
        taken: normalised captions of all other videos.
    """
    return _form_problem(text) or _content_problem(text, fine_sentences, other_variants, taken)


def caption_checks(text: str, fine_sentences: Sequence[str], other_variants: Sequence[str]) -> dict[str, float]:
    """What a caption was measured with.

    Returns:
        `words`: their number; `support` and `one_sentence`: share of its content words that occur in all fine
        sentences, and in that one of them that holds the most (1 and 0 without content words); `overlap`: the highest
        Jaccard of content words with another variant.
    """
    words = word_set(text)
    fine = [word_set(sentence) for sentence in fine_sentences]
    known = frozenset[str]().union(*fine)
    most = max((len(words & one) for one in fine), default=0)
    return {
        "words": len(text.split()),
        "support": len(words & known) / len(words) if words else 1.0,
        "one_sentence": most / len(words) if words else 0.0,
        "overlap": max((jaccard(words, word_set(other)) for other in other_variants), default=0.0),
    }


def normalised(text: str) -> str:
    """Letters and single blanks, lower case: what counts as the same caption."""
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


def _form_problem(text: str) -> str | None:
    length = len(text.split())
    if not FEWEST_WORDS <= length <= MOST_WORDS:
        return f"{length} words; expected {FEWEST_WORDS} to {MOST_WORDS}"
    if not text.isprintable():
        return "holds characters that cannot be printed"
    if not text.rstrip().endswith((".", "!", "?")):
        return "does not end in . ! or ?"
    if len(re.findall(r"[.!?](?:\s|$)", text)) > MOST_SENTENCES:
        return f"more than {MOST_SENTENCES} sentences"
    if MARKUP.search(text):
        return "numbering, bullet, quote, markup or an address"
    if OPENING.search(text):
        return "opens by naming the video"
    return None


def _content_problem(
    text: str, fine_sentences: Sequence[str], other_variants: Sequence[str], taken: Collection[str]
) -> str | None:
    if normalised(text) in taken or normalised(text) in {normalised(other) for other in other_variants}:
        return "equal to another caption"
    found = caption_checks(text, fine_sentences, other_variants)
    if found["overlap"] >= MOST_OVERLAP:
        return "nearly equal to another caption of the video"
    if found["support"] < LEAST_SUPPORT:
        return "most of its words occur in no fine sentence"
    if TWO_PIECES.search(text) is None and found["one_sentence"] >= RESTATED:
        return "restates a single fine sentence"
    return None
