"""The quality of coarse captions: against an obvious second version, and against what is known of published ones."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from coarse_to_fine.data_generation.tacos_cg.build import build_captions, fit_tf_idf
from coarse_to_fine.data_generation.tacos_cg.check import check_captions, video_groups
from coarse_to_fine.data_generation.tacos_cg.extractive import extractive_captions
from coarse_to_fine.data_generation.tacos_cg.passes import by_video, odd_and_even
from coarse_to_fine.data_generation.tacos_cg.quality import quality
from coarse_to_fine.data_generation.tacos_cg.words import TfIdf, content_words, cosine, jaccard
from coarse_to_fine.datasets.formats import load_annotations
from coarse_to_fine.datasets.records import MomentQuery
from coarse_to_fine.errors import DataError, UserError

WORDS = ["bread", "carrot", "knife", "onion", "plate", "pot", "sink", "water"]


def drawn(seed, videos, texts, length=4):
    """Texts of a few words each, so that many are tied or nearly equal."""
    chosen = random.Random(seed)
    return {video: [" ".join(chosen.choices(WORDS, k=length)) for _ in range(texts)] for video in videos}


def naive_rank(own, others):
    return 1 + sum(one > own for one in others) + sum(one == own for one in others) / 2


def similarity(tf_idf, one, other):
    return round(cosine(tf_idf.vector(content_words(one)), tf_idf.vector(content_words(other))), 9)


@pytest.mark.parametrize("seed", range(5))
def test_numbers_are_those_of_an_obvious_version(seed):
    held_out = drawn(seed, "abcdef", 6)
    captions = drawn(seed + 10, "abcdef", 3) | drawn(seed + 20, "xy", 4)
    tf_idf = TfIdf.fit([content_words(text) for texts in held_out.values() for text in texts[:2]])
    groups = dict(zip("abcdef", "112233"))
    measured = quality(captions, held_out, tf_idf, variants=3, groups=groups)

    owned = [(video, text) for video in held_out for text in captions[video]]
    documents = {video: " ".join(texts) for video, texts in held_out.items()}
    ranks, group_ranks = [], []
    for video, text in owned:
        scores = {other: similarity(tf_idf, text, document) for other, document in documents.items()}
        best = {group: max(scores[one] for one in groups if groups[one] == group) for group in "123"}
        ranks.append(naive_rank(scores.pop(video), scores.values()))
        group_ranks.append(naive_rank(best.pop(groups[video]), best.values()))
    hits = []
    for video, sentences in held_out.items():
        for sentence in sentences:
            scores = [similarity(tf_idf, sentence, text) for _, text in owned]
            hits.append(max(scores) > 0 and owned[scores.index(max(scores))][0] == video)
    everyone = [(video, set(content_words(text))) for video, texts in captions.items() for text in texts]
    nearest = []
    for video, text in owned:
        words = set(content_words(text))
        near = [(other, jaccard(words, more)) for other, more in everyone if other != video]
        other, share = max(near, key=lambda item: item[1])
        nearest.append(None if share < 0.6 else other in held_out)

    found = measured.alignment
    assert found.at_1 == pytest.approx(100 * np.mean([rank <= 1 for rank in ranks]))
    assert found.at_5 == pytest.approx(100 * np.mean([rank <= 5 for rank in ranks]))
    assert found.mrr == pytest.approx(np.mean([1 / rank for rank in ranks]))
    assert found.reverse_at_1 == pytest.approx(100 * np.mean(hits))
    assert found.group_at_1 == pytest.approx(100 * np.mean([rank <= 1 for rank in group_ranks]))
    assert (found.groups, found.group_chance_at_1) == (3, pytest.approx(100 / 3))
    assert measured.confusion == pytest.approx(nearest.count(True) / len(nearest))
    assert measured.confusion_elsewhere == pytest.approx(nearest.count(False) / len(nearest))
    assert measured.nearly_equal == len(nearest) - nearest.count(None) > 0
    assert (measured.captions, measured.left_out, measured.count_defect) == (18, 8, 0)


def test_comparing_says_how_far_it_is():
    said = []
    sentences, captions = drawn(1, "abcdef", 4), drawn(2, "abcdef", 2)
    by_encoder = lambda texts: np.array([[float(word in text) for word in WORDS] for text in texts])  # noqa: E731
    quality(captions, sentences, TfIdf.fit([["bread"]]), embed=by_encoder, progress=lambda *step: said.append(step))
    assert said == [
        (12, 12, "nearly equal captions"),
        *2 * [(12, 12, "videos of captions"), (24, 24, "captions of sentences")],
    ]


def test_quality_of_equal_documents_is_chance():
    held_out = {"a": ["cuts bread"], "b": ["cuts bread"]}
    measured = quality(
        {"a": ["cuts bread"], "b": ["cuts bread"]}, held_out, TfIdf.fit([["cut"], ["bread"]]), variants=1
    )
    assert measured.alignment.mrr == pytest.approx(1 / 1.5)
    assert measured.confusion == 1.0
    assert (measured.alignment.chance_at_1, measured.alignment.chance_at_5) == (50.0, 100.0)


def test_form_is_the_share_of_captions_that_pass_the_checks():
    fine = {
        "a": ["the man cuts white bread", "he toasts the bread slices", "he washes a large knife"],
        "b": ["she peels an orange", "she squeezes the orange halves"],
    }
    good = "Man cuts white bread; he washes a large knife."
    captions = {"a": [good, "1. " + good.lower()], "b": ["Squeezes orange halves; rides a purple bicycle home."]}
    tf_idf = TfIdf.fit([["bread"], ["orange"]])
    assert quality({"a": [good]}, fine, tf_idf, 1).form == 1.0
    measured = quality(captions, {video: texts[:1] for video, texts in fine.items()}, tf_idf, 2, fine)
    assert measured.form == 0.0  # the two of "a" are nearly equal, the one of "b" says what no sentence says
    assert quality({"a": [good], "b": [good]}, fine, tf_idf, 1).form == 0.0


def test_captions_of_videos_without_sentences_are_counted_and_left_out():
    captions, sentences = {"a": ["cuts bread"], "b": ["washes a plate", "boils water"]}, {"a": ["cuts bread"]}
    measured = quality(captions, sentences, TfIdf.fit([["cut"]]), variants=1)
    assert (measured.captions, measured.videos, measured.left_out) == (1, 1, 2)
    with pytest.raises(DataError, match=r"held-out sentences .captions of b; sentences of a.; expected"):
        quality({"b": captions["b"], "a": []}, sentences, TfIdf.fit([["cut"]]))


def test_an_encoder_compares_with_the_mean_of_the_sentences():
    held_out = {"a": ["bread", "bread", "knife"], "b": ["knife", "sink"]}
    captions = {"a": ["knife"], "b": ["sink"]}

    def embed(texts):
        return np.array([[float(text == word) for word in WORDS] for text in texts])

    measured = quality(captions, held_out, TfIdf.fit([["bread"]]), 1, embed=embed).encoder_alignment
    assert measured.at_1 == 50.0  # a knife is a third of the sentences of `a` and half of those of `b`
    assert measured.mrr == 0.75
    assert measured.reverse_at_1 == 100 * 2 / 5


def test_groups_are_named_by_a_part_of_the_id():
    assert video_groups(["s1-d2", "s3-d2"], "d[0-9]+$") == {"s1-d2": "d2", "s3-d2": "d2"}
    with pytest.raises(UserError, match="finds nothing in the id 'v'"):
        video_groups(["s1-d2", "v"], "d[0-9]+$")
    with pytest.raises(UserError, match="expected a regular expression"):
        video_groups(["s1-d2"], "(")


def test_splits_without_a_second_pass_are_measured_on_all_sentences_by_request():
    rows = [MomentQuery(f"q{place}", "v", text, ((place, place + 1.0),), "test") for place, text in enumerate(WORDS)]
    captions = [MomentQuery("c", "v", "bread knife", (), "test")]
    with pytest.raises(DataError, match=r"no video of test has a second annotation pass; .* --all-passes"):
        check_captions(captions, {"test": rows}, fit_tf_idf(rows))
    assert check_captions(captions, {"test": rows}, fit_tf_idf(rows), all_passes=True)["test"].support == 1.0
    with pytest.raises(DataError, match="test and val share 1 video"):
        check_captions(captions, {"test": rows, "val": rows}, fit_tf_idf(rows), all_passes=True)


def test_nothing_is_measured_where_nothing_was_made():
    rows = [MomentQuery(f"q{place}", "v", "No.", ((0.0, 1.0 + place),), "test") for place in range(2)]
    rows.append(replace(rows[0], query_id="q2"))
    built = build_captions(rows, fit_tf_idf(rows))
    assert (built.rows, built.quality, built.incomplete) == ((), None, ("v",))


@pytest.fixture(scope="module")
def tacos(data_dir):
    return {split: load_annotations(data_dir / f"tacos/{split}.json").queries for split in ("train", "val", "test")}


@pytest.mark.parametrize(
    ("split", "alignment", "support", "diversity"),
    [("test", 96.8, 0.811, 0.714), ("val", 97.8, 0.834, 0.694), ("train", 65.9, 0.787, 0.72)],
)
def test_extraction_on_tacos_gives_the_reference_quality(split, alignment, support, diversity, tacos):
    tf_idf = fit_tf_idf(tacos["train"])
    halves = {video: odd_and_even(group) for video, group in by_video(tacos[split]).items()}
    captions = {
        video: [one.text for one in extractive_captions(odd, tf_idf)] for video, (odd, _) in halves.items()
    }  # as they come, refused ones among them, like those of the reference
    measured = quality(captions, {video: [query.text for query in even] for video, (_, even) in halves.items()}, tf_idf)
    assert measured.alignment.at_1 == pytest.approx(alignment, abs=0.05)
    assert measured.support == pytest.approx(support, abs=0.001)
    assert measured.diversity == pytest.approx(diversity, abs=0.01)


PUBLISHED = {  # the file beside the alignment code is version 1, the one called old is version 2
    "tacos_cg.json": {
        "test": (106, 91.5, 99.1, 0.951, 0.483, 0.736, 57.2, 15),
        "val": (119, 96.6, 98.3, 0.976, 0.468, 0.75, 51, 13),
        "train": (354, 66.1, 100, 0.807, 0.479, 0.75, 45, 20),
    },
    "tacos_cg_old.json": {
        "test": (125, 92.0, 100, 0.960, 0.843, 0.646, 18.0, 0),
        "val": (135, 90.4, 99.3, 0.943, 0.808, 0.74, 16, 0),
        "train": (375, 65.1, 98.9, 0.804, 0.843, 0.72, 18, 0),
    },
}


@pytest.mark.parametrize(("file", "near", "elsewhere"), [("tacos_cg.json", 0, 0), ("tacos_cg_old.json", 61, 36)])
def test_published_captions_of_all_splits_give_the_reference_quality(file, near, elsewhere, tacos, data_dir):
    captions = load_annotations(data_dir / "tacos_cg" / file).queries
    found = check_captions(captions, tacos, fit_tf_idf(tacos["train"]), groups="d[0-9]+$")
    for split, (count, at_1, at_5, mrr, support, diversity, words, count_defect) in PUBLISHED[file].items():
        one = found[split]
        assert (one.captions, one.count_defect) == (count, count_defect)
        assert one.alignment.at_1 == pytest.approx(at_1, abs=0.05)
        assert one.alignment.at_5 == pytest.approx(at_5, abs=0.05)
        assert one.alignment.mrr == pytest.approx(mrr, abs=0.0005)
        assert one.support == pytest.approx(support, abs=0.0005)
        assert one.diversity == pytest.approx(diversity, abs=0.006)
        assert one.words == pytest.approx(words, abs=0.5)
    assert sum(one.nearly_equal for one in found.values()) == near
    assert sum(round(one.confusion_elsewhere * one.captions) for one in found.values()) == elsewhere
    assert [found[split].alignment.groups for split in ("test", "val", "train")] == [18, 21, 26]
