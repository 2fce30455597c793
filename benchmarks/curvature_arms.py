"""Ours and the peers of benchmarks/curvature.py. Every arm loads the case, works on the clock, then is judged off it.

PyHessian 0.1 gets a loader, its way for data sets, here of a single batch: it then builds the graph of the gradient for
every product. As `pyhessian_batch` it gets that batch as such, whose graph it keeps, as we do. It stops where two
successive values of an eigenvalue differ by a given share, not at a residual. Its density ends in `torch.eig`, which
torch has removed: `without_eig` puts a symmetric eigendecomposition in its place.
curvlinops gets its data unchecked; its eigenvalues are those of `scipy.sparse.linalg.eigsh` on its own SciPy export,
with the tolerance at which SciPy allows the last of them the residual that ours allows; its quadrature is ours with
its operator.
"""

import importlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from arms import Cost, measured
from curvature_case import Case, largest_residual, load
from numpy.typing import NDArray
from scipy.sparse.linalg import eigsh
from torch import Tensor, nn

from measures import Spectrum, hessian_operator, lanczos_quadrature, top_eigenvalues

Floats = NDArray[np.float64]
Z = 0.01  # of the effective dimensionality, by the largest eigenvalue: where 30 steps have converged by any rule


@dataclass(frozen=True)
class Settings:
    """What every arm is asked for."""

    place: Path
    threads: int
    device: str
    num_eigenvalues: int
    tolerance: float  # of residuals, relative to the largest eigenvalue
    num_steps: int
    num_probes: int
    max_iterations: int  # of a power iteration
    power_tolerance: float


@dataclass(frozen=True)
class Run:
    """What was found, the error that it comes with, and what it cost.

    Found are eigenvalues, and the error is the largest residual over the largest eigenvalue; or found are the trace
    and the effective dimensionality, and the errors are their standard errors.
    """

    found: Floats
    errors: Floats
    cost: Cost


def ours_eigenvalues(settings: Settings) -> Run:
    """`measures.top_eigenvalues`, with residuals computed on the clock."""

    def work(case: Case) -> Any:
        return top_eigenvalues(
            ours(case), num_eigenvalues=settings.num_eigenvalues, seed=0, tolerance=settings.tolerance
        )

    return eigenvalues(settings, work, lambda pairs: (pairs.eigenvalues, pairs.eigenvectors))


def curvlinops_eigenvalues(settings: Settings) -> Run:
    """SciPy's restarted Lanczos on curvlinops' operator."""

    def work(case: Case) -> Any:
        tolerance = settings.tolerance * case.eigenvalues[0] / case.eigenvalues[-1]
        operator = curvlinops(case).to_scipy()
        start = np.random.default_rng(0).normal(size=operator.shape[0]).astype(np.float32)
        return eigsh(operator, k=settings.num_eigenvalues, which="LA", tol=tolerance, v0=start)

    return eigenvalues(settings, work, lambda pairs: (pairs[0], torch.from_numpy(pairs[1])))


def pyhessian_eigenvalues(settings: Settings, *, keeps_graph: bool = False) -> Run:
    """PyHessian's power iteration, which takes off what it has found before."""

    def work(case: Case) -> Any:
        torch.manual_seed(0)
        return pyhessian(case, settings, keeps_graph=keeps_graph).eigenvalues(
            maxIter=settings.max_iterations, tol=settings.power_tolerance, top_n=settings.num_eigenvalues
        )

    def pairs(found: Any) -> tuple[Floats, Tensor]:
        return np.array(found[0]), torch.stack([torch.cat([p.flatten() for p in v]) for v in found[1]], dim=1)

    return eigenvalues(settings, work, pairs)


def ours_quadrature(settings: Settings) -> Run:
    """`measures.lanczos_quadrature` on our operator."""
    return quadrature(settings, lambda case: our_quadrature(ours(case), settings), sums)


def curvlinops_quadrature(settings: Settings) -> Run:
    """The same on curvlinops' operator."""
    return quadrature(settings, lambda case: our_quadrature(curvlinops(case), settings), sums)


def pyhessian_quadrature(settings: Settings, *, keeps_graph: bool = False) -> Run:
    """PyHessian's density, and the same sums from its nodes and weights."""

    def work(case: Case) -> Any:
        torch.manual_seed(0)
        peer = pyhessian(case, settings, keeps_graph=keeps_graph)
        return peer.density(iter=settings.num_steps, n_v=settings.num_probes)

    def of_probes(found: Any, case: Case) -> tuple[Floats, Floats]:
        nodes, weights = (np.array(each, dtype=np.float64) for each in found)
        size, positive = sum(parameter.numel() for parameter in case.parameters), np.maximum(nodes, 0)
        shares = positive / (positive + Z * case.eigenvalues[0])
        by_probe = size * np.stack([(weights * nodes).sum(1), (weights * shares).sum(1)])
        return by_probe.mean(axis=1), by_probe.std(axis=1, ddof=1) / len(nodes) ** 0.5

    return quadrature(settings, work, of_probes)


ARMS: dict[str, dict[str, Callable[[Settings], Run]]] = {
    "eigenvalues": {
        "ours": ours_eigenvalues,
        "curvlinops": curvlinops_eigenvalues,
        "pyhessian": pyhessian_eigenvalues,
        "pyhessian_batch": partial(pyhessian_eigenvalues, keeps_graph=True),
    },
    "quadrature": {
        "ours": ours_quadrature,
        "curvlinops": curvlinops_quadrature,
        "pyhessian": pyhessian_quadrature,
        "pyhessian_batch": partial(pyhessian_quadrature, keeps_graph=True),
    },
}


def eigenvalues(settings: Settings, work: Callable[[Case], Any], pairs: Callable[[Any], tuple[Floats, Tensor]]) -> Run:
    """An arm of the first kind, in falling order."""
    case, found, cost = judged(settings, work)
    values, vectors = pairs(found)
    order = np.argsort(values)[::-1].copy()
    residual = largest_residual(case, values[order], vectors[:, torch.from_numpy(order)])
    return Run(values[order].astype(np.float64), np.array([residual]), cost)


def quadrature(
    settings: Settings, work: Callable[[Case], Any], estimates: Callable[[Any, Case], tuple[Floats, Floats]]
) -> Run:
    """An arm of the second kind."""
    case, found, cost = judged(settings, work)
    values, errors = estimates(found, case)
    return Run(values, errors, cost)


def judged(settings: Settings, work: Callable[[Case], Any]) -> tuple[Case, Any, Cost]:
    """The case, what the work returned, and what it cost."""
    case = load(settings.place, settings.threads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of curvlinops about torch.jit, and of torch about PyHessian's backward pass
        importlib.import_module("curvlinops")
        found, cost = measured(lambda: work(case), settings.device)
    return case, found, cost


def ours(case: Case) -> Any:
    """Our operator, as anyone gets it."""
    return hessian_operator(case.model, nn.CrossEntropyLoss(), [(case.inputs, case.targets)])


def curvlinops(case: Case) -> Any:
    """The peer's operator; its test that the data are the same every time is left out."""
    make = importlib.import_module("curvlinops").HessianLinearOperator
    data = [(case.inputs, case.targets)]
    return make(case.model, nn.CrossEntropyLoss(), case.parameters, data, check_deterministic=False)


def pyhessian(case: Case, settings: Settings, *, keeps_graph: bool = False) -> Any:
    """The peer's object on a loader, as for a data set, or on the one batch whose gradient it keeps with its graph."""
    torch.eig = without_eig  # type: ignore[attr-defined]  # see the head of this file
    make = importlib.import_module("pyhessian").hessian
    batch = (case.inputs, case.targets)
    given: dict[str, Any] = {"data": batch} if keeps_graph else {"dataloader": [batch]}
    return make(case.model, nn.CrossEntropyLoss(), cuda=settings.device != "cpu", **given)


def without_eig(matrix: Tensor, *, eigenvectors: bool) -> tuple[Tensor, Tensor]:
    """What `torch.eig` was, for the symmetric matrices that PyHessian has: eigenvalues with imaginary parts of 0."""
    values, vectors = torch.linalg.eigh(matrix)
    return torch.stack([values, torch.zeros_like(values)], dim=1), vectors if eigenvectors else torch.empty(0)


def our_quadrature(operator: Any, settings: Settings) -> Spectrum:
    """Our quadrature with anybody's operator."""
    return lanczos_quadrature(operator, num_steps=settings.num_steps, num_probes=settings.num_probes, seed=0)


def sums(spectrum: Spectrum, case: Case) -> tuple[Floats, Floats]:
    """Trace and effective dimensionality with their standard errors."""
    estimates: Sequence[Any] = (spectrum.trace, spectrum.effective_dimensionality(Z * float(case.eigenvalues[0])))
    return np.array([each.value for each in estimates]), np.array([each.stderr for each in estimates])
