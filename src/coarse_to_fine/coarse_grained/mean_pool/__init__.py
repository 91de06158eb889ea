"""The training-free coarse model: cosine of a sentence with the mean of a segment's frames."""
