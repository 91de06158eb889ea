"""The training loop, optimisers, schedules, checkpoints; names no model."""
