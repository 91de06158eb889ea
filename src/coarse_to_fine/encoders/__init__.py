"""Image-text towers: CLIP in the Hugging Face layout and its tokenizer."""
