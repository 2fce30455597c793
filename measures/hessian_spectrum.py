"""The measure `hessian_spectrum`: curvature of the training loss, and how many directions it fills."""

import math
from typing import Annotated

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import nn

from measures.inputs import Estimate, Measurement, Snapshot
from measures.lanczos import Eigenpairs, lanczos, lanczos_quadrature, top_eigenvalues
from measures.operators import CurvatureOperator, LinearOperator, hessian_operator
from measures.spectrum import Floats, Spectrum, dense_spectrum

# More than the outliers reported are summed exactly: against 10, 30 cut the standard error on MLPs by 10 to 65 %.
NUM_DEFLATED = 30
RECIPE_STEPS = 100


def hessian_spectrum(
    snapshot: Snapshot,
    *,
    z: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (0.01, 0.1, 1.0, 10.0),
    num_eigenvalues: PositiveInt = 10,
    num_steps: Annotated[int, Field(ge=2)] = 50,
    num_probes: Annotated[int, Field(ge=2)] = 8,
    seed: Annotated[int, Field(ge=0)] = 0,
    recipe_batch_size: PositiveInt = 128,
) -> Measurement:
    r"""Spectrum of the training-loss Hessian: effective dimensionality, largest eigenvalues, trace, negative mass.

    $N_\mathrm{eff}(z) = \sum_i \lambda_i^+ / (\lambda_i^+ + z)$ over all eigenvalues of the Hessian of the mean loss on
    the labels trained on, in evaluation mode, all parameters, no weight decay: the number of directions whose curvature
    exceeds about z (Maddox, Benton, Wilson, Rethinking parameter counting in deep models, arXiv 2003.02139, definition
    of N_eff), with negative curvature counted as 0. It is the full sum, estimated by stochastic Lanczos quadrature with
    a standard error, or exact where that costs no more. It is not invariant under reparametrisation: rescaling the
    layers of a ReLU network changes it and not the function. `top_effective_dimensionality` is the sum over the
    `num_eigenvalues` largest alone: what lies below them is left out of it, and at small z that is most of the sum.

    `published_effective_dimensionality` is the number of the paper's figures, for comparison with them only: one random
    start, 100 Lanczos steps, tensors of more than one dimension, the Hessian summed over the means of batches of
    `recipe_batch_size`, z = 1, negative Ritz values left out. It counts Ritz values, is bounded by 100, and is not an
    estimate of the sum. `unclipped_effective_dimensionality_z1` is there where all eigenvalues are known: the same sum
    over those of either sign, which is unbounded as one comes close to -z; so the paper measures its two spirals.

    Costs about num_steps * num_probes + 250 Hessian products on the training set.

    >>> from measures import Split
    >>> model, data = torch.nn.Linear(2, 2), Split(torch.randn(8, 2), torch.arange(8) % 2)
    >>> measurement = hessian_spectrum(Snapshot(model, (), data, data, torch.nn.functional.cross_entropy))
    >>> measurement.values["num_parameters"].value
    6.0
    """
    train = [(snapshot.train.inputs, snapshot.train.targets)]
    hessian = hessian_operator(snapshot.model, snapshot.loss, train)
    size, operator = hessian.shape[0], _affordable(hessian, num_steps * num_probes)
    pairs = top_eigenvalues(operator, num_eigenvalues=min(max(num_eigenvalues, NUM_DEFLATED), size), seed=seed)
    if operator is hessian:
        spectrum = lanczos_quadrature(operator, num_steps=num_steps, num_probes=num_probes, seed=seed, deflate=pairs)
    else:
        spectrum = dense_spectrum(operator)
    values = _spectrum_fields(spectrum, z) | _top_sums(pairs, num_eigenvalues, z)
    values |= _eigenvalue_fields(pairs, num_eigenvalues) | _unclipped_sums(spectrum, z)
    values |= {
        "published_effective_dimensionality": _published_recipe(snapshot, recipe_batch_size, seed),
        "num_parameters": Estimate(float(size)),
        "gradient_norm": Estimate(float(torch.linalg.vector_norm(hessian.gradient))),
        "loss": Estimate(hessian.loss),
        "exact": Estimate(float(operator is not hessian)),
    }
    notes = _eigenvalue_notes(pairs, num_eigenvalues) + _spectrum_notes(spectrum, z)
    if not _has_matrices(snapshot.model):
        notes.append("The published recipe does not apply: no parameter has more than one dimension.")
    return Measurement(values, _arrays(spectrum), tuple(notes))


def _affordable(hessian: CurvatureOperator, num_products: int) -> LinearOperator:
    """The Hessian as a dense matrix if that costs no more than `num_products`, otherwise as it is."""
    size = hessian.shape[0]
    return hessian @ torch.eye(size, dtype=hessian.dtype, device=hessian.device) if size <= num_products else hessian


def _spectrum_fields(spectrum: Spectrum, z: tuple[float, ...]) -> dict[str, Estimate]:
    sums = {f"effective_dimensionality_z{value:g}": spectrum.effective_dimensionality(value) for value in z}
    truncation = max(_relative(abs(spectrum.truncation(value)), spectrum, value) for value in z)
    return sums | {
        "trace": spectrum.trace,
        "negative_mass": spectrum.negative_mass,
        "truncation": Estimate(truncation),
    }


def _top_sums(pairs: Eigenpairs, count: int, z: tuple[float, ...]) -> dict[str, Estimate]:
    positive = np.clip(pairs.eigenvalues[:count], 0, None)
    return {
        f"top_effective_dimensionality_z{value:g}": Estimate(float(np.sum(positive / (positive + value))))
        for value in z
    }


def _unclipped_sums(spectrum: Spectrum, z: tuple[float, ...]) -> dict[str, Estimate]:
    """The sum of l / (l + z) over all eigenvalues of either sign, where they are known: of it no estimate is any good.

    An eigenvalue close to -z dominates it, and what is to be compared with it are published numbers of small networks.
    """
    if spectrum.num_probes:
        return {}
    with np.errstate(divide="ignore"):
        sums = {value: float(np.sum(spectrum.exact / (spectrum.exact + value))) for value in z}
    return {f"unclipped_effective_dimensionality_z{value:g}": Estimate(each) for value, each in sums.items()}


def _relative(amount: float, spectrum: Spectrum, z: float) -> float:
    whole = spectrum.effective_dimensionality(z).value
    return amount / whole if whole > 0 else 0.0


def _eigenvalue_fields(pairs: Eigenpairs, count: int) -> dict[str, Estimate]:
    """Fields of the largest eigenvalues; NaN for those that a network of few parameters does not have."""
    missing = [math.nan] * (count - len(pairs.eigenvalues))
    fields: dict[str, Estimate] = {}
    for kind, numbers in (("eigenvalue", pairs.eigenvalues), ("residual", pairs.residuals)):
        padded = [*map(float, numbers[:count]), *missing]
        fields |= {f"{kind}_{i}": Estimate(number) for i, number in enumerate(padded, start=1)}
    return fields


def _published_recipe(snapshot: Snapshot, batch_size: int, seed: int) -> Estimate:
    """The number of the published figures, see `hessian_spectrum`; it comes from one start and has no standard error.

    Upstream weights a smaller last batch like the others; here every example counts alike.
    """
    if not _has_matrices(snapshot.model):
        return Estimate(math.nan)
    train = [(snapshot.train.inputs, snapshot.train.targets)]
    hessian = hessian_operator(snapshot.model, snapshot.loss, train, parameters="matrices")
    start = torch.randn(hessian.shape[0], generator=torch.Generator().manual_seed(seed)).to(hessian.device)
    num_batches = math.ceil(len(snapshot.train) / batch_size)
    ritz_values = num_batches * lanczos(hessian, start, RECIPE_STEPS).ritz_values
    positive = ritz_values[ritz_values > 0]
    return Estimate(float(np.sum(positive / (positive + 1.0))))


def _has_matrices(model: nn.Module) -> bool:
    return any(parameter.requires_grad and parameter.ndim > 1 for parameter in model.parameters())


def _arrays(spectrum: Spectrum) -> dict[str, Floats]:
    """What `Spectrum(num_parameters, exact_eigenvalues, diagonals, off_diagonals)` needs, and its nodes and weights."""
    return {
        "exact_eigenvalues": spectrum.exact,
        "diagonals": spectrum.diagonals,
        "off_diagonals": spectrum.off_diagonals,
        "nodes": spectrum.nodes,
        "weights": spectrum.weights,
    }


def _eigenvalue_notes(pairs: Eigenpairs, count: int) -> list[str]:
    notes: list[str] = []
    if len(pairs.eigenvalues) < count:
        notes.append(f"Only {len(pairs.eigenvalues)} eigenvalues exist; the others asked for are NaN.")
    if not all(pairs.converged[:count]):
        unconverged = [str(i) for i, converged in enumerate(pairs.converged[:count], start=1) if not converged]
        notes.append(f"Eigenvalues {', '.join(unconverged)} have not converged; their residuals bound their errors.")
    return notes


def _spectrum_notes(spectrum: Spectrum, z: tuple[float, ...]) -> list[str]:
    notes: list[str] = []
    for value in z:
        truncation, stderr = abs(spectrum.truncation(value)), spectrum.effective_dimensionality(value).stderr or 0.0
        if truncation > stderr:
            notes.append(
                f"At z={value:g} the last quarter of the Lanczos steps changed the effective dimensionality by "
                f"{truncation:.3g}, more than its standard error {stderr:.3g}: more steps are needed."
            )
    if (share := spectrum.negative_mass.value) > 0.01:
        notes.append(
            f"Negative curvature makes up {share:.1%} of the sum of |eigenvalues|; it counts as 0 in the effective "
            "dimensionality."
        )
    return notes
