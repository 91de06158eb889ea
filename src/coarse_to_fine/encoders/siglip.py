"""SigLIP and SigLIP 2 of a fixed picture size, computed by transformers (extra `towers`), which is imported on use.

Sentences are lower-cased (both were trained so; not every version of their tokenizers does it) and padded to the whole
context without a mask, as in training; the word states that are given on are those of the sentence alone.

Source: Zhai et al., ICCV 2023; Tschannen et al., 2025; names of `transformers/models/siglip/modeling_siglip.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from coarse_to_fine.encoders.config import read_json
from coarse_to_fine.encoders.fingerprint import fingerprint_of, present
from coarse_to_fine.encoders.precision import Precision, fingerprint_in
from coarse_to_fine.encoders.preprocessing import PICTURE_RULE, Preprocessing, parse_preprocessing, require_side
from coarse_to_fine.encoders.sentences import TRANSFORMERS_FILES, TokenizedSentence, cut_at_a_word
from coarse_to_fine.encoders.tokenizer import clean
from coarse_to_fine.encoders.two_towers import TwoTowers
from coarse_to_fine.encoders.weights import weight_files
from coarse_to_fine.errors import WeightsError
from coarse_to_fine.wording import counted, first_of, why

DEFAULT_RULE = {"do_center_crop": False, "image_mean": (0.5, 0.5, 0.5), "image_std": (0.5, 0.5, 0.5)}


class SiglipEncoder(TwoTowers):
    """A SigLIP model of transformers."""

    def __init__(
        self,
        name: str,
        model: Any,
        tokenizer: Any,
        preprocessing: Preprocessing,
        fingerprint: str,
        device: torch.device | str = "cpu",
        precision: Precision = "fp32",
    ) -> None:
        """Take a loaded `SiglipModel` and its tokenizer."""
        super().__init__(name, model, preprocessing, fingerprint, device, precision)
        self.embed_dim = int(model.config.vision_config.hidden_size)
        self.token_dim = int(model.config.text_config.hidden_size)
        self.image_size = int(model.config.vision_config.image_size)
        self.context = int(model.config.text_config.max_position_embeddings)
        self.embed_pixels = lambda pixels: model.vision_model(pixel_values=pixels).pooler_output
        self._tokenizer = tokenizer

    def _tokenize(self, sentences: Sequence[str]) -> list[TokenizedSentence]:
        return [self._tokenize_one(clean(sentence).lower()) for sentence in sentences]

    def _tokenize_one(self, sentence: str) -> TokenizedSentence:
        text, truncated = cut_at_a_word(sentence, lambda part: len(self._tokenizer(part)["input_ids"]), self.context)
        read = self._tokenizer(
            text, padding="max_length", max_length=self.context, truncation=True, return_attention_mask=True
        )
        return TokenizedSentence(text, tuple(read["input_ids"]), truncated, tuple(map(bool, read["attention_mask"])))

    def _embed_ids(self, ids: Int[Tensor, "M L"]) -> tuple[Float[Tensor, "M D"], Float[Tensor, "M L W"]]:
        output = self.towers.text_model(input_ids=ids)
        return output.pooler_output, output.last_hidden_state


def load_siglip(name: str, folder: Path, device: torch.device | str, precision: Precision) -> SiglipEncoder:
    """The model of a folder in the Hugging Face layout.

    Raises:
        WeightsError: transformers is not installed, or the folder is incomplete or holds another model.
    """
    if read_json(folder / "config.json", "the architecture").get("model_type") != "siglip":
        raise WeightsError(
            f"{folder} holds a SigLIP 2 of the NaFlex kind, whose pictures have no fixed size; expected one of a fixed "
            "size; use google/siglip2-base-patch16-224 or a sibling"
        )
    model, tokenizer = _read(folder)
    rule = parse_preprocessing({**DEFAULT_RULE, **read_json(folder / PICTURE_RULE, "the rule for pictures")}, name)
    require_side(rule, int(model.config.vision_config.image_size), folder)
    rules = {"architecture": _architecture(folder), "pictures": rule.model_dump(), "text": "lower case, padded"}
    fingerprint = fingerprint_of(rules, [*present(folder, TRANSFORMERS_FILES), *weight_files(folder)])
    return SiglipEncoder(name, model, tokenizer, rule, fingerprint_in(precision, fingerprint), device, precision)


def _read(folder: Path) -> tuple[Any, Any]:
    try:
        from transformers import AutoTokenizer, SiglipModel
    except ImportError as error:
        raise WeightsError(
            f"{folder} holds a SigLIP, which needs transformers ({error}); expected the extra `towers`; install it "
            "with `pip install 'coarse-to-fine[towers]'`"
        ) from None
    weight_files(folder)
    kind: Any = SiglipModel  # its annotations do not know the report
    try:
        model, report = kind.from_pretrained(folder, local_files_only=True, output_loading_info=True)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        reason = why(error)[:300]
        raise WeightsError(
            f"{folder}: transformers cannot read this SigLIP ({reason}); expected config.json, weights and tokenizer "
            "files of one model; copy the folder again"
        ) from None
    wrong = [*report["missing_keys"], *report["unexpected_keys"], *map(str, report["mismatched_keys"])]
    if wrong:
        raise WeightsError(
            f"{folder}: {counted(len(wrong), 'tensor does', 'tensors do')} not fit the SigLIP of its config.json: "
            f"{first_of(wrong)}; expected config.json and weights of one model; copy the folder again"
        )
    return model.float(), tokenizer


def _architecture(folder: Path) -> dict[str, Any]:
    """The parts of config.json that say what is computed."""
    document = read_json(folder / "config.json", "the architecture")
    kept = {}
    for part in ("text_config", "vision_config"):
        tower = dict(document.get(part) or {})
        for noise in ("dtype", "torch_dtype", "transformers_version", "_name_or_path"):
            tower.pop(noise, None)
        kept[part] = tower
    return kept
