"""Image-text towers: CLIP in the Hugging Face layout and its tokenizer."""

from coarse_to_fine.encoders.base import ImageTextEncoder
from coarse_to_fine.encoders.clip import ClipEncoder
from coarse_to_fine.encoders.load import ALIASES, BUNDLED, encoder_folder, load_encoder

__all__ = ["ALIASES", "BUNDLED", "ClipEncoder", "ImageTextEncoder", "encoder_folder", "load_encoder"]
