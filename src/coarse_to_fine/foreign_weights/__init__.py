"""Checkpoints that others trained: which there are, what a file holds, and how it becomes a model folder of ours."""
