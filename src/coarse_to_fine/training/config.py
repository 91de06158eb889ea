"""The settings of a training run; none of them changes what a trained model computes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from coarse_to_fine.frozen_config import FrozenConfig

CONTINUABLE = frozenset(
    {
        "device",
        "workers",
        "worker_start",
        "compile",
        "checkpoint_every_seconds",
        "checkpoint_every_steps",
        "patience",
        "tensorboard",
    }
)
"""Settings that may differ between the run that wrote a checkpoint and the one that continues it."""


class ParameterGroup(FrozenConfig):
    """Parameters with a learning rate of their own."""

    pattern: str = Field(description="glob over full parameter names, for instance 'clip.*'; the first match counts")
    learning_rate: float = Field(ge=0, description="peak learning rate of these parameters")
    weight_decay: float | None = Field(default=None, ge=0, description="decay of these parameters; none: the run's")


class RunConfig(FrozenConfig):
    """How a model is trained. One optimiser step sees `batch_size` samples, whatever `accumulate` and the number of
    processes are: they only say into how many parts a step is cut."""

    epochs: int = Field(default=10, ge=1, description="passes over the training samples")
    max_steps: int | None = Field(default=None, ge=1, description="stop after this many optimiser steps")
    batch_size: int = Field(default=32, ge=1, description="samples of one optimiser step, all processes together")
    drop_last: bool = Field(default=False, description="leave out the last batch of an epoch if it is not full")
    accumulate: int = Field(default=1, ge=1, description="parts of a step that a process computes one after another")
    workers: int = Field(default=0, ge=0, description="processes that prepare batches; 0: none beside the trainer")
    worker_start: Literal["auto", "fork", "spawn"] = Field(default="auto", description="how workers are started")

    optimizer: Literal["adamw", "adam-decoupled"] = Field(
        default="adamw", description="'adam-decoupled' is the variant of the T-MASS release"
    )
    learning_rate: float = Field(default=1e-4, ge=0, description="peak learning rate")
    groups: tuple[ParameterGroup, ...] = Field(default=(), description="parameters with other rates")
    weight_decay: float = Field(default=1e-4, ge=0, description="decoupled weight decay of every parameter")
    betas: tuple[float, float] = Field(default=(0.9, 0.999), description="decay of both moments")
    epsilon: float | None = Field(default=None, gt=0, description="none: 1e-8 for adamw, 1e-6 for adam-decoupled")
    clip_norm: float | None = Field(default=None, gt=0, description="largest global gradient norm; none: no clipping")

    schedule: Literal["constant", "step", "warmup-cosine"] = Field(
        default="constant", description="how the learning rate changes"
    )
    warmup: float = Field(default=0.0, ge=0, lt=1, description="fraction of all steps in which the rate rises from 0")
    step_epochs: int | None = Field(default=None, ge=1, description="schedule 'step': epochs between two drops")
    step_factor: float = Field(default=0.1, gt=0, le=1, description="schedule 'step': factor of a drop")

    seed: int = Field(default=0, ge=0, description="everything random in the run follows from it")
    evaluate_every: int = Field(default=1, ge=1, description="epochs between evaluations on the validation split")
    select: str | None = Field(default=None, description="validation metric that chooses the best checkpoint")
    select_mode: Literal["max", "min"] = Field(default="max", description="whether the metric is best high or low")
    patience: int | None = Field(default=None, ge=1, description="stop after this many evaluations without a new best")

    precision: Literal["float32", "bf16"] = Field(default="float32", description="'bf16': autocast of the forward pass")
    compile: bool = Field(default=False, description="torch.compile the modules that a step calls")
    device: str = Field(default="auto", description="'auto', 'cpu', 'cuda', 'cuda:1', 'mps'")
    checkpoint_every_seconds: float = Field(default=300.0, gt=0, description="time between two checkpoints")
    checkpoint_every_steps: int | None = Field(default=None, ge=1, description="steps between two checkpoints as well")
    tensorboard: bool = Field(default=False, description="also write events for TensorBoard (needs `tensorboard`)")

    @model_validator(mode="after")
    def _combinations(self) -> RunConfig:
        if self.schedule == "step" and self.step_epochs is None:
            raise ValueError("schedule 'step' needs step_epochs, the epochs between two drops; set it")
        if self.accumulate > self.batch_size:
            raise ValueError(f"accumulate is {self.accumulate}, more than batch_size {self.batch_size}; lower it")
        if self.patience is not None and self.select is None:
            raise ValueError("patience is set but select is not; name the validation metric that is waited for")
        return self
