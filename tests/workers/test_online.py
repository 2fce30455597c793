"""Online measures: right at every step, and the same whether or not the training was interrupted."""

import copy
import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from measures import Snapshot, Split, bias_gradient
from measures.registry import Component
from tests.workers.online_training import BCE, CROSS_ENTROPY, MSE, RATES, Training, frozen_identity_network
from workers.checkpoint import TrainingState, decode, encode
from workers.losses.loss import Loss
from workers.online import online
from workers.online.online import Online, Step

NORMALISATIONS = [(0, ""), (1, "unnormalised_")]
COMPONENTS = [
    Component("bias_trajectory"),
    Component("bias_variance"),
    Component("distance_to_initialisation", all_parameters=True),
    Component("gradient_norm"),
]


def bias_of(training: Training) -> Tensor:
    return training.network.module.get_parameter("input_bias.bias").detach().double().clone()


def gradient_of(training: Training) -> Tensor:
    return training.network.module.get_parameter("input_bias.bias").grad


def identical(left: dict[str, float], right: dict[str, float]) -> bool:
    return left.keys() == right.keys() and np.array_equal(list(left.values()), list(right.values()), equal_nan=True)


@pytest.mark.parametrize("loss", [MSE, BCE], ids=["MSE/2", "BCE/2"])
def test_normalised_bias_step_is_the_slope_of_the_function(loss: Loss) -> None:
    """||b1(t+1) - b1(t)|| / (α ε) = ||∂f/∂x|| at the visited point: references, section 0 item 1; ε is written out."""
    training = Training(Component("bias_trajectory"), loss)
    for _ in range(40):
        inputs, targets = training.batch()
        inputs.requires_grad_(True)
        output = training.network.module(inputs)[0, 0]
        value = output.sigmoid() if loss is BCE else output
        (input_slope,) = torch.autograd.grad(value, inputs)
        y = targets[0].item()
        epsilon = 0.5 / abs(1 - y - value.item()) if loss is BCE else abs(value.item() - y)
        rate, before = RATES[training.step % len(RATES)], bias_of(training)
        training.train_step()
        moved = (bias_of(training) - before).norm().item() / (rate * epsilon)
        measured = training.measure.summarise()["sum"]
        assert measured == pytest.approx(input_slope.norm().item(), abs=1e-12)
        assert measured == pytest.approx(moved, abs=1e-12)


@pytest.mark.parametrize("loss", [MSE, BCE], ids=["MSE/2", "BCE/2"])
def test_a_checkpoint_shows_the_mean_step_of_the_epoch_around_it(loss: Loss) -> None:
    """Post hoc, from weights alone (references, 1.8): exactly, where an epoch moves the weights by nothing."""
    training = Training(Component("bias_trajectory"), loss)
    visited: list[tuple[Tensor, Tensor]] = []
    for _ in range(12):
        visited.append(training.batch())
        training.train_step(rate=0.0)
    data = Split(torch.cat([x for x, _ in visited]), torch.cat([y for _, y in visited]))
    snapshot = Snapshot(training.network.module, (), data, data, loss.mean)
    after = bias_gradient(snapshot, sigmoid=loss is BCE).values
    online_values = training.measure.summarise()
    assert after["mean"].value == pytest.approx(online_values["mean"], rel=1e-12)
    assert after["largest"].value == pytest.approx(online_values["largest"], rel=1e-12)


def test_trajectory_adds_up_within_and_over_epochs() -> None:
    training = Training(Component("bias_trajectory"), BCE)
    totals = np.zeros(2)
    for num_steps in (7, 1, 12):
        lengths = np.zeros((num_steps, 2))
        for step in range(num_steps):
            inputs, targets = training.batch()
            value = training.network.module(inputs).sigmoid().item()
            training.train_step()
            norm = gradient_of(training).norm().item()
            lengths[step] = norm * 2 * abs(1 - targets.item() - value), norm
        totals += lengths.mean(axis=0)
        columns = {"sum": lengths.sum(axis=0), "mean": lengths.mean(axis=0), "largest": lengths.max(axis=0)}
        columns["total"] = totals
        expected = {prefix + name: column[i] for name, column in columns.items() for i, prefix in NORMALISATIONS}
        assert training.measure.summarise() == pytest.approx({**expected, "skipped": 0}, rel=1e-12)


def test_steps_without_a_loss_derivative_are_skipped_and_counted() -> None:
    network = frozen_identity_network()
    measure: Online = online.call(Component("bias_trajectory"), network, MSE)
    bias = network.module.get_parameter("input_bias.bias")
    for output, target, gradient in ((2.0, 2.0, 0.0), (3.0, 1.0, 8.0), (0.5, 0.5, 0.0), (1.0, 2.0, 6.0)):
        bias.grad = torch.tensor([gradient, 0, 0, 0, 0], dtype=torch.float64)
        measure.update(Step(0.1, torch.tensor([[output]]), torch.tensor([target])))
    summary = measure.summarise()
    assert {name: summary[name] for name in ("sum", "mean", "largest", "total", "skipped")} == {
        "sum": 10, "mean": 5, "largest": 6, "total": 5, "skipped": 2
    }  # fmt: skip
    bias.grad.zero_()
    measure.update(Step(0.1, torch.tensor([[2.0]]), torch.tensor([2.0])))
    summary = measure.summarise()
    assert (summary["skipped"], summary["sum"], summary["total"]) == (1, 0, 5)
    assert math.isnan(summary["mean"]) and math.isnan(summary["largest"])


def test_batches_of_several_examples_have_unnormalised_lengths_only() -> None:
    training = Training(Component("bias_trajectory"), batch_size=4)
    summary, norms = training.epoch(6, lambda each: gradient_of(each).norm().item())
    assert summary["unnormalised_sum"] == pytest.approx(sum(norms), rel=1e-12)
    assert all(math.isnan(summary[name]) for name in ("sum", "mean", "largest", "total"))


def test_a_loss_of_several_outputs_has_unnormalised_lengths_only() -> None:
    summary, norms = Training(Component("bias_trajectory"), CROSS_ENTROPY).epoch(
        6, lambda each: gradient_of(each).norm().item()
    )
    assert set(summary) == {f"unnormalised_{name}" for name in ("sum", "mean", "largest", "total")}
    assert summary["unnormalised_largest"] == pytest.approx(max(norms), rel=1e-12)


@pytest.mark.parametrize("num_steps", [1, 2, 50])
def test_variance_is_numpys(num_steps: int) -> None:
    training = Training(Component("bias_variance"))
    for _ in range(2):
        summary, values = training.epoch(num_steps, bias_of)
        variance = np.stack([each.numpy() for each in values]).var(axis=0).sum()
        rates = [RATES[step % len(RATES)] for step in range(training.step - num_steps, training.step)]
        assert summary["variance"] == pytest.approx(variance, rel=1e-12)
        assert summary["over_squared_rate"] == pytest.approx(variance / np.mean(rates) ** 2, rel=1e-12)


def test_variance_is_exact_for_a_large_bias_that_hardly_moves() -> None:
    """Where the mean of squares less the square of the mean has no digit left: squares of 1e6, a variance of 1e-8."""
    network = frozen_identity_network(dtype=torch.float32)
    measure: Online = online.call(Component("bias_variance"), network, MSE)
    bias, values = network.module.get_parameter("input_bias.bias"), []
    for step in range(1000):
        bias.data.fill_(1000 + 1.25e-4 * (step % 3))
        values.append(bias.detach().double().numpy())
        measure.update(Step(0.0, torch.zeros(1, 1), torch.zeros(1)))
    summary = measure.summarise()
    assert summary["variance"] == pytest.approx(np.stack(values).var(axis=0).sum(), rel=1e-9)
    assert math.isnan(summary["over_squared_rate"]), "the learning rate was zero"


def test_distances_are_from_the_initial_weights() -> None:
    training = Training(Component("distance_to_initialisation", all_parameters=True))
    initial = copy.deepcopy(training.network.module)
    start = bias_of(training)
    for _ in range(2):
        summary, biases = training.epoch(9, bias_of)
        distances = [(bias - start).norm().item() for bias in biases]
        flat, flat_start = (nn.utils.parameters_to_vector(m.parameters()) for m in (training.network.module, initial))
        assert summary == pytest.approx(
            {
                "mean": sum(distances) / 9,
                "largest": max(distances),
                "last": distances[-1],
                "all_parameters": (flat - flat_start).norm().item(),
            },
            rel=1e-12,
        )


def test_distance_keeps_a_copy_of_all_parameters_only_if_asked_to() -> None:
    training = Training(Component("distance_to_initialisation"))
    assert [name for name in training.measure.state if name.startswith("initial")] == ["initial_bias"]
    assert set(training.epoch(2, bias_of)[0]) == {"mean", "largest", "last"}


def test_gradient_norm_is_that_of_all_trainable_parameters() -> None:
    """The frozen weights hold a gradient of their own here, from a time before they were frozen."""
    network = frozen_identity_network()
    measure: Online = online.call(Component("gradient_norm"), network, MSE)
    network.module.get_parameter("input_bias.weight").grad = torch.full((5, 5), 1e3, dtype=torch.float64)
    norms = []
    for seed in range(8):
        inputs = torch.randn(4, 5, generator=torch.Generator().manual_seed(seed)).double()
        trainable = [parameter for parameter in network.module.parameters() if parameter.requires_grad]
        outputs = network.module(inputs)
        gradients = torch.autograd.grad(outputs.square().mean(), trainable)
        for parameter, gradient in zip(trainable, gradients, strict=True):
            parameter.grad = gradient
        measure.update(Step(0.1, outputs.detach(), torch.zeros(4)))
        norms.append(torch.cat([gradient.flatten() for gradient in gradients]).norm().item())
    assert measure.summarise() == pytest.approx({"mean": sum(norms) / 8, "largest": max(norms)}, rel=1e-12)


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
@pytest.mark.parametrize("cut", [0, 1, 4, 5, 7, 10, 13])
def test_cut_and_resumed_equals_uninterrupted(component: Component, cut: int) -> None:
    """Epochs of five steps: 5 and 10 lie between two of them. The state passes through a stored checkpoint."""

    def finish(training: Training) -> list[dict[str, float]]:
        summaries = []
        while training.step < 15:
            training.train_step()
            if training.step % 5 == 0:
                summaries.append(training.measure.summarise())
        return summaries

    whole = Training(component, dtype=torch.float32)
    expected = finish(whole)
    before, after = Training(component, dtype=torch.float32), Training(component, dtype=torch.float32)
    shapes = {name: tensor.shape for name, tensor in before.measure.state.items()}
    for _ in range(cut):
        before.train_step()
        if before.step % 5 == 0:
            before.measure.summarise()
    data, manifest = encode(TrainingState(cut, before.measure.state, {}, "data"), "trial")
    assert manifest["step"] == cut and {name: t.shape for name, t in before.measure.state.items()} == shapes
    stored = decode(data, json.dumps(manifest), "trial")
    after.network.module.load_state_dict(before.network.module.state_dict())
    for name, tensor in after.measure.state.items():
        tensor.copy_(stored.tensors[name])
    after.step = cut
    resumed = finish(after)
    assert all(identical(*pair) for pair in zip(resumed, expected[-len(resumed) :], strict=True))
    assert all(torch.equal(after.measure.state[name], whole.measure.state[name]) for name in shapes)


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
def test_measuring_reads_no_tensor_and_leaves_the_training_alone(component: Component) -> None:
    """A tensor that is read makes every step wait for the device."""

    class NoReads(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            assert func not in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.equal.default)
            return func(*args, **(kwargs or {}))

    training = Training(component, BCE)
    training.train_step()
    before = copy.deepcopy([(each.data, each.grad) for each in training.network.module.parameters()])
    with NoReads():
        training.measure.update(Step(0.1, torch.ones(1, 1, dtype=torch.float64), torch.tensor([1])))
    after = [(each.data, each.grad) for each in training.network.module.parameters()]
    for (data, gradient), (data_after, gradient_after) in zip(before, after, strict=True):
        assert torch.equal(data, data_after)
        assert (gradient is None and gradient_after is None) or torch.equal(gradient, gradient_after)


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
def test_a_diverging_training_shows(component: Component) -> None:
    training = Training(component)
    training.train_step()
    for parameter in training.network.module.parameters():
        parameter.data.fill_(math.nan)
        parameter.grad = None if parameter.grad is None else parameter.grad.fill_(math.nan)
    training.measure.update(Step(0.1, torch.full((1, 1), math.nan), torch.zeros(1)))
    summary = training.measure.summarise()
    assert all(math.isnan(number) for name, number in summary.items() if name != "skipped")


@pytest.mark.parametrize("component", COMPONENTS[:3], ids=lambda component: component.name)
def test_another_layer_can_be_measured(component: Component) -> None:
    default = Training(component)
    same, other = (
        Training(Component(component.name, **{**dict(component.settings), "layer": layer}))
        for layer in ("input_bias", "output")
    )
    summaries = [each.epoch(5, bias_of)[0] for each in (default, same, other)]
    assert identical(summaries[0], summaries[1]) and not identical(summaries[0], summaries[2])


def test_a_network_without_trainable_parameters_is_refused() -> None:
    network = frozen_identity_network()
    network.module.requires_grad_(False)
    for component, message in zip(
        COMPONENTS, ["no trainable bias vector"] * 3 + ["no trainable parameter"], strict=True
    ):
        with pytest.raises(ValueError, match=message):
            online.call(component, network, MSE)


def test_a_bias_that_takes_no_part_is_an_error() -> None:
    training = Training(Component("bias_trajectory"))
    training.network.module.zero_grad()
    with pytest.raises(ValueError, match="the bias has no gradient"):
        training.measure.update(Step(0.1, torch.zeros(1, 1), torch.zeros(1)))


def test_an_epoch_without_a_step_has_no_numbers() -> None:
    assert all(
        math.isnan(n)
        for n in online.call(Component("bias_variance"), frozen_identity_network(), MSE).summarise().values()
    )
