"""Teaching a small CLIP the drawn world; used by `encoders.train` only, never where an encoder is merely used."""
