"""Initial values of the transformer parts, as the releases have them."""

from __future__ import annotations

from torch import nn


def xavier_matrices(module: nn.Module) -> None:
    """Draw every matrix inside `module` Xavier-uniform; vectors keep what their constructors gave them.

    This also overwrites the zeroed last matrix of the span refinement, as in the releases: it starts non-zero.
    """
    for parameter in module.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)


def equal_vectors(layers: nn.ModuleList) -> None:
    """Give the layers of a stack the first layer's biases and norms: the releases build stacks by deep copies."""
    first = dict(layers[0].named_parameters())
    for layer in list(layers)[1:]:
        for name, parameter in layer.named_parameters():
            if parameter.dim() <= 1:
                parameter.data.copy_(first[name].data)
