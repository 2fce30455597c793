"""The Hessian operator: closed forms, autograd's own Hessian, finite differences, and what it must leave alone."""

import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from measures import ggn_operator, hessian_operator


def make_case(dtype: torch.dtype = torch.float64) -> tuple[nn.Module, tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3)).to(dtype)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64).to(dtype)
    inputs = torch.randn(7, 3, generator=generator, dtype=torch.float64).to(dtype)
    return model, (inputs, torch.arange(7) % 3)


def autograd_hessian(model: nn.Module, data: tuple[Tensor, Tensor]) -> Tensor:
    names, parameters = zip(*model.named_parameters(), strict=True)
    shapes = [parameter.shape for parameter in parameters]

    def loss(flat: Tensor) -> Tensor:
        parts = flat.split([shape.numel() for shape in shapes])
        values = {name: part.view(shape) for name, part, shape in zip(names, parts, shapes, strict=True)}
        return F.cross_entropy(torch.func.functional_call(model, values, (data[0],)), data[1])

    return torch.autograd.functional.hessian(loss, torch.cat([p.detach().flatten() for p in parameters]))


def dense(operator) -> Tensor:
    return operator @ torch.eye(operator.shape[0], dtype=operator.dtype)


@pytest.mark.parametrize("graph_bytes", [1 << 30, 1, 1500], ids=["kept", "rebuilt by example", "rebuilt in pieces"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 1e-5)])
def test_equals_autograd(graph_bytes: int, dtype: torch.dtype, tolerance: float) -> None:
    model, data = make_case(dtype)
    hessian = hessian_operator(model, F.cross_entropy, [data], graph_bytes=graph_bytes)
    expected = autograd_hessian(model, data)
    torch.testing.assert_close(dense(hessian), expected, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(hessian @ expected[0], expected @ expected[0], rtol=tolerance, atol=tolerance)
    assert (hessian.shape, hessian.dtype, hessian.device.type) == ((31, 31), dtype, "cpu")


def test_of_linear_regression_is_the_second_moment_of_the_inputs() -> None:
    model, inputs = nn.Linear(4, 1, bias=False).double(), torch.randn(20, 4, dtype=torch.float64)
    hessian = hessian_operator(model, F.mse_loss, [(inputs, torch.zeros(20, 1, dtype=torch.float64))])
    torch.testing.assert_close(dense(hessian), 2 * inputs.T @ inputs / 20)


def test_loss_and_gradient_are_those_of_the_whole_set() -> None:
    model, (inputs, targets) = make_case()
    hessian = hessian_operator(model, F.cross_entropy, [(inputs[:5], targets[:5]), (inputs[5:], targets[5:])])
    loss = F.cross_entropy(model(inputs), targets)
    gradient = torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))])
    assert hessian.loss == pytest.approx(float(loss.detach()), rel=1e-14)
    torch.testing.assert_close(hessian.gradient, gradient)


def test_product_is_the_derivative_of_the_gradient() -> None:
    model, data = make_case()
    direction = torch.randn(31, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    product = hessian_operator(model, F.cross_entropy, [data]) @ direction
    gradients = []
    for step in (1e-5, -2e-5):
        nn.utils.vector_to_parameters(
            nn.utils.parameters_to_vector(model.parameters()) + step * direction, model.parameters()
        )
        gradients.append(hessian_operator(model, F.cross_entropy, [data]).gradient)
    torch.testing.assert_close(product, (gradients[0] - gradients[1]) / 2e-5, rtol=1e-7, atol=1e-8)


@settings(deadline=None, max_examples=30)
@given(cut=st.integers(0, 7), graph_bytes=st.sampled_from([1, 1 << 30]))
def test_batches_count_by_their_size(cut: int, graph_bytes: int) -> None:
    model, (inputs, targets) = make_case()
    whole = dense(hessian_operator(model, F.cross_entropy, [(inputs, targets)]))
    batches = ((inputs[:cut], targets[:cut]), (inputs[cut:], targets[cut:]))  # an empty batch counts for nothing
    split = dense(hessian_operator(model, F.cross_entropy, iter(batches), graph_bytes=graph_bytes))
    torch.testing.assert_close(split, whole, rtol=1e-13, atol=1e-13)


def test_order_of_examples_does_not_matter() -> None:
    model, (inputs, targets) = make_case()
    flipped = hessian_operator(model, F.cross_entropy, [(inputs.flip(0), targets.flip(0))])
    torch.testing.assert_close(dense(flipped), autograd_hessian(model, (inputs, targets)), rtol=1e-13, atol=1e-13)


def test_block_is_the_products_of_its_columns() -> None:
    model, data = make_case()
    hessian = hessian_operator(model, F.cross_entropy, [data])
    block = torch.randn(31, 3, dtype=torch.float64)
    columns = torch.stack([hessian @ column for column in block.unbind(1)], dim=1)
    torch.testing.assert_close(hessian @ block, columns, rtol=1e-13, atol=1e-13)  # summed in another order


def test_matrices_leaves_out_biases() -> None:
    model, data = make_case()
    hessian = hessian_operator(model, F.cross_entropy, [data], parameters="matrices")
    is_weight = torch.cat([torch.full((p.numel(),), p.ndim > 1) for p in model.parameters()])
    torch.testing.assert_close(dense(hessian), autograd_hessian(model, data)[is_weight][:, is_weight])


def test_frozen_parameters_are_excluded() -> None:
    model, data = make_case()
    expected = autograd_hessian(model, data)[16:, 16:]
    model[0].requires_grad_(False)
    torch.testing.assert_close(dense(hessian_operator(model, F.cross_entropy, [data])), expected)


def test_parameter_without_influence_has_no_curvature() -> None:
    model, data = make_case()
    model.register_parameter("unused", nn.Parameter(torch.ones(2, dtype=torch.float64)))
    matrix = dense(hessian_operator(model, F.cross_entropy, [data]))
    assert matrix.shape == (33, 33)
    assert not matrix[:2].any() and not matrix[:, :2].any()  # a module's own parameters come first


@pytest.mark.parametrize(
    "loss",
    [lambda outputs, _: outputs.sum() * 0 + 1, lambda outputs, _: outputs.mean(), lambda outputs, _: torch.tensor(3.0)],
    ids=["constant", "linear", "detached"],
)
def test_loss_without_curvature(loss) -> None:
    model = nn.Linear(3, 1)
    hessian = hessian_operator(model, loss, [(torch.ones(2, 3), torch.zeros(2))])
    assert not dense(hessian).any()


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 1000))
def test_is_symmetric(seed: int) -> None:
    model, data = make_case()
    hessian = hessian_operator(model, F.cross_entropy, [data])
    u, v = torch.randn(2, 31, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    assert float(u @ (hessian @ v)) == pytest.approx(float(v @ (hessian @ u)), rel=1e-10, abs=1e-12)


def test_leaves_the_model_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.ReLU(), nn.Linear(4, 2))
    model[1].eval()  # modes are restored one by one
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes, state = [module.training for module in model.modules()], torch.get_rng_state()
    hessian = hessian_operator(
        model, F.cross_entropy, [(torch.randn(6, 3, generator=torch.Generator()), torch.arange(6) % 2)]
    )
    products = [hessian @ torch.ones(hessian.shape[0]) for _ in range(2)]
    assert torch.equal(*products)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(parameter.grad, torch.ones_like(parameter)) for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), state)


def test_mode_is_restored_after_a_failure() -> None:
    model = nn.Linear(3, 2)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        hessian_operator(model, F.cross_entropy, [(torch.ones(2, 5), torch.zeros(2, dtype=torch.long))])
    assert model.training


@pytest.mark.parametrize(("more", "held"), [([], "_slopes"), ([nn.Identity()], "_gradients")])
def test_graph_is_released_with_the_operator(more: list[nn.Module], held: str) -> None:
    model, data = make_case()
    model.extend(more)  # no chain of dense layers any more
    hessian = hessian_operator(model, F.cross_entropy, [data])
    graph = weakref.ref(hessian._graphs[0])
    node = weakref.ref(getattr(hessian._graphs[0], held)[0])
    del hessian
    assert graph() is None and node() is None


@pytest.mark.parametrize("make", [hessian_operator, ggn_operator])
@pytest.mark.parametrize("graph_bytes", [1 << 30, 1], ids=["kept", "rebuilt"])
def test_changed_parameter_is_refused(make, graph_bytes: int) -> None:
    model, data = make_case()
    hessian = make(model, F.cross_entropy, [data], graph_bytes=graph_bytes)
    with torch.no_grad():
        model[2].weight.add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        hessian @ torch.ones(31, dtype=torch.float64)


def test_works_inside_no_grad() -> None:
    model, data = make_case()
    with torch.no_grad():
        matrix = dense(hessian_operator(model, F.cross_entropy, [data], graph_bytes=1))
    torch.testing.assert_close(matrix, autograd_hessian(model, data))


ONE = [(torch.ones(2, 3), torch.zeros(2, dtype=torch.long))]


@pytest.mark.parametrize(
    ("model", "data", "options", "message"),
    [
        (nn.Linear(3, 2).half(), ONE, {}, r"torch.float16; second derivatives need float32 or float64"),
        (nn.Linear(3, 2).bfloat16(), ONE, {}, "torch.bfloat16"),
        (nn.ReLU(), ONE, {}, "no parameters to differentiate"),
        (nn.Linear(3, 2).requires_grad_(False), ONE, {}, "no parameters to differentiate"),
        (nn.LayerNorm(3), ONE, {"parameters": "matrices"}, "parameters='matrices'"),
        (nn.Linear(3, 2), ONE, {"parameters": "weights"}, "parameters='weights' is not valid: 'all' or 'matrices'"),
        (nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2).double()), ONE, {}, "share one dtype"),
        (nn.Linear(3, 2), [], {}, "hold no examples"),
        (nn.Linear(3, 2), [(torch.full((2, 3), torch.nan), ONE[0][1])], {}, r"the loss \(nan\) .* not finite"),
    ],
)
def test_refuses(model: nn.Module, data: list[tuple[Tensor, Tensor]], options: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        hessian_operator(model, F.cross_entropy, data, **options)


def test_refuses_a_loss_per_example() -> None:
    with pytest.raises(ValueError, match=r"scalar mean over examples; got shape \(2,\)"):
        hessian_operator(nn.Linear(3, 2), lambda o, t: F.cross_entropy(o, t, reduction="none"), ONE)


def test_refuses_a_vector_of_another_length() -> None:
    with pytest.raises(ValueError, match=r"\(8, 8\) operator by a tensor of shape \(7,\)"):
        hessian_operator(nn.Linear(3, 2), F.cross_entropy, ONE) @ torch.ones(7)


def test_data_cut_for_the_cache_of_a_cpu_count_as_a_whole() -> None:
    model, num_examples = nn.Linear(2000, 1, bias=False).double(), 201  # of 16 kB a row: four pieces of 50 or 51
    inputs = torch.randn(num_examples, 2000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    hessian = hessian_operator(model, F.mse_loss, [(inputs, torch.zeros(num_examples, 1, dtype=torch.float64))])
    vectors = torch.randn(2000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = 2 * inputs.T @ (inputs @ vectors) / num_examples
    torch.testing.assert_close(hessian @ vectors, expected, rtol=1e-12, atol=1e-12)
