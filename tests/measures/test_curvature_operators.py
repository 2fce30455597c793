"""Gauss-Newton and Fisher operators: closed forms, matrices from explicit Jacobians, and what all three share."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import functional_call, jacrev
from torch.nn import functional as F

from measures import fisher_operator, ggn_operator, hessian_operator

BOTH = pytest.mark.parametrize("make", [ggn_operator, fisher_operator])
ALL = pytest.mark.parametrize("make", [hessian_operator, ggn_operator, fisher_operator])
MANY = 1 << 30


def dense(operator) -> Tensor:
    return operator @ torch.eye(operator.shape[0], dtype=operator.dtype)


def randomised(model: nn.Module, seed: int = 0) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point():
            tensor.data = 0.2 + torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
    return model.double()


def draws(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def mlp() -> nn.Module:
    return randomised(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3)))


def normalised_network() -> nn.Module:
    """Convolution, batch norm, a rectifier and pooling, as in networks for images."""
    layers = [nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    return randomised(nn.Sequential(*layers, nn.Dropout(0.5), nn.Linear(8, 3)))


LABELS = torch.arange(7) % 3
Case = tuple[nn.Module, Callable[[Tensor, Tensor], Tensor], Tensor, Tensor]
CASES: dict[str, Case] = {
    "cross-entropy": (mlp(), F.cross_entropy, draws(7, 3), LABELS),
    "squared error": (mlp(), F.mse_loss, draws(7, 3), draws(7, 3) ** 2),
    "a single logit": (
        randomised(nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 1), nn.Flatten(0))),
        F.binary_cross_entropy_with_logits,
        draws(7, 3),
        (LABELS > 0).double(),
    ),
    "batch norm": (normalised_network(), F.cross_entropy, draws(7, 1, 4, 4), LABELS),
    "an output at each position": (
        randomised(nn.Sequential(nn.Conv1d(2, 3, 2), nn.Sigmoid())),
        F.cross_entropy,
        draws(5, 2, 4),
        torch.arange(15).view(5, 3) % 3,
    ),
}
each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def flat_jacobian(model: nn.Module, function: Callable[[dict[str, Tensor]], Tensor]) -> Tensor:
    """Derivative of each entry of the function's value by all parameters, (entries, p)."""
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    parts = jacrev(function)(parameters)
    num_entries = function(parameters).numel()
    return torch.cat([parts[name].reshape(num_entries, -1) for name in parameters], dim=1)


def explicit_ggn(model: nn.Module, loss, inputs: Tensor, targets: Tensor) -> Tensor:
    model = model.eval()
    jacobian = flat_jacobian(model, lambda p: functional_call(model, p, (inputs,)))
    outputs = model(inputs).detach()
    curvature = jacrev(jacrev(lambda o: loss(o, targets)))(outputs).reshape(outputs.numel(), outputs.numel())
    return jacobian.T @ curvature @ jacobian


def explicit_fisher(model: nn.Module, loss, inputs: Tensor, targets: Tensor) -> Tensor:
    model = model.eval()
    gradients = torch.cat(
        [
            flat_jacobian(
                model, lambda p, i=i: loss(functional_call(model, p, (inputs[i : i + 1],)), targets[i : i + 1])
            )
            for i in range(len(inputs))
        ]
    )
    return gradients.T @ gradients / len(inputs)


@pytest.mark.parametrize("graph_bytes", [MANY, 1, 1500], ids=["kept", "rebuilt by example", "rebuilt in pieces"])
@pytest.mark.parametrize(("make", "explicit"), [(ggn_operator, explicit_ggn), (fisher_operator, explicit_fisher)])
@each_case
def test_equals_the_explicit_matrix(case: Case, make, explicit, graph_bytes: int) -> None:
    model, loss, inputs, targets = case
    operator = make(model, loss, [(inputs, targets)], graph_bytes=graph_bytes)
    torch.testing.assert_close(dense(operator), explicit(model, loss, inputs, targets), rtol=1e-10, atol=1e-12)


@BOTH
def test_single_precision_agrees_with_double(make) -> None:
    model, loss, inputs, targets = CASES["cross-entropy"]
    expected = dense(make(model, loss, [(inputs, targets)]))
    single = dense(make(mlp().float(), loss, [(inputs.float(), targets)]))
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), expected, rtol=1e-4, atol=1e-6)


def test_ggn_of_linear_regression_is_the_hessian_and_the_second_moment() -> None:
    model, inputs = nn.Linear(4, 1, bias=False).double(), draws(20, 4)
    data = [(inputs, draws(20, 1) ** 2)]

    def half_squared(outputs: Tensor, targets: Tensor) -> Tensor:
        return F.mse_loss(outputs, targets) / 2

    ggn = dense(ggn_operator(model, half_squared, data))
    torch.testing.assert_close(ggn, inputs.T @ inputs / 20, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(ggn, dense(hessian_operator(model, half_squared, data)), rtol=1e-12, atol=1e-12)


def test_logistic_regression() -> None:
    """Both in closed form: the weights of x x^T are p (1 - p), and (p - y)^2."""
    model, inputs, labels = randomised(nn.Linear(3, 1, bias=False)), draws(20, 3), (draws(20, 1) > 0).double()
    data = [(inputs, labels)]
    p = torch.sigmoid(model(inputs)).detach()
    ggn, fisher = (
        dense(make(model, F.binary_cross_entropy_with_logits, data)) for make in (ggn_operator, fisher_operator)
    )
    torch.testing.assert_close(ggn, inputs.T @ (p * (1 - p) * inputs) / 20, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(fisher, inputs.T @ ((p - labels) ** 2 * inputs) / 20, rtol=1e-12, atol=1e-12)


def test_ggn_of_cross_entropy_is_the_fisher_information() -> None:
    """The mean, over labels drawn from the model, of the empirical Fisher."""
    model, loss, inputs, _ = CASES["cross-entropy"]
    probabilities = torch.softmax(model(inputs), dim=1).detach()
    expected = torch.zeros(31, 31, dtype=torch.float64)
    for i in range(7):
        for label in range(3):
            one = [(inputs[i : i + 1], torch.tensor([label]))]
            expected += probabilities[i, label] * dense(fisher_operator(model, loss, one)) / 7
    torch.testing.assert_close(dense(ggn_operator(model, loss, [(inputs, LABELS)])), expected, rtol=1e-11, atol=1e-13)


@ALL
@settings(deadline=None, max_examples=10)
@given(cut=st.integers(0, 7), graph_bytes=st.sampled_from([1, 1500, MANY]))
def test_the_cut_into_batches_does_not_matter(make, cut: int, graph_bytes: int) -> None:
    model, loss, inputs, targets = CASES["batch norm"]
    block = draws(sum(p.numel() for p in model.parameters()), 2)
    whole = make(model, loss, [(inputs, targets)]) @ block
    batches = ((inputs[:cut], targets[:cut]), (inputs[cut:], targets[cut:]))
    split = make(model, loss, iter(batches), graph_bytes=graph_bytes) @ block
    torch.testing.assert_close(split, whole, rtol=1e-12, atol=1e-12)


@ALL
def test_a_kept_graph_gives_the_same_bits_as_one_that_is_rebuilt(make) -> None:
    model, loss, inputs, targets = CASES["batch norm"]
    one_by_one = [(inputs[i : i + 1], targets[i : i + 1]) for i in range(7)]  # pieces that no limit cuts further
    kept, rebuilt = (make(model, loss, one_by_one, graph_bytes=size) for size in (MANY, 1))
    block = draws(kept.shape[0], 2)
    assert torch.equal(kept @ block, rebuilt @ block)
    assert torch.equal(kept @ block, kept @ block)


@BOTH
@each_case
def test_is_symmetric_and_positive_semidefinite(case: Case, make) -> None:
    model, loss, inputs, targets = case
    matrix = dense(make(model, loss, [(inputs, targets)]))
    torch.testing.assert_close(matrix, matrix.T, rtol=0, atol=1e-14 * float(matrix.norm()))
    assert float(torch.linalg.eigvalsh(matrix).min()) > -1e-13 * float(matrix.norm())


@ALL
def test_loss_and_gradient(make) -> None:
    model, loss, inputs, targets = CASES["cross-entropy"]
    operator = make(model, loss, [(inputs[:5], targets[:5]), (inputs[5:], targets[5:])])
    value = loss(model(inputs), targets)
    gradient = torch.cat([g.flatten() for g in torch.autograd.grad(value, list(model.parameters()))])
    assert operator.loss == pytest.approx(float(value.detach()), rel=1e-14)
    torch.testing.assert_close(operator.gradient, gradient, rtol=1e-13, atol=1e-15)


@BOTH
def test_subsets_of_the_parameters(make) -> None:
    model, loss, inputs, targets = mlp(), *CASES["cross-entropy"][1:]
    data = [(inputs, targets)]
    whole = dense(make(model, loss, data))
    is_weight = torch.cat([torch.full((p.numel(),), p.ndim > 1) for p in model.parameters()])
    weights = dense(make(model, loss, data, parameters="matrices"))
    torch.testing.assert_close(weights, whole[is_weight][:, is_weight], rtol=1e-12, atol=1e-13)
    model[0].requires_grad_(False)
    torch.testing.assert_close(dense(make(model, loss, data)), whole[16:, 16:], rtol=1e-12, atol=1e-13)


@BOTH
def test_parameter_without_influence_has_no_curvature(make) -> None:
    model, loss, inputs, targets = mlp(), *CASES["cross-entropy"][1:]
    model.register_parameter("unused", nn.Parameter(torch.ones(2, dtype=torch.float64)))
    matrix = dense(make(model, loss, [(inputs, targets)]))
    assert matrix.shape == (33, 33) and matrix[2:, 2:].any()
    assert not matrix[:2].any() and not matrix[:, :2].any()


@pytest.mark.parametrize(
    "loss",
    [lambda outputs, _: outputs.sum() * 0 + 1, lambda outputs, _: outputs.mean(), lambda outputs, _: torch.tensor(3.0)],
    ids=["constant", "linear", "detached"],
)
def test_loss_without_curvature(loss) -> None:
    assert not dense(ggn_operator(nn.Linear(3, 1), loss, [(torch.ones(2, 3), torch.zeros(2))])).any()


@BOTH
def test_outputs_that_depend_on_no_parameter(make) -> None:
    class Constant(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return input

    assert not dense(make(Constant(3, 3), F.mse_loss, [(torch.ones(2, 3), torch.zeros(2, 3))])).any()


@BOTH
def test_leaves_the_model_as_it_was(make) -> None:
    model = normalised_network()
    model[1].eval()  # modes are restored one by one
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes, state = [module.training for module in model.modules()], torch.get_rng_state()
    operator = make(model, F.cross_entropy, [(draws(7, 1, 4, 4), LABELS)])
    operator @ operator.gradient
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), state)


@BOTH
def test_refuses(make) -> None:
    data = [(torch.ones(2, 3), torch.zeros(2, dtype=torch.long))]
    with pytest.raises(ValueError, match=r"torch.float16; second derivatives need float32 or float64"):
        make(nn.Linear(3, 2).half(), F.cross_entropy, data)
    with pytest.raises(ValueError, match=r"the loss \(nan\) .* not finite"):
        make(nn.Linear(3, 2), F.cross_entropy, [(torch.full((2, 3), math.nan), data[0][1])])
    with pytest.raises(ValueError, match=r"scalar mean over examples; got shape \(2,\)"):
        make(nn.Linear(3, 2), lambda o, t: F.cross_entropy(o, t, reduction="none"), data)


def test_fisher_refuses_outputs_that_are_not_rows_of_examples() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Flatten(0))
    with pytest.raises(ValueError, match=r"outputs of shape \(6,\) are not valid: one row for each of 2 examples"):
        fisher_operator(model, lambda o, t: o.square().mean(), [(torch.ones(2, 3), torch.zeros(2))])
