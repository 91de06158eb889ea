"""CLIP's byte-pair tokenizer on the `tokenizers` library, from any of the files in which it is published."""

from __future__ import annotations

import gzip
import html
import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import BPE

from coarse_to_fine.encoders.sentences import TokenizedSentence
from coarse_to_fine.errors import WeightsError

START = "<|startoftext|>"
END = "<|endoftext|>"
WORD_END = "</w>"
OPENAI_FILES = ("bpe_simple_vocab_16e6.txt", "bpe_simple_vocab_16e6.txt.gz")
TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "merges.txt", *OPENAI_FILES)
OPENAI_MERGES = 49152 - 256 - 2
WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"

PLAIN = str.maketrans({"‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "ﬁ": "fi", "ﬂ": "fl", "ﬀ": "ff"})
"""The part of ftfy's repairs that matters to typed sentences; a fixed table, so that no optional package changes
features."""


class ClipTokenizer:
    """Sentences to token ids; every Unicode text has some."""

    def __init__(self, tokenizer: Tokenizer, context: int) -> None:
        """Wrap a loaded tokenizer.

        Args:
            tokenizer: knows START and END.
            context: most ids of a sentence, start and end token included.
        """
        self._tokenizer = tokenizer
        self._tokenizer.encode_special_tokens = True  # a typed "<|endoftext|>" is text
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.context = context
        self.start_id = self._special(START)
        self.end_id = self._special(END)

    @property
    def vocabulary_size(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    def tokenize(self, sentences: Sequence[str]) -> list[TokenizedSentence]:
        """Token ids; a sentence longer than the context is cut before the first word that does not fit whole."""
        cleaned = [clean(sentence) for sentence in sentences]
        encodings = self._tokenizer.encode_batch(cleaned, add_special_tokens=False)
        result = []
        for text, encoding in zip(cleaned, encodings):
            room = self.context - 2
            ids, truncated = encoding.ids, len(encoding.ids) > room
            if truncated:
                room = _last_whole_word(text, [start for start, _ in encoding.offsets], room)
                ids, text = ids[:room], text[: encoding.offsets[room - 1][1]].rstrip()
            result.append(TokenizedSentence(text, (self.start_id, *ids, self.end_id), truncated))
        return result

    def _special(self, token: str) -> int:
        found = self._tokenizer.token_to_id(token)
        if found is None:
            raise WeightsError(
                f"the tokenizer has no token {token}; expected a CLIP tokenizer, give the files of the same model"
            )
        return int(found)


def clean(sentence: str) -> str:
    """Undo HTML escapes and typographic quotes, compose accents, join white space, strip."""
    encodable = sentence.encode("utf-8", errors="replace").decode("utf-8")  # lone surrogates
    unescaped = html.unescape(html.unescape(encodable)).translate(PLAIN)
    return " ".join(unicodedata.normalize("NFC", unescaped).split())


def load_tokenizer(folder: Path, context: int) -> ClipTokenizer:
    """The tokenizer of a model folder.

    Args:
        folder: holds tokenizer.json, or vocab.json with merges.txt, or OpenAI's vocabulary file.
        context: most ids of a sentence.

    Raises:
        WeightsError: none of them is there, or a file is damaged.
    """
    if (folder / "tokenizer.json").is_file():
        return ClipTokenizer(_read(folder / "tokenizer.json"), context)
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
        lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
        return ClipTokenizer(byte_pair_tokenizer(vocabulary, _merges(lines)), context)
    for name in OPENAI_FILES:
        if (folder / name).is_file():
            return ClipTokenizer(openai_tokenizer(folder / name), context)
    raise WeightsError(
        f"{folder}: no tokenizer; expected tokenizer.json, vocab.json with merges.txt, or {OPENAI_FILES[0]}, "
        "put the file of the same model there"
    )


def openai_tokenizer(path: Path) -> Tokenizer:
    """From the merge list that OpenAI published with CLIP, plain or compressed."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    merges = _merges(raw.decode("utf-8").splitlines()[1 : OPENAI_MERGES + 1])
    letters = byte_letters()
    tokens = [*letters, *(letter + WORD_END for letter in letters), *("".join(pair) for pair in merges), START, END]
    return byte_pair_tokenizer({token: index for index, token in enumerate(tokens)}, merges)


def byte_pair_tokenizer(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> Tokenizer:
    """CLIP's rules around a vocabulary: lower case, its split into words, bytes below the pairs."""
    model = BPE(vocab=vocabulary, merges=merges, end_of_word_suffix=WORD_END, unk_token=END)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in (START, END)])
    return tokenizer


def _last_whole_word(text: str, starts: list[int], room: int) -> int:
    """The largest number of tokens up to `room` that ends at white space; `room` itself within a first endless word."""
    for count in range(room, 0, -1):
        if text[starts[count] - 1 : starts[count]].isspace():
            return count
    return room


def _read(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise WeightsError(
            f"{path}: not a tokenizer ({error}); expected a file of the `tokenizers` library, copy it again"
        ) from None


def _merges(lines: list[str]) -> list[tuple[str, str]]:
    pairs = [tuple(line.split()) for line in lines if line.strip() and not line.startswith("#version")]
    return [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]


def byte_letters() -> list[str]:
    """The letters that stand for the bytes in published vocabularies, in the order of their ids.

    Source: `bytes_to_unicode` of OpenAI's GPT-2 and CLIP.
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = 256 - len(printable)
    return [chr(code) for code in printable] + [chr(256 + index) for index in range(others)]
