"""Writes what the importable version of transformers computes with a CLIP folder: `python FILE FOLDER PIXELS OUT`."""

from __future__ import annotations

import sys

import torch
from safetensors.torch import load_file, save_file

SENTENCE = "a red ball jumps over the green cube"


def main(folder: str, pixels: str, out: str) -> None:
    import transformers
    from transformers import CLIPModel, CLIPTokenizerFast

    model = CLIPModel.from_pretrained(folder).eval()
    ids = CLIPTokenizerFast.from_pretrained(folder)(SENTENCE, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        image = model.visual_projection(model.vision_model(load_file(pixels)["pixels"]).pooler_output)
        text = model.text_projection(model.text_model(input_ids=ids).pooler_output)
    save_file({"image": image, "text": text, "ids": ids}, out, metadata={"version": transformers.__version__})


if __name__ == "__main__":
    main(*sys.argv[1:])
