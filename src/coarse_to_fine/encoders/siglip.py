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
from jaxtyping import Float, UInt8
from torch import Tensor

from coarse_to_fine.encoders.batching import TEXT_BATCH, cut_at_a_word, embed_in_batches
from coarse_to_fine.encoders.config import read_json
from coarse_to_fine.encoders.fingerprint import fingerprint_of
from coarse_to_fine.encoders.precision import Precision, computing_in, fingerprint_in
from coarse_to_fine.encoders.preprocessing import Preprocessing, parse_preprocessing
from coarse_to_fine.encoders.tokenizer import clean
from coarse_to_fine.encoders.weights import weight_files
from coarse_to_fine.errors import WeightsError
from coarse_to_fine.types import TextFeatures

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "spiece.model", "tokenizer_config.json")
PICTURE_RULE = "preprocessor_config.json"
DEFAULT_RULE = {"do_center_crop": False, "image_mean": (0.5, 0.5, 0.5), "image_std": (0.5, 0.5, 0.5)}


class SiglipEncoder:
    """A SigLIP model on one device, in evaluation mode; fulfils `ImageTextEncoder`."""

    warning: str | None = None

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
        self.name = name
        self.fingerprint = fingerprint
        self.embed_dim = int(model.config.vision_config.hidden_size)
        self.token_dim = int(model.config.text_config.hidden_size)
        self.image_size = int(model.config.vision_config.image_size)
        self.context = int(model.config.text_config.max_position_embeddings)
        self.device = torch.device(device)
        self.precision: Precision = precision
        self.preprocessing = preprocessing
        self._model = model.to(self.device).eval().requires_grad_(False)
        self._tokenizer = tokenizer

    def prepare(self, picture: UInt8[Tensor, "H W 3"]) -> UInt8[Tensor, "S S 3"]:
        """Resize one upright RGB picture as the model's own processor does."""
        return self.preprocessing.prepare(picture)

    @torch.inference_mode()
    def encode_images(self, pictures: UInt8[Tensor, "N S S 3"]) -> Float[Tensor, "N D"]:
        """Embed prepared pictures; not normalised, float32 on the CPU. N may be 0."""
        with computing_in(self.precision, self.device):
            return embed_in_batches(pictures, self.embed_dim, self._embed)

    @torch.inference_mode()
    def encode_text(self, sentences: Sequence[str]) -> list[TextFeatures]:
        """Embed sentences; over-long ones are cut at a word and marked `truncated`."""
        cut = [cut_at_a_word(clean(one).lower(), self._count, self.context) for one in sentences]
        features = []
        for start in range(0, len(cut), TEXT_BATCH):
            part = cut[start : start + TEXT_BATCH]
            read = self._tokenizer(
                [text for text, _ in part],
                padding="max_length",
                max_length=self.context,
                truncation=True,
                return_attention_mask=True,
                return_tensors="pt",
            )
            output = self._model.text_model(input_ids=read["input_ids"].to(self.device))
            rows = zip(part, output.pooler_output.cpu(), output.last_hidden_state.cpu(), read["attention_mask"])
            for (text, truncated), embedding, states, mask in rows:
                features.append(TextFeatures(text, embedding.clone(), states[mask.bool()], truncated))
        return features

    def _embed(self, pictures: Tensor) -> Tensor:
        pixels = self.preprocessing.normalise(pictures.to(self.device))
        pooled: Tensor = self._model.vision_model(pixel_values=pixels).pooler_output
        return pooled

    def _count(self, text: str) -> int:
        return len(self._tokenizer(text)["input_ids"])


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
    side = int(model.config.vision_config.image_size)
    if (rule.crop or rule.resize) != (side, side):
        raise WeightsError(
            f"{folder}: the rule for pictures makes {rule.crop or rule.resize}, the image tower takes ({side}, "
            f"{side}); use the {PICTURE_RULE} of the same model"
        )
    rules = {"architecture": _architecture(folder), "pictures": rule.model_dump(), "text": "lower case, padded"}
    tokens = [folder / file for file in TOKENIZER_FILES if (folder / file).is_file()]
    fingerprint = fingerprint_of(rules, [*tokens, *weight_files(folder)])
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
        reason = " ".join(str(error).split())[:300]
        raise WeightsError(
            f"{folder}: transformers cannot read this SigLIP ({reason}); expected config.json, weights and tokenizer "
            "files of one model; copy the folder again"
        ) from None
    wrong = [*report["missing_keys"], *report["unexpected_keys"], *map(str, report["mismatched_keys"])]
    if wrong:
        raise WeightsError(
            f"{folder}: {len(wrong)} tensors do not fit the SigLIP of its config.json: {', '.join(wrong[:5])}; "
            "expected config.json and weights of one model; copy the folder again"
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
