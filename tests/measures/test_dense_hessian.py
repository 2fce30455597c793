"""Hessian products written out for dense layers: against those of autograd, against the whole matrix, and for whom."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from measures import hessian_operator
from measures.dense_hessian import DenseHessianLinearization, dense_chain
from measures.linearization import HessianLinearization, Linearization
from measures.operators import CurvatureOperator

Data = list[tuple[Tensor, Tensor]]
INPUTS = torch.randn(30, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def half_squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.mse_loss(outputs, targets) / 2


LOSSES: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Tensor]] = {
    "cross-entropy": (F.cross_entropy, torch.arange(30) % 4),
    "squared error": (half_squared_error, INPUTS.flatten(1)[:, :4].exp()),
}


def network(activation: type[nn.Module] = nn.ReLU, *, bias: bool = True) -> nn.Sequential:
    """Nested as our models are, with two linear layers in a row; all parameters are drawn."""
    hidden = nn.Sequential(nn.Linear(7, 8, bias=bias), nn.Linear(8, 5, bias=bias), activation())
    first = nn.Linear(6, 7, bias=bias)
    model = nn.Sequential(nn.Flatten(), nn.Sequential(first, activation()), hidden, nn.Linear(5, 4, bias=bias)).double()
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, dtype=torch.float64, generator=generator)
    return model


def operator(
    linearize: type[Linearization], model: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], data: Data, which: str
) -> CurvatureOperator:
    chosen = [parameter for parameter in model.parameters() if which == "all" or parameter.ndim > 1]
    return CurvatureOperator(model, loss, data, chosen, linearize=linearize, keep=True)


def draws(size: int, count: int) -> Tensor:
    return torch.randn(size, count, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def assert_close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10 * float(expected.abs().max()))


@pytest.mark.parametrize("activation", [nn.ReLU, nn.ELU, nn.Tanh])
@pytest.mark.parametrize("bias", [True, False], ids=["biases", "no biases"])
@pytest.mark.parametrize("which", ["all", "matrices"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("cut", [30, 11], ids=["one piece", "two pieces"])
def test_products_are_those_of_autograd(
    activation: type[nn.Module], bias: bool, which: str, loss: str, cut: int
) -> None:
    model, (function, targets) = network(activation, bias=bias), LOSSES[loss]
    data = [(x, y) for x, y in ((INPUTS[:cut], targets[:cut]), (INPUTS[cut:], targets[cut:])) if len(x)]
    found, expected = (
        operator(linearize, model, function, data, which)
        for linearize in (DenseHessianLinearization, HessianLinearization)
    )
    assert found.loss == pytest.approx(expected.loss, rel=1e-12)
    assert_close(found.gradient, expected.gradient)
    for count in (1, 3, 9):
        vectors = draws(found.shape[0], count)
        assert_close(found @ vectors, expected @ vectors)
    assert_close(found @ vectors[:, 0], expected @ vectors[:, 0])


@pytest.mark.parametrize("activation", [nn.ReLU, nn.ELU, nn.Tanh])
def test_matrix_is_that_of_torch(activation: type[nn.Module]) -> None:
    model, (function, targets) = network(activation), LOSSES["cross-entropy"]
    names, parameters = zip(*model.named_parameters(), strict=True)
    sizes = [parameter.numel() for parameter in parameters]

    def mean_loss(flat: Tensor) -> Tensor:
        parts = zip(names, flat.split(sizes), parameters, strict=True)
        return function(functional_call(model, {name: part.view_as(p) for name, part, p in parts}, (INPUTS,)), targets)

    expected = jacrev(jacrev(mean_loss))(nn.utils.parameters_to_vector(parameters).detach())
    found = hessian_operator(model, function, [(INPUTS, targets)])
    assert isinstance(found._graphs[0], DenseHessianLinearization)
    assert_close(found @ torch.eye(len(expected), dtype=torch.float64), expected)


def test_parameters_that_are_not_chosen_do_not_move() -> None:
    model, (function, targets) = network(nn.ELU), LOSSES["cross-entropy"]
    whole = hessian_operator(model, function, [(INPUTS, targets)]) @ torch.eye(182, dtype=torch.float64)
    model[1][0].weight.requires_grad_(False)
    model[2][1].bias.requires_grad_(False)
    is_chosen = torch.cat([torch.full((p.numel(),), p.requires_grad) for p in model.parameters()])
    found = hessian_operator(model, function, [(INPUTS, targets)])
    assert isinstance(found._graphs[0], DenseHessianLinearization)
    assert_close(found @ torch.eye(found.shape[0], dtype=torch.float64), whole[is_chosen][:, is_chosen])


def test_vectors_that_find_no_room_together_are_multiplied_in_turn() -> None:
    model = nn.Sequential(nn.Linear(3, 4000), nn.ReLU(), nn.Linear(4000, 1)).double()  # 32 kB an example
    data = [(draws(40, 3), draws(40, 1))]
    found, expected = (
        operator(linearize, model, F.mse_loss, data, "all")
        for linearize in (DenseHessianLinearization, HessianLinearization)
    )
    vectors = draws(found.shape[0], 3)
    assert_close(found @ vectors, expected @ vectors)


def test_single_precision() -> None:
    model, (function, targets) = network(nn.ELU).float(), LOSSES["cross-entropy"]
    found = hessian_operator(model, function, [(INPUTS.float(), targets)])
    vectors = draws(found.shape[0], 3)
    expected = operator(HessianLinearization, copy.deepcopy(model).double(), function, [(INPUTS, targets)], "all")
    products = found @ vectors
    assert products.dtype == torch.float32
    torch.testing.assert_close(products.double(), expected @ vectors, rtol=1e-4, atol=1e-4)


class Doubled(nn.Linear):
    """A linear layer that makes something else of its inputs."""

    def forward(self, input: Tensor) -> Tensor:
        return 2 * super().forward(input)


def with_a_hook() -> nn.Module:
    model = network()
    model[2].register_forward_hook(lambda module, inputs, outputs: 2 * outputs)
    return model


def with_a_replaced_method() -> nn.Module:
    model = network()
    model[2][0].forward = lambda x: torch.zeros(len(x), 8)
    return model


def with_a_shared_module() -> nn.Module:
    linear = nn.Linear(6, 6)
    return nn.Sequential(nn.Flatten(), linear, nn.ReLU(), linear)


def with_a_shared_parameter() -> nn.Module:
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6))
    model[3].weight = model[1].weight
    return model


def with_a_weight_of_weights() -> nn.Module:
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 4))
    parametrizations.weight_norm(model[1])
    return model


NO_CHAINS: dict[str, nn.Module] = {
    "hook": with_a_hook(),
    "replaced method": with_a_replaced_method(),
    "shared module": with_a_shared_module(),
    "shared parameter": with_a_shared_parameter(),
    "parametrization": with_a_weight_of_weights(),
    "subclass": nn.Sequential(nn.Flatten(), Doubled(6, 4)),
    "another type": nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.GELU(), nn.Linear(5, 4)),
    "another ELU": nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.ELU(0.5), nn.Linear(5, 4)),
    "another flattening": nn.Sequential(nn.Flatten(0), nn.Linear(180, 4)),
    "an activation at the end": nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.ReLU()),
    "an activation at the start": nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(6, 4)),
    "a layer at each position": nn.Linear(3, 4),
    "flat only in the end": nn.Sequential(nn.Linear(3, 4), nn.Flatten(), nn.Linear(8, 4)),
    "nothing": nn.Sequential(),
}


@pytest.mark.parametrize("name", NO_CHAINS)
def test_no_chain(name: str) -> None:
    assert dense_chain(NO_CHAINS[name], INPUTS) is None


def test_what_is_no_chain_is_left_to_autograd() -> None:
    function, targets = LOSSES["cross-entropy"]
    model = NO_CHAINS["subclass"].double()
    found = hessian_operator(model, function, [(INPUTS, targets)])
    assert isinstance(found._graphs[0], HessianLinearization)
    with pytest.raises(ValueError, match=r"no chain of dense layers for inputs of shape \(30, 2, 3\)"):
        operator(DenseHessianLinearization, model, function, [(INPUTS, targets)], "all")


def test_chains() -> None:
    assert len(dense_chain(network(nn.Tanh), INPUTS)) == 4
    assert len(dense_chain(nn.Linear(6, 4), INPUTS.flatten(1))) == 1
