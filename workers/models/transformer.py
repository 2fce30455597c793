"""Transformer for modular arithmetic: GPT-2 with a classification head on the last token.

Brown, Juravsky, Caterini & Loaiza-Ganem (arXiv 2211.13239) use the Hugging Face model for their grokking runs; this is
its form: layer norm before each sub-layer, learned positions, causal attention, the tanh approximation of GELU.
Attention is written out, because the fused kernels have no second derivative, which Hessian measures need, and some of
them no deterministic gradient on a GPU.
"""

import math
from collections import OrderedDict
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from workers.models.network import Network

POSITIONS = 1024
DEVIATION = 0.02


def transformer(
    input_shape: tuple[int, ...] = (4,),
    num_outputs: int = 97,
    *,
    vocabulary: Annotated[int, Field(ge=1)] = 100,
    width: Annotated[int, Field(ge=1)] = 128,
    depth: Annotated[int, Field(ge=1)] = 2,
    num_heads: Annotated[int, Field(ge=1)] = 4,
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1,
) -> Network:
    """Causal transformer on int64 tokens below `vocabulary`, read out at the last token.

    Its layers are the outputs of attention and MLP of every block, before they are added to the residual stream.
    """
    if len(input_shape) != 1 or not 1 <= input_shape[0] <= POSITIONS:
        raise ValueError(
            f"input shape {input_shape} is not valid: transformer takes 1 to {POSITIONS} tokens (num_tokens,)"
        )
    if width % num_heads:
        raise ValueError(f"num_heads={num_heads} is not valid: it must divide width={width}")
    sublayers: dict[str, nn.Module] = {}
    for block in range(1, depth + 1):
        attention = _Attention(width, num_heads, input_shape[0], dropout)
        sublayers[f"block{block}_attention"] = nn.Sequential(nn.LayerNorm(width), attention)
        sublayers[f"block{block}_mlp"] = nn.Sequential(nn.LayerNorm(width), _mlp(width, dropout))
    module = _Transformer(_Embedding(vocabulary, width, dropout), sublayers, nn.Linear(width, num_outputs, bias=False))
    _initialize(module, depth)
    return Network(module, tuple(sublayers))


class _Transformer(nn.Module):
    """Sub-layers, each of which adds its output to the residual stream, between embedding and read-out."""

    def __init__(self, embedding: nn.Module, sublayers: dict[str, nn.Module], output: nn.Linear) -> None:
        super().__init__()
        self.embedding = embedding
        for name, sublayer in sublayers.items():
            self.add_module(name, sublayer)
        self.norm = nn.LayerNorm(output.in_features)
        self.output = output
        self._names = tuple(sublayers)

    def forward(self, tokens: Tensor) -> Tensor:
        stream = self.embedding(tokens)
        for name in self._names:
            stream = stream + self.get_submodule(name)(stream)
        return self.output(self.norm(stream[:, -1]))


class _Embedding(nn.Module):
    """Sum of what a token and its position stand for."""

    def __init__(self, vocabulary: int, width: int, dropout: float) -> None:
        super().__init__()
        self.token = nn.Embedding(vocabulary, width)
        self.position = nn.Embedding(POSITIONS, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        if tokens.is_floating_point():
            raise ValueError(f"inputs of {tokens.dtype} are not valid: transformer takes tokens of torch.int64")
        return self.dropout(self.token(tokens) + self.position.weight[: tokens.shape[1]])


class _Attention(nn.Module):
    """Attention of `num_heads` heads in which a token sees itself and those before it."""

    def __init__(self, width: int, num_heads: int, num_tokens: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)
        self.attention_dropout = nn.Dropout(dropout)
        self.dropout = nn.Dropout(dropout)
        future = torch.ones(num_tokens, num_tokens, dtype=torch.bool).triu(1)
        self.register_buffer("future", future, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        heads = self.query_key_value(x).unflatten(2, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = heads.unbind()
        scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
        weights = scores.masked_fill(self.get_buffer("future"), -math.inf).softmax(dim=-1)
        return self.dropout(self.projection((self.attention_dropout(weights) @ value).transpose(1, 2).flatten(2)))


def _mlp(width: int, dropout: float) -> nn.Sequential:
    modules = {
        "expansion": nn.Linear(width, 4 * width),
        "gelu": nn.GELU(approximate="tanh"),
        "projection": nn.Linear(4 * width, width),
        "dropout": nn.Dropout(dropout),
    }
    return nn.Sequential(OrderedDict(modules))


def _initialize(module: nn.Module, depth: int) -> None:
    """Weights from N(0, 0.02), those that write to the residual stream smaller by sqrt(2 depth), biases zero."""
    for name, parameter in module.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        elif parameter.dim() > 1:
            writes = name.endswith("projection.weight")
            nn.init.normal_(parameter, std=DEVIATION / math.sqrt(2 * depth) if writes else DEVIATION)
