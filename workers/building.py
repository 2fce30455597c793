"""From a spec to the problem it describes: the same way in training and in measuring."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from measures.inputs import Split
from workers.corruptions import corruptions
from workers.datasets.augmentation import augment
from workers.datasets.dataset import Dataset
from workers.datasets.prepared import Prepared, prepared
from workers.gang import ALONE, Gang
from workers.losses import losses
from workers.losses.loss import Loss
from workers.models import models
from workers.models.network import Network
from workers.optimizers import optimizers
from workers.problem import Problem
from workers.runtime import Runtime
from workers.schedules import schedules
from workers.seeding import named_seed, stream
from workers.spec import TrialSpec
from workers.uncompiled import leave_out_compiler

leave_out_compiler()  # whatever a process does with a problem, it has built one


def build_problem(spec: TrialSpec, runtime: Runtime, gang: Gang = ALONE) -> Problem:
    """The problem of a spec, on the runtime's device. Draws from the spec's own streams only."""
    return assemble(spec, prepared(spec.dataset, spec.data_seed, runtime.cache), runtime.device, gang)


def assemble(spec: TrialSpec, source: Prepared, device: str, gang: Gang = ALONE) -> Problem:
    """The problem of a spec on a prepared data set; ValueError, in one line, where the components do not go together.

    On the device "meta" its tensors have a shape and no contents.
    """
    noise = stream(spec.data_seed, "corruption", spec.corruption.name)
    dataset = corruptions.call(spec.corruption, source.dataset, noise)
    loss: Loss = losses.call(spec.loss, dataset.num_classes)
    # Weights are drawn on the CPU, so that they are the same on every device.
    with torch.random.fork_rng(devices=[]), torch.device("meta" if device == "meta" else "cpu"):
        torch.manual_seed(named_seed(spec.init_seed, "init"))
        network: Network = models.call(spec.model, dataset.input_shape, loss.num_outputs)
    network.module.to(device)
    return Problem(
        network=network,
        train=Split(_inputs(dataset.x_train, dataset, device), _tensor(dataset.y_train, device)),
        test=Split(_inputs(dataset.x_test, dataset, device), _tensor(dataset.y_test, device)),
        clean_targets=_clean_targets(source.dataset, dataset, device),
        loss=loss,
        make_optimizer=partial(optimizers.call, spec.optimizer, list(network.module.parameters())),
        learning_rate_factor=partial(schedules.call, spec.schedule),
        order_seed=spec.order_seed,
        dataset_sha256=source.sha256,
        gang=gang,
        augment=_augment(dataset, device),
    )


def _clean_targets(source: Dataset, dataset: Dataset, device: str) -> dict[str, Tensor]:
    """Of each split whose labels the corruption has drawn, even if none has come out another."""
    pairs = {"train": (source.y_train, dataset.y_train), "test": (source.y_test, dataset.y_test)}
    return {name: _tensor(clean, device) for name, (clean, y) in pairs.items() if y is not clean}


def _tensor(array: NDArray[np.generic], device: str) -> Tensor:
    # Copied: a prepared array is a read-only memory map, which a tensor must not alias.
    return torch.tensor(np.array(array), device=device)


def _inputs(array: NDArray[np.generic], dataset: Dataset, device: str) -> Tensor:
    """What the network sees: images as float32, black 0 and white 1 before their normalisation."""
    inputs = _tensor(array, device)
    if inputs.dtype == torch.uint8:
        inputs = inputs.to(torch.float32).div_(255)
    return _normalized(inputs, dataset)


def _normalized(inputs: Tensor, dataset: Dataset) -> Tensor:
    if dataset.normalization is None:
        return inputs
    if dataset.normalization == "per_image":
        values = inputs.flatten(1)
        least = 1 / math.sqrt(values.shape[1])
        whitened = (values - values.mean(dim=1, keepdim=True)) / values.std(dim=1, keepdim=True, correction=0).clamp(
            least
        )
        return whitened.view_as(inputs)
    mean, deviation = (inputs.new_tensor(values).view(-1, 1, 1) for values in dataset.normalization)
    return inputs.sub_(mean).div_(deviation)


def _augment(dataset: Dataset, device: str) -> Callable[[Tensor, torch.Generator], Tensor] | None:
    if dataset.augmentation == "none":
        return None
    black = _normalized(torch.zeros(dataset.input_shape[0], 1, 1, device=device), dataset)
    return partial(augment, kind=dataset.augmentation, black=black)
