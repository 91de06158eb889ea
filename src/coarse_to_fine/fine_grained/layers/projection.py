"""Projections of input features, and small perceptrons."""

from __future__ import annotations

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn


class ProjectionStage(nn.Module):
    """Linear(Dropout(LayerNorm(x))), then a ReLU unless it is the last stage."""

    def __init__(self, width_in: int, width_out: int, dropout: float, relu: bool) -> None:
        super().__init__()
        self.relu = relu
        self.LayerNorm = nn.LayerNorm(width_in)
        self.net = nn.Sequential(nn.Dropout(dropout), nn.Linear(width_in, width_out))

    def forward(self, x: Float[Tensor, "*N i"]) -> Float[Tensor, "*N o"]:
        x = self.net(self.LayerNorm(x))
        return x.relu() if self.relu else x


class InputProjection(nn.Sequential):
    """`stages` projection stages from `width_in` to `width`; the first layer norm is on the raw input width."""

    def __init__(self, width_in: int, width: int, stages: int, dropout: float) -> None:
        widths = [width_in, *[width] * stages]
        super().__init__(
            *[ProjectionStage(widths[i], widths[i + 1], dropout, relu=i < stages - 1) for i in range(stages)]
        )


class Perceptron(nn.Module):
    """Linear layers with ReLU between them."""

    def __init__(self, *widths: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(widths))

    def forward(self, x: Float[Tensor, "*N i"]) -> Float[Tensor, "*N o"]:
        for layer in list(self.layers)[:-1]:
            x = layer(x).relu()
        return self.layers[-1](x)  # type: ignore[no-any-return]
