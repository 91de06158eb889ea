"""Our tokenizer gives the ids of transformers' CLIPTokenizer, cuts at words and takes any text."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import CLIPTokenizer

from coarse_to_fine.encoders.tokenizer import (
    ClipTokenizer,
    byte_pair_tokenizer,
    clean,
    load_tokenizer,
    openai_tokenizer,
)
from coarse_to_fine.errors import WeightsError
from tests.encoders.conftest import SENTENCES, word_pairs


@pytest.fixture(scope="module")
def tokenizer(vocabulary: Any) -> ClipTokenizer:
    return ClipTokenizer(byte_pair_tokenizer(*vocabulary), context=77)


def test_ids_equal_those_of_transformers(tokenizer: ClipTokenizer, vocabulary: Any) -> None:
    theirs = CLIPTokenizer(vocab=vocabulary[0], merges=vocabulary[1])
    for sentence, read in zip(SENTENCES, tokenizer.tokenize(SENTENCES)):
        assert list(read.ids) == theirs(sentence)["input_ids"], sentence
        assert not read.truncated


def test_every_published_file_form_gives_the_same_ids(
    tmp_path: Path, tokenizer: ClipTokenizer, vocabulary: Any, hugging_face_folder: Path
) -> None:
    tokens, merges = vocabulary
    lines = "\n".join(["#version: 0.2", *(" ".join(pair) for pair in merges)])
    for name in ("pairs", "plain", "compressed"):
        (tmp_path / name).mkdir()
    (tmp_path / "pairs" / "vocab.json").write_text(json.dumps(tokens))
    (tmp_path / "pairs" / "merges.txt").write_text(lines)
    (tmp_path / "plain" / "bpe_simple_vocab_16e6.txt").write_text(lines)
    (tmp_path / "compressed" / "bpe_simple_vocab_16e6.txt.gz").write_bytes(gzip.compress(lines.encode()))
    expected = [read.ids for read in tokenizer.tokenize(SENTENCES)]
    for folder in (hugging_face_folder, *(tmp_path / name for name in ("pairs", "plain", "compressed"))):
        assert [read.ids for read in load_tokenizer(folder, 77).tokenize(SENTENCES)] == expected, folder


def test_ids_of_the_openai_file_come_in_its_order(tmp_path: Path) -> None:
    tokens, merges = word_pairs(SENTENCES, 200)
    path = tmp_path / "bpe_simple_vocab_16e6.txt"
    path.write_text("\n".join(["#version: 0.2", *(" ".join(pair) for pair in merges)]))
    found = openai_tokenizer(path).get_vocab()
    assert found["!"] == 0
    assert found["a</w>"] == 256 + found["a"]
    assert found == tokens


def test_a_long_sentence_is_cut_at_a_word(vocabulary: Any) -> None:
    [kept] = ClipTokenizer(byte_pair_tokenizer(*vocabulary), context=77).tokenize(["A red ball, jumps over"])
    for spare in (0, 1, 3):  # no room for the next word, or for a part of it only
        short = ClipTokenizer(byte_pair_tokenizer(*vocabulary), context=len(kept.ids) + spare)
        [cut] = short.tokenize(["A red ball, jumps over unbelievably green cubes"])
        assert cut.truncated
        assert cut.text == "A red ball, jumps over"
        assert cut.ids == kept.ids


def test_a_sentence_that_just_fits_is_not_cut(vocabulary: Any) -> None:
    whole = ClipTokenizer(byte_pair_tokenizer(*vocabulary), context=77).tokenize(["a red ball jumps"])[0]
    exact = ClipTokenizer(byte_pair_tokenizer(*vocabulary), context=len(whole.ids)).tokenize(["a red ball jumps"])[0]
    assert exact == whole


def test_one_endless_word_is_cut_inside(vocabulary: Any) -> None:
    [cut] = ClipTokenizer(byte_pair_tokenizer(*vocabulary), context=10).tokenize(["z" * 100])
    assert len(cut.ids) == 10
    assert cut.truncated


def test_html_and_typographic_signs_are_undone() -> None:
    assert clean("it’s  “fish &amp;amp; chips” \n\t now ") == 'it\'s "fish & chips" now'


def test_special_tokens_in_a_sentence_are_text(tokenizer: ClipTokenizer) -> None:
    ids = tokenizer.tokenize(["a <|endoftext|> ball"])[0].ids
    assert ids.count(tokenizer.end_id) == 1


@given(st.text(st.characters(), max_size=60))
def test_any_unicode_text_has_ids_within_the_context(text: str) -> None:
    small = ClipTokenizer(byte_pair_tokenizer(*word_pairs(SENTENCES[:1], 30)), context=20)
    [read] = small.tokenize([text])
    assert 2 <= len(read.ids) <= 20
    assert max(read.ids) < small.vocabulary_size
    assert read.ids.count(small.end_id) == 1  # no byte is unknown


def test_a_folder_without_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no tokenizer; expected tokenizer\.json"):
        load_tokenizer(tmp_path, 77)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(WeightsError, match="not a tokenizer"):
        load_tokenizer(tmp_path, 77)
