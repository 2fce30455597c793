"""The networks of benchmarks/curvature.py: briefly trained, for a Hessian with outliers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from measures import Component, hessian_operator, top_eigenvalues
from workers.building import build_problem
from workers.runtime import Runtime
from workers.spec import TrialSpec

LEARNING_RATE = 3e-3
REFERENCE_TOLERANCE = 1e-5  # of the largest eigenvalue: about what float32 products allow


@dataclass(frozen=True)
class Case:
    """A network, what it was trained on, and its largest eigenvalues to a residual far below those compared."""

    model: nn.Module
    inputs: Tensor
    targets: Tensor
    eigenvalues: NDArray[np.float64]

    @property
    def parameters(self) -> list[nn.Parameter]:
        return list(self.model.parameters())


def prepare(
    place: Path, model: Component, data: Component, num_steps: int, num_eigenvalues: int, runtime: Runtime
) -> None:
    """Train, find the eigenvalues, and write what the arms then read."""
    torch.set_num_threads(runtime.threads)
    fit = Component("sgd", epochs=1, batch_size=len_train(data))
    problem = build_problem(TrialSpec(dataset=data, model=model, optimizer=Component("adam"), fit=fit), runtime)
    module, inputs, targets = problem.network.module, problem.train.inputs, problem.train.targets
    optimizer = torch.optim.Adam(module.parameters(), lr=LEARNING_RATE)
    for _ in range(num_steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(inputs), targets).backward()
        optimizer.step()
    module.eval().zero_grad()
    operator = hessian_operator(module, nn.CrossEntropyLoss(), [(inputs, targets)])
    pairs = top_eigenvalues(operator, num_eigenvalues=num_eigenvalues, seed=1, tolerance=REFERENCE_TOLERANCE)
    torch.save({"model": module, "inputs": inputs, "targets": targets, "eigenvalues": pairs.eigenvalues}, place)


def len_train(data: Component) -> int:
    """Examples that a data set component asks for."""
    return data["num_train"] if "num_train" in dict(data.settings) else data["num_examples"] // 4


def load(place: Path, threads: int) -> Case:
    """What `prepare` wrote, with one pass made: what a process does only once is not to be timed."""
    torch.set_num_threads(threads)
    case = Case(**torch.load(place, weights_only=False))  # our own file, of a minute ago
    nn.functional.cross_entropy(case.model(case.inputs[:8]), case.targets[:8]).backward()
    case.model.zero_grad()
    return case


def largest_residual(case: Case, eigenvalues: Sequence[float] | NDArray[np.float64], vectors: Tensor) -> float:
    """The largest ||H v - lambda v|| / ||v|| over the largest eigenvalue, by one operator for all arms."""
    operator = hessian_operator(case.model, nn.CrossEntropyLoss(), [(case.inputs, case.targets)])
    vectors = vectors.to(operator.device, operator.dtype)
    differences = operator @ vectors - vectors * torch.as_tensor(eigenvalues).to(vectors)
    return float((differences.norm(dim=0) / vectors.norm(dim=0)).max()) / float(case.eigenvalues[0])
