"""CLIP's image tower as an ONNX graph, computed by ONNX Runtime on the CPU (extra `onnx`), which is imported on use.

The graph is written here node by node from the weights in memory; nothing is exported or stored. Its results differ
from the reference by rounding far below that of stored features, so the fingerprint stays the same.

Axes: N pictures, P1 = 1 + patches, W width, H heads, D shared width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from coarse_to_fine.encoders.base import ImageTextEncoder
from coarse_to_fine.encoders.clip import ClipEncoder
from coarse_to_fine.encoders.towers import Block, ClipTowers
from coarse_to_fine.errors import ConfigError

OPSET, IR = 20, 9
Array = np.ndarray[Any, np.dtype[Any]]


def compute_with_onnx(encoder: ImageTextEncoder) -> None:
    """From now on, embed pictures with ONNX Runtime.

    Raises:
        ConfigError: the package is not installed, or the encoder is no CLIP in fp32 on the CPU.
    """
    if not isinstance(encoder, ClipEncoder) or encoder.precision != "fp32" or encoder.device.type != "cpu":
        raise ConfigError(
            f"{encoder.name} cannot be computed by ONNX Runtime; expected a CLIP in fp32 on the CPU; leave the backend "
            "out, or give --device cpu --precision fp32"
        )
    encoder.embed_pixels = onnx_image_tower(encoder.towers)


def onnx_image_tower(towers: ClipTowers) -> Callable[[Float[Tensor, "N C S S"]], Float[Tensor, "N D"]]:
    """The image tower with its projection as a function of normalised pictures.

    Raises:
        ConfigError: onnx or onnxruntime is not installed.
    """
    try:
        import onnxruntime

        graph = Graph()
    except ImportError as error:
        raise ConfigError(
            f"ONNX Runtime is not to be had ({error}); expected the extra `onnx`; install it with "
            "`pip install 'coarse-to-fine[onnx]'`"
        ) from None
    model = graph.model(towers)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def embed(pixels: Tensor) -> Tensor:
        (embedded,) = session.run(None, {"pixels": np.ascontiguousarray(pixels.numpy())})
        return torch.from_numpy(embedded)

    return embed


class Graph:
    """Nodes and constants of one graph; methods add nodes and return the name of their result."""

    def __init__(self) -> None:
        """Start an empty graph.

        Raises:
            ImportError: the package onnx is not installed.
        """
        from onnx import helper, numpy_helper

        self._helper, self._numpy = helper, numpy_helper
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def model(self, towers: ClipTowers) -> bytes:
        """The serialised model: `pixels` (N, C, S, S) to `embedded` (N, D)."""
        result = self.add("Identity", self._tower(towers))
        vision = towers.config.vision_config
        side, float32 = vision.image_size, 1
        describe = self._helper.make_tensor_value_info
        graph = self._helper.make_graph(
            self._nodes,
            "clip-image-tower",
            [describe("pixels", float32, ["N", vision.num_channels, side, side])],
            [describe(result, float32, ["N", towers.config.projection_dim])],
            self._constants,
        )
        opset = self._helper.make_opsetid("", OPSET)
        made: bytes = self._helper.make_model(graph, opset_imports=[opset], ir_version=IR).SerializeToString()
        return made

    def add(self, operation: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one result."""
        name = f"v{len(self._nodes)}"
        self._nodes.append(self._helper.make_node(operation, list(inputs), [name], **attributes))
        return name

    def constant(self, values: Tensor | Array) -> str:
        """Add a constant."""
        name = f"c{len(self._constants)}"
        array = values.detach().numpy() if isinstance(values, Tensor) else values
        self._constants.append(self._numpy.from_array(np.asarray(array, order="C"), name))
        return name

    def shape(self, *sizes: int) -> str:
        """A constant shape for Reshape: 0 keeps an axis, -1 fills."""
        return self.constant(np.array(sizes, np.int64))

    def _tower(self, towers: ClipTowers) -> str:
        vision, width = towers.vision_model, towers.config.vision_config.hidden_size
        kernel = self.constant(vision.embeddings.patch_embedding.weight)
        step = towers.config.vision_config.patch_size
        patches = self.add("Conv", "pixels", kernel, strides=[step, step])
        patches = self.add("Reshape", patches, self.shape(0, width, -1))
        patches = self.add("Transpose", patches, perm=[0, 2, 1])  # (N, P, W)
        count = self.add("Shape", "pixels", start=0, end=1)
        size = self.add("Concat", count, self.shape(1, width), axis=0)
        first = self.add("Expand", self.constant(vision.embeddings.class_embedding), size)  # (N, 1, W)
        states = self.add("Concat", first, patches, axis=1)  # (N, P1, W)
        states = self.add("Add", states, self.constant(vision.embeddings.position_embedding.weight))
        states = self._norm(states, vision.pre_layrnorm)
        for block in vision.encoder.layers:
            states = self._block(states, block)  # type: ignore[arg-type]
        pooled = self.add("Gather", states, self.constant(np.array(0, np.int64)), axis=1)  # (N, W)
        return self.add("MatMul", self._norm(pooled, vision.post_layernorm), self._turned(towers.visual_projection))

    def _block(self, states: str, block: Block) -> str:
        mixed = self.add("Add", states, self._attention(self._norm(states, block.layer_norm1), block))
        inner = self._linear(self._norm(mixed, block.layer_norm2), block.mlp.fc1)
        return self.add("Add", mixed, self._linear(self._activated(inner, block.mlp.activation), block.mlp.fc2))

    def _attention(self, states: str, block: Block) -> str:
        attention = block.self_attn
        width = attention.q_proj.in_features
        head = width // attention.heads
        split = self.shape(0, 0, attention.heads, head)
        query, key, value = (
            self.add("Reshape", self._linear(states, projection), split)
            for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        query = self.add("Transpose", query, perm=[0, 2, 1, 3])  # (N, H, P1, W / H)
        key = self.add("Transpose", key, perm=[0, 2, 3, 1])
        value = self.add("Transpose", value, perm=[0, 2, 1, 3])
        scaled = self.add("Mul", self.add("MatMul", query, key), self.constant(np.array(head**-0.5, np.float32)))
        mixed = self.add("MatMul", self.add("Softmax", scaled, axis=-1), value)
        joined = self.add("Reshape", self.add("Transpose", mixed, perm=[0, 2, 1, 3]), self.shape(0, 0, width))
        return self._linear(joined, attention.out_proj)

    def _activated(self, inner: str, name: str) -> str:
        if name != "quick_gelu":
            return self.add("Gelu", inner, approximate="none" if name == "gelu" else "tanh")
        steep = self.add("Mul", inner, self.constant(np.array(1.702, np.float32)))
        return self.add("Mul", inner, self.add("Sigmoid", steep))

    def _linear(self, states: str, linear: Any) -> str:
        return self.add("Add", self.add("MatMul", states, self._turned(linear)), self.constant(linear.bias))

    def _turned(self, linear: Any) -> str:
        return self.constant(linear.weight.detach().t().contiguous())

    def _norm(self, states: str, norm: Any) -> str:
        weight, bias = self.constant(norm.weight), self.constant(norm.bias)
        return self.add("LayerNormalization", states, weight, bias, axis=-1, epsilon=float(norm.eps))
