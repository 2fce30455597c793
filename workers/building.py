"""From a spec to the problem it describes: the same way in training and in measuring."""

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from measures.inputs import Split
from workers.corruptions import corruptions
from workers.datasets.prepared import prepared
from workers.models import models
from workers.models.network import Network
from workers.optimizers import optimizers
from workers.problem import Problem
from workers.runtime import Runtime
from workers.schedules import schedules
from workers.seeding import named_seed, stream
from workers.spec import TrialSpec


def build_problem(spec: TrialSpec, runtime: Runtime) -> Problem:
    """The problem of a spec, on the runtime's device. Draws from the spec's own streams only."""
    source = prepared(spec.dataset, spec.data_seed, runtime.cache)
    noise = stream(spec.data_seed, "corruption", spec.corruption.name)
    dataset = corruptions.call(spec.corruption, source.dataset, noise)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(named_seed(spec.init_seed, "init"))
        network: Network = models.call(spec.model, dataset.input_shape, dataset.num_classes)
    network.module.to(runtime.device)
    return Problem(
        network=network,
        train=_split(dataset.x_train, dataset.y_train, runtime.device),
        test=_split(dataset.x_test, dataset.y_test, runtime.device),
        loss=torch.nn.functional.cross_entropy,
        make_optimizer=partial(optimizers.call, spec.optimizer, list(network.module.parameters())),
        learning_rate_factor=partial(schedules.call, spec.schedule),
        order_seed=spec.order_seed,
        dataset_sha256=source.sha256,
    )


def _split(inputs: NDArray[np.generic], targets: NDArray[np.int64], device: str) -> Split:
    # Copied: a prepared array is a read-only memory map, which a tensor must not alias.
    return Split(torch.tensor(np.array(inputs), device=device), torch.tensor(np.array(targets), device=device))
