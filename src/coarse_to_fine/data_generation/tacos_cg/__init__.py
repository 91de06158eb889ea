"""Coarse captions from the fine sentences of a video: TACoS-CG and the same for any data set with fine sentences."""
