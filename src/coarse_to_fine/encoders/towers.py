"""CLIP's text and image towers under the parameter names of Hugging Face `CLIPModel`.

Axes: N sentences or pictures, T word tokens, P patches, P1 = 1 + P, S side of a picture, W width of a tower, H heads,
D shared width. Blocks are pre-norm; the text tower is causal. There is no padding mask: padding may only stand after
the end token, where no earlier word looks at it.

Source: Radford et al., ICML 2021; names of `transformers/models/clip/modeling_clip.py`.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from coarse_to_fine.encoders.config import LEGACY_END_ID, ClipConfig, TextConfig, TransformerConfig, VisionConfig
from coarse_to_fine.errors import WeightsError

ACTIVATIONS = ("quick_gelu", "gelu", "gelu_new", "gelu_pytorch_tanh")


class ClipTowers(nn.Module):
    """Both towers and their projections; embeddings are not normalised."""

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.config = config
        self.text_model = TextTower(config.text_config)
        self.vision_model = VisionTower(config.vision_config)
        self.visual_projection = nn.Linear(config.vision_config.hidden_size, config.projection_dim, bias=False)
        self.text_projection = nn.Linear(config.text_config.hidden_size, config.projection_dim, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(config.logit_scale_init_value))

    def embed_images(self, pixels: Float[Tensor, "N C S S"]) -> Float[Tensor, "N D"]:
        """Embeddings of normalised pictures."""
        projected: Tensor = self.visual_projection(self.vision_model(pixels))
        return projected

    def embed_text(self, ids: Int[Tensor, "N T"]) -> tuple[Float[Tensor, "N D"], Float[Tensor, "N T W"]]:
        """Embeddings of token ids, and the states of the words after the last layer norm."""
        states: Tensor = self.text_model(ids)
        rows = torch.arange(ids.shape[0], device=ids.device)
        pooled = states[rows, end_positions(ids, self.config.text_config.eos_token_id)]  # (N, W)
        return self.text_projection(pooled), states


class TextTower(nn.Module):
    """Token ids to word states."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.embeddings = TextEmbeddings(config)
        self.encoder = Encoder(config)
        self.final_layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, ids: Int[Tensor, "N T"]) -> Float[Tensor, "N T W"]:
        states: Tensor = self.final_layer_norm(self.encoder(self.embeddings(ids), causal=True))
        return states


class VisionTower(nn.Module):
    """Normalised pictures to the state of their class token."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.embeddings = VisionEmbeddings(config)
        self.pre_layrnorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)  # their spelling
        self.encoder = Encoder(config)
        self.post_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, pixels: Float[Tensor, "N C S S"]) -> Float[Tensor, "N W"]:
        states: Tensor = self.encoder(self.pre_layrnorm(self.embeddings(pixels)), causal=False)
        pooled: Tensor = self.post_layernorm(states[:, 0])
        return pooled

    def states(self, pixels: Float[Tensor, "N C S S"], blocks: int | None = None) -> Float[Tensor, "N P1 W"]:
        """States of the class token and the patches after the first `blocks` blocks; by default after all."""
        states: Tensor = self.pre_layrnorm(self.embeddings(pixels))
        for block in self.encoder.layers[:blocks]:
            states = block(states, causal=False)
        return states


class TextEmbeddings(nn.Module):
    """Table of tokens and table of positions, added."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position_embedding = nn.Embedding(config.max_position_embeddings, config.hidden_size)

    def forward(self, ids: Int[Tensor, "N T"]) -> Float[Tensor, "N T W"]:
        words: Tensor = self.token_embedding(ids)
        return words + self.position_embedding.weight[: ids.shape[1]]


class VisionEmbeddings(nn.Module):
    """Patches by a strided convolution, a class token before them, positions added."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        patches = (config.image_size // config.patch_size) ** 2
        self.class_embedding = nn.Parameter(torch.zeros(config.hidden_size))
        self.patch_embedding = nn.Conv2d(
            config.num_channels, config.hidden_size, config.patch_size, stride=config.patch_size, bias=False
        )
        self.position_embedding = nn.Embedding(1 + patches, config.hidden_size)

    def forward(self, pixels: Float[Tensor, "N C S S"]) -> Float[Tensor, "N P1 W"]:
        patches = self.patch_embedding(pixels).flatten(2).transpose(1, 2)  # (N, P, W)
        first = self.class_embedding.expand(pixels.shape[0], 1, -1).to(patches.dtype)  # (N, 1, W)
        states: Tensor = torch.cat([first, patches], dim=1) + self.position_embedding.weight
        return states


class Encoder(nn.Module):
    """The stack of blocks."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers))

    def forward(self, states: Float[Tensor, "N T W"], causal: bool) -> Float[Tensor, "N T W"]:
        for layer in self.layers:
            states = layer(states, causal)
        return states


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config)
        self.layer_norm1 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = Mlp(config)
        self.layer_norm2 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, states: Float[Tensor, "N T W"], causal: bool) -> Float[Tensor, "N T W"]:
        mixed: Tensor = states + self.self_attn(self.layer_norm1(states), causal)
        widened: Tensor = mixed + self.mlp(self.layer_norm2(mixed))
        return widened


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.heads = config.num_attention_heads
        width = config.hidden_size
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.q_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, states: Float[Tensor, "N T W"], causal: bool) -> Float[Tensor, "N T W"]:
        query, key, value = (
            projection(states).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (N, H, T, W / H)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=causal)
        projected: Tensor = self.out_proj(mixed.transpose(1, 2).flatten(2))  # (N, T, W)
        return projected


class Mlp(nn.Module):
    """Two linear maps with the activation between them."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        if config.hidden_act not in ACTIVATIONS:
            raise WeightsError(
                f"hidden_act is {config.hidden_act!r}; expected one of {', '.join(ACTIVATIONS)}, check config.json"
            )
        self.activation = config.hidden_act
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, states: Float[Tensor, "N T W"]) -> Float[Tensor, "N T W"]:
        projected: Tensor = self.fc2(activate(self.fc1(states), self.activation))
        return projected


def activate(inner: Float[Tensor, "*K"], name: str) -> Float[Tensor, "*K"]:
    """The activation of a `hidden_act`; quick GELU is x * sigmoid(1.702 x)."""
    if name == "quick_gelu":
        return inner * torch.sigmoid(1.702 * inner)
    return functional.gelu(inner, approximate="none" if name == "gelu" else "tanh")


def end_positions(ids: Int[Tensor, "N T"], end_id: int) -> Int[Tensor, " N"]:
    """Where the sentence embedding is read: the first end token, or with the legacy id 2 the first largest id."""
    return ids.argmax(dim=1) if end_id == LEGACY_END_ID else (ids == end_id).int().argmax(dim=1)


def initialise(towers: ClipTowers, generator: torch.Generator) -> None:
    """Draw all weights anew, in place.

    | parameter | value |
    |---|---|
    | token, position and class embeddings, patch convolution | normal, sd 0.02 (text positions 0.01, class W^-0.5) |
    | q, k, v | normal, sd W^-0.5 |
    | attention output, fc2 | normal, sd W^-0.5 / sqrt(2 layers) |
    | fc1 | normal, sd (2 W)^-0.5 |
    | projections | normal, sd W^-0.5 |
    | norms; biases; logit scale | 1; 0; its configured value |

    Source: `CLIPPreTrainedModel._init_weights`; q, k, v without its factor, so that attention is not flat at first.
    """
    for name, parameter in towers.named_parameters():
        tower = towers.config.text_config if name.startswith("text") else towers.config.vision_config
        inward = tower.hidden_size**-0.5
        part = name.split(".")[-2] if "." in name else name
        if part == "logit_scale":
            nn.init.constant_(parameter, towers.config.logit_scale_init_value)
        elif name.endswith("bias") or "norm" in part:
            nn.init.constant_(parameter, 0.0 if name.endswith("bias") else 1.0)
        else:
            deviations = {
                "token_embedding": 0.02,
                "patch_embedding": 0.02,
                "position_embedding": 0.01 if name.startswith("text") else 0.02,
                "out_proj": inward * (2 * tower.num_hidden_layers) ** -0.5,
                "fc2": inward * (2 * tower.num_hidden_layers) ** -0.5,
                "fc1": (2 * tower.hidden_size) ** -0.5,
            }
            nn.init.normal_(parameter, std=deviations.get(part, inward), generator=generator)
