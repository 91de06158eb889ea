"""A trained encoder as a folder in the Hugging Face layout."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file
from tokenizers import Tokenizer

from coarse_to_fine.atomic_files import replacing, write_text_atomically
from coarse_to_fine.encoders.check_values import CHECK_FILE, write_check_values
from coarse_to_fine.encoders.load import load_encoder
from coarse_to_fine.encoders.preprocessing import PICTURE_RULE
from coarse_to_fine.encoders.pretraining.config import EncoderTrainingConfig
from coarse_to_fine.encoders.towers import ClipTowers
from coarse_to_fine.training.checkpoints import write_json


def export_encoder(folder: Path, config: EncoderTrainingConfig, towers: ClipTowers, tokenizer: Tokenizer) -> None:
    """Write model.safetensors (float16), preprocessor_config.json, the tokenizer and check values.

    config.json comes last, and goes first where it was there: a folder that has one is complete but for the check
    values.
    """
    folder.mkdir(parents=True, exist_ok=True)
    half = {name: tensor.detach().cpu().half().contiguous() for name, tensor in towers.state_dict().items()}
    with replacing(folder / "model.safetensors") as unfinished:
        save_file(half, unfinished, metadata={"format": "pt"})
        for name in ("config.json", CHECK_FILE):
            (folder / name).unlink(missing_ok=True)
    write_json(folder / PICTURE_RULE, config.preprocessing.to_hugging_face())
    write_text_atomically(folder / "tokenizer.json", tokenizer.to_str(pretty=False))
    reader = {"tokenizer_class": "CLIPTokenizer", "model_max_length": config.context}
    write_json(folder / "tokenizer_config.json", reader)
    write_json(folder / "config.json", {**towers.config.to_hugging_face(), "torch_dtype": "float16"})
    write_check_values(load_encoder(folder), folder)
