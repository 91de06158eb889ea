"""Our towers and other versions of transformers compute the same from the same folder.

`CTF_TRANSFORMERS=FOLDER[:FOLDER...]`: folders with unpacked wheels of transformers, tokenizers and huggingface-hub; the
oldest supported transformers is 4.45 (with tokenizers 0.20 and huggingface-hub 0.25).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from coarse_to_fine.encoders import ClipEncoder, load_encoder
from tests.encoders.features_of_transformers import SENTENCE

FOLDERS = [folder for folder in os.environ.get("CTF_TRANSFORMERS", "").split(":") if folder]


@pytest.mark.slow
@pytest.mark.parametrize("packages", ["", *FOLDERS], ids=lambda folder: Path(folder).name or "installed")
def test_features_are_the_same_in_this_version(packages: str, hugging_face_folder: Path, tmp_path: Path) -> None:
    encoder = load_encoder(hugging_face_folder)
    assert isinstance(encoder, ClipEncoder)
    pictures = torch.randint(0, 256, (2, 32, 32, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    pixels = encoder.preprocessing.normalise(pictures).contiguous()
    save_file({"pixels": pixels}, tmp_path / "pixels.safetensors")
    script = Path(__file__).with_name("features_of_transformers.py")
    arguments = [str(hugging_face_folder), str(tmp_path / "pixels.safetensors"), str(tmp_path / "out.safetensors")]
    environment = os.environ | {"PYTHONPATH": packages, "HF_HUB_OFFLINE": "1"}
    subprocess.run([sys.executable, "-W", "ignore", str(script), *arguments], check=True, env=environment)
    expected = load_file(tmp_path / "out.safetensors")
    torch.testing.assert_close(encoder.encode_images(pictures), expected["image"], rtol=1e-5, atol=1e-5)
    (text,) = encoder.encode_text([SENTENCE])
    assert len(text.tokens) == expected["ids"].shape[1]
    torch.testing.assert_close(text.embedding, expected["text"][0], rtol=1e-5, atol=1e-5)
