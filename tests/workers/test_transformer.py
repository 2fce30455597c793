"""The transformer against the blocks of torch, and what GPT-2 is known for."""

import math
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from measures.registry import Component
from tests.workers.model_cases import built, example_inputs, network_of, representations
from workers.models import models
from workers.models.network import Network


def library_block(network: Network, block: int, width: int = 128) -> nn.TransformerEncoderLayer:
    """torch's own block with our weights."""
    layer = nn.TransformerEncoderLayer(
        width,
        4,
        4 * width,
        dropout=0,
        activation=partial(functional.gelu, approximate="tanh"),
        batch_first=True,
        norm_first=True,
    )
    attention, feed_forward = f"block{block}_attention", f"block{block}_mlp"
    ours = {
        "norm1": f"{attention}.0",
        "self_attn.in_proj": f"{attention}.1.query_key_value",
        "self_attn.out_proj": f"{attention}.1.projection",
        "norm2": f"{feed_forward}.0",
        "linear1": f"{feed_forward}.1.expansion",
        "linear2": f"{feed_forward}.1.projection",
    }
    state = network.module.state_dict()
    weights: dict[str, Tensor] = {}
    for theirs, name in ours.items():
        joint = "_" if theirs.endswith("in_proj") else "."
        weights |= {f"{theirs}{joint}{part}": state[f"{name}.{part}"] for part in ("weight", "bias")}
    layer.load_state_dict(weights)
    return layer


def test_the_transformer_agrees_with_the_blocks_of_torch() -> None:
    network = built("transformer")
    with torch.no_grad():
        generator = torch.Generator().manual_seed(3)
        for parameter in network.module.parameters():  # far from where attention is uniform and biases are zero
            parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    network.module.eval()
    tokens = example_inputs("transformer")
    parts = network.module
    stream = (
        parts.get_parameter("embedding.token.weight")[tokens] + parts.get_parameter("embedding.position.weight")[:4]
    )
    mask = nn.Transformer.generate_square_subsequent_mask(4)
    for block in (1, 2):
        stream = library_block(network, block)(stream, src_mask=mask, is_causal=True)
    expected = parts.get_submodule("output")(parts.get_submodule("norm")(stream)[:, 3])
    torch.testing.assert_close(network.module(tokens), expected, rtol=1e-4, atol=1e-4)


def test_layers_of_the_transformer_come_before_the_residual_stream() -> None:
    network = built("transformer")
    tokens = example_inputs("transformer")
    outputs = representations(network, tokens)
    assert tuple(outputs) == ("block1_attention", "block1_mlp", "block2_attention", "block2_mlp")
    stream = network.module.get_submodule("embedding")(tokens) + sum(outputs.values())
    logits = network.module.get_submodule("output")(network.module.get_submodule("norm")(stream[:, -1]))
    torch.testing.assert_close(network.module(tokens), logits)


def test_a_token_sees_none_that_follow() -> None:
    tokens = example_inputs("transformer")
    changed = tokens.clone()
    changed[:, 2] = (changed[:, 2] + 1) % 99
    for before, after in zip(
        representations(built("transformer"), tokens).values(),
        representations(built("transformer"), changed).values(),
        strict=True,
    ):
        assert torch.equal(before[:, :2], after[:, :2])
        assert not torch.equal(before[:, 3], after[:, 3])


def test_the_transformer_starts_as_gpt2_does() -> None:
    network = network_of(Component("transformer", depth=8), (4,), 97)
    for name, parameter in network.module.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any(), name
        elif parameter.dim() == 1:
            assert (parameter == 1).all(), name
        else:
            expected = 0.02 / math.sqrt(16) if "projection" in name else 0.02
            assert parameter.std().item() == pytest.approx(expected, rel=0.05), name


def test_dropout_stands_behind_the_embedding_the_attention_and_every_sublayer() -> None:
    tokens = example_inputs("transformer")
    module = built("transformer").module.eval()
    expected = module(tokens)
    dropouts = [part for part in module.modules() if isinstance(part, nn.Dropout)]
    assert len(dropouts) == 1 + 2 * 3
    for dropout in dropouts:
        assert dropout.p == 0.1
        dropout.train()
        assert not torch.equal(module(tokens), expected)
        dropout.eval()


def test_dropout_can_be_left_out() -> None:
    tokens = example_inputs("transformer")
    module = network_of(Component("transformer", dropout=0), (4,), 97).module
    assert torch.equal(module(tokens), module(tokens))


def test_the_transformer_has_second_derivatives() -> None:
    module = built("transformer").module.double().eval()
    tokens, targets = example_inputs("transformer"), torch.arange(8)
    parameters = list(module.parameters())
    generator = torch.Generator().manual_seed(2)
    directions = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in parameters]

    def gradients(create_graph: bool = False) -> tuple[Tensor, ...]:
        loss = functional.cross_entropy(module(tokens), targets)
        return torch.autograd.grad(loss, parameters, create_graph=create_graph)

    dots = sum((g * d).sum() for g, d in zip(gradients(create_graph=True), directions, strict=True))
    products = torch.autograd.grad(dots, parameters)
    sides: list[tuple[Tensor, ...]] = []
    for step in (1e-6, -2e-6):
        with torch.no_grad():
            for p, d in zip(parameters, directions, strict=True):
                p += step * d
        sides.append(gradients())
    for product, above, below in zip(products, *sides, strict=True):
        torch.testing.assert_close(product, (above - below) / 2e-6, rtol=1e-4, atol=1e-6)


def test_what_is_no_token_is_refused() -> None:
    with pytest.raises(ValueError, match=r"inputs of torch\.float32 are not valid: transformer takes tokens"):
        built("transformer").module(torch.zeros(2, 4))


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="num_heads=5 is not valid: it must divide width=128"):
        models.call(Component("transformer", num_heads=5), (4,), 97)
