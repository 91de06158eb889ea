"""Words of MESM: vectors from a file, units, classes, weights, and which words are hidden."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from coarse_to_fine.encoders.pretraining.vocabulary import train_tokenizer
from coarse_to_fine.encoders.tokenizer import ClipTokenizer
from coarse_to_fine.errors import ConfigError, DataError
from coarse_to_fine.features.word_vectors import WordVectors, load_vectors, read_glove, split_words, words_of
from coarse_to_fine.fine_grained.mesm.masked_words import choose_masked
from coarse_to_fine.fine_grained.mesm.vocabulary import (
    ClipUnits,
    MesmWordsConfig,
    Units,
    Vocabulary,
    WordUnits,
    make_units,
)

SENTENCES = ["The red ball jumps over a green box.", "A red ball rolls.", "the blue cone spins behind the box"]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def glove(tmp_path: Path) -> Path:
    path = tmp_path / "glove.txt"
    words = ["the", "red", "ball", "jumps", "box", "a", ".", "'s"]
    lines = [f"{word} {' '.join(str(float(row * 3 + at)) for at in range(3))}\n" for row, word in enumerate(words)]
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def clip_units() -> ClipUnits:
    return ClipUnits(ClipTokenizer(train_tokenizer(SENTENCES * 3, 700), 77))


def both_units(clip_units: ClipUnits) -> list[Units]:
    table = torch.eye(len(words_of(SENTENCES)))
    vectors = WordVectors({word: row for row, word in enumerate(sorted(words_of(SENTENCES)))}, table)
    return [clip_units, WordUnits(vectors)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The person's dog doesn't bark.", ["the", "person", "'s", "dog", "does", "n't", "bark", "."]),
        ("a half-open door, 3.5 m away!", ["a", "half-open", "door", ",", "3.5", "m", "away", "!"]),
        ("they’re  here...", ["they", "'re", "here", "..."]),
        ("", []),
    ],
)
def test_words_are_split_as_a_treebank_does(text: str, words: list[str]) -> None:
    assert split_words(text) == words


def test_sentences_from_a_vector_file(glove: Path) -> None:
    vectors = read_glove(glove)
    (text,) = vectors.encode_text(["The red cat's ball."])
    assert text.text == "the red 's ball ."
    assert text.tokens.tolist() == [[0, 1, 2], [3, 4, 5], [21, 22, 23], [6, 7, 8], [18, 19, 20]]
    torch.testing.assert_close(text.embedding, text.tokens.mean(0))
    assert vectors.token_dim == 3
    with pytest.raises(DataError, match="no word"):
        vectors.encode_text(["Quetzal!"])


def test_the_unknown_word_is_stored(glove: Path, tmp_path: Path) -> None:
    vectors = read_glove(glove, words={"red", "ball"}, unknown_seed=3)
    vectors.save(tmp_path / "vectors.safetensors")
    loaded = load_vectors(tmp_path / "vectors.safetensors")
    first, second = (each.encode_text(["a red quetzal"])[0] for each in (vectors, loaded))
    assert first.text == "a red quetzal"
    assert torch.equal(first.tokens, second.tokens)
    assert torch.equal(first.tokens[0], first.tokens[2])
    assert loaded.words == {"ball": 0, "red": 1}


def test_damaged_vector_files_are_named(glove: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of the"):
        read_glove(glove, words={"quetzal"})
    with glove.open("a", encoding="utf-8") as file:
        file.write("odd 1.0 2.0\n")
    with pytest.raises(DataError, match="line 9"):
        read_glove(glove)
    with pytest.raises(DataError, match=r"WordVectors\.save"):
        load_vectors(glove)


def test_classes_are_ranks_and_start_and_end_have_their_own(clip_units: ClipUnits) -> None:
    vocabulary = Vocabulary(clip_units, SENTENCES, classes=9)
    assert vocabulary.size == 6
    units = clip_units.split("The red ball.")
    classes, unknown, weights = vocabulary.look_up("The red ball.", len(units), 77)
    assert classes[0] == 7 and classes[-1] == 8
    assert int(classes[1]) == 0  # "the" is the most frequent
    assert weights[0] == weights[-1] == 0
    assert weights[1] == 1.0 and weights[2] == 2.0 and weights[-2] == 1.0  # the, red, full stop
    unseen = vocabulary.look_up("zzz", len(clip_units.split("zzz")), 77)
    assert bool(unseen[1][1:-1].all()) and unseen[0][1] == 6
    assert not bool(unknown[:3].any())


def test_every_unit_has_one_row_and_classes_fit_the_head(clip_units: ClipUnits) -> None:
    for units in both_units(clip_units):
        vocabulary = Vocabulary(units, SENTENCES, classes=12)
        for text in SENTENCES:
            count = len(units.split(text))
            classes, unknown, weights = vocabulary.look_up(text, count, 5)
            assert len(classes) == len(unknown) == len(weights) == min(5, count)
            assert int(classes.min()) >= 0 and int(classes.max()) < 12
        with pytest.raises(DataError, match="name the encoder"):
            vocabulary.look_up(SENTENCES[0], 3, 5)


def test_the_vocabulary_does_not_depend_on_the_order_of_sentences(clip_units: ClipUnits) -> None:
    first, second = (Vocabulary(clip_units, texts, 12) for texts in (SENTENCES, SENTENCES[::-1]))
    rows = len(clip_units.split(SENTENCES[0]))
    assert torch.equal(first.look_up(SENTENCES[0], rows, 77)[0], second.look_up(SENTENCES[0], rows, 77)[0])


def test_a_head_without_room_is_refused(clip_units: ClipUnits) -> None:
    with pytest.raises(ConfigError, match="word_classes is 3"):
        Vocabulary(clip_units, SENTENCES, 3)
    with pytest.raises(ConfigError, match="vectors"):
        make_units(MesmWordsConfig(units="words"))


def test_units_of_stored_vectors(glove: Path, tmp_path: Path) -> None:
    read_glove(glove).save(tmp_path / "vectors.safetensors")
    units = make_units(MesmWordsConfig(units="words", vectors=tmp_path / "vectors.safetensors"))
    assert units.split("The red zebra jumps") == ["the", "red", "jumps"]
    assert [units.weight(unit) for unit in ("the", "red")] == [1.0, 2.0]


def test_a_third_of_the_words_is_hidden_and_never_start_end_or_padding() -> None:
    weights = torch.tensor(
        [[0.0, 2, 1, 2, 1, 2, 2, 0, 0], [0.0, 2, 1, 0, 0, 0, 0, 0, 0], [2.0, 0, 0, 0, 0, 0, 0, 0, 0]]
    )
    mask = torch.tensor([[True] * 8 + [False], [True] * 4 + [False] * 5, [True] + [False] * 8])
    for seed in range(20):
        masked = choose_masked(weights, mask, generator(seed))
        assert masked.sum(1).tolist() == [2, 1, 0]
        assert not bool(masked[weights == 0].any())
    assert torch.equal(choose_masked(weights, mask, generator(5)), choose_masked(weights, mask, generator(5)))


def test_hiding_follows_the_weights_and_survives_sentences_of_start_and_end_only() -> None:
    weights, mask = torch.tensor([[0.0, 2.0, 1.0, 0.0]]), torch.ones(1, 4, dtype=torch.bool)
    drawn = torch.stack([choose_masked(weights, mask, generator(seed))[0] for seed in range(600)]).float().mean(0)
    assert float(drawn[1]) == pytest.approx(2 / 3, abs=0.06)
    assert choose_masked(torch.zeros(1, 6), torch.ones(1, 6, dtype=torch.bool), generator()).sum() == 0
    few = choose_masked(
        torch.tensor([[0.0, 1.0, 0, 0, 0, 0, 0, 0, 0]]), torch.ones(1, 9, dtype=torch.bool), generator()
    )
    assert few.sum() == 1  # three were to be hidden, one can be
