"""A tiny random CLIP model as transformers saves it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

SENTENCES = [
    "a red ball jumps over the green cube",
    "A  small   blue car, at the beach; it's leaving to the left!",
    "two stars circle 42 trees & don't stop",
    "naïve café Ünïcode \t text",
]


def word_pairs(sentences: list[str], size: int) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """A small byte-pair vocabulary in the order of OpenAI's file: bytes, bytes ending a word, pairs, specials."""
    import json

    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    from coarse_to_fine.encoders.tokenizer import END, START, WORD_END, byte_letters

    tokenizer = Tokenizer(models.BPE(end_of_word_suffix=WORD_END))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=size, end_of_word_suffix=WORD_END, show_progress=False)
    tokenizer.train_from_iterator(sentences, trainer)
    merges = [(left, right) for left, right in json.loads(tokenizer.to_str())["model"]["merges"]]
    letters = byte_letters()
    tokens = [*letters, *(letter + WORD_END for letter in letters), *("".join(pair) for pair in merges), START, END]
    return {token: index for index, token in enumerate(dict.fromkeys(tokens))}, merges


@pytest.fixture(scope="session")
def vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    return word_pairs(SENTENCES, 200)


def clip_config(size: int, **text: Any) -> Any:
    from transformers import CLIPConfig

    return CLIPConfig(
        text_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "vocab_size": size,
            "max_position_embeddings": 32,
            "bos_token_id": size - 2,
            "eos_token_id": size - 1,
            "pad_token_id": size - 1,
            **text,
        },
        vision_config={
            "hidden_size": 48,
            "intermediate_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": 32,
            "patch_size": 8,
            "hidden_act": "gelu",
        },
        projection_dim=24,
    )


@pytest.fixture(scope="session")
def hugging_face_folder(tmp_path_factory: pytest.TempPathFactory, vocabulary: Any) -> Path:
    """Model, tokenizer and picture rules, each written by transformers."""
    from transformers import CLIPModel, CLIPTokenizer
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    tokens, merges = vocabulary
    CLIPModel(clip_config(len(tokens))).save_pretrained(folder)
    CLIPTokenizer(vocab=tokens, merges=merges).save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder
