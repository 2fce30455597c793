"""The measure `perturbation_svd`: what the layers make of small noise around single examples.

The activations of noisy copies of one example are the rows of a matrix. It is not centred: without noise all rows are
equal and there is one singular value, so what the others hold is what the layer left of the noise.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from measures.activations import layer_activations
from measures.directional_derivatives import directional_derivatives
from measures.examples import check_inputs, check_precision, chosen_examples, generator, num_not_finite
from measures.inputs import Estimate, Measurement, Snapshot

Floats = NDArray[np.float64]
Sigma = Annotated[float, Field(gt=0, le=1e6)]


@dataclass(frozen=True)
class PerturbationSpectrum:
    """Singular values (min(copies, features),) of one layer's activations on noisy copies of one example.

    `linear` are those of the theory of small noise, with the same draws; None where it cannot be had. `centred` are
    those without the mean over copies. `jacobian_over_activation` is the squared Frobenius norm of the layer's
    Jacobian, estimated from the draws, over the squared norm of the activation without noise.
    """

    measured: Floats
    centred: Floats
    linear: Floats | None
    jacobian_over_activation: float


def perturbation_svd(
    snapshot: Snapshot,
    *,
    sigmas: Annotated[tuple[Sigma, ...], Field(min_length=1)] = (0.2, 0.1, 0.01),
    split: Literal["train", "test"] = "train",
    num_examples: Annotated[int, Field(ge=2)] = 10,
    num_copies: Annotated[int, Field(ge=2)] = 128,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Measurement:
    r"""Singular values of every layer's activations on noisy copies of single examples, and of their linearisation.

    The matrix of an example x has the rows $a(x + \sigma z_g)$, $z_g \sim N(0, I)$, for n copies; the input is a
    layer, too. `share_1`, `share_2` and `share_rest` are of the sum of the squared singular values. For small
    $\sigma$ the rows are $a(x) + \sigma J z_g$: `linear_share_1` and `linear_singular_value_2` are of these, with the
    same draws. Then $1 -$ `share_1` is about $\frac{n-1}{n} \sigma^2 \|P J\|_F^2 / \|a\|^2$ with P the projection
    that takes the direction of a away, and for many copies the singular values approach $\sqrt n$ times those of the
    matrix with the columns a and $\sigma J$. The draws depend on `seed` alone: checkpoints and sigmas share them.
    Standard errors are over examples. Costs num_examples num_copies forward passes for each sigma and twice that for
    the theory, and a QR decomposition of each layer's matrix.

    >>> from torch import nn, ones
    >>> from measures import Split
    >>> model, data = nn.Sequential(nn.Identity(), nn.Linear(100, 2)), Split(ones(5, 100), torch.arange(5) % 2)
    >>> values = perturbation_svd(Snapshot(model, ("0",), data, data, nn.functional.cross_entropy)).values
    >>> round(values["input.sigma_0.01.share_1"].value, 4), round(values["layer.0.jacobian_over_activation"].value, 1)
    (0.9999, 1.0)
    """
    check_precision(snapshot.model)
    examples = chosen_examples(snapshot.train if split == "train" else snapshot.test, num_examples, seed)
    check_inputs(examples.inputs)
    spectra: list[dict[str, list[PerturbationSpectrum]]] = []
    for index, example in enumerate(examples.inputs):
        draws = torch.randn(num_copies, *example.shape, generator=generator(seed, index + 1))
        spectra.append(perturbation_spectra(snapshot.model, example, draws.to(example), snapshot.layers, sigmas))
    return _measurement(spectra, sigmas)


def perturbation_spectra(
    model: nn.Module, example: Tensor, draws: Tensor, layers: Sequence[str], sigmas: Sequence[float]
) -> dict[str, list[PerturbationSpectrum]]:
    """For the input and each layer the spectra around one example at each sigma, with one draw of noise per copy.

    The keys are "input" and "layer.NAME".

    >>> model, draws = nn.Sequential(nn.Identity()), torch.randn(10, 3)
    >>> (spectrum,) = perturbation_spectra(model, torch.ones(3), draws, ["0"], [0.1])["layer.0"]
    >>> spectrum.measured.shape, bool(np.allclose(spectrum.measured, spectrum.linear))
    ((3,), True)
    """
    clean = _rows(model, example[None], layers)
    derivatives = _derivatives(model, example, draws, layers)
    # The theory's rows are combinations of these for every sigma.
    theory = {name: _reduced(torch.cat([clean[name], derivative])) for name, derivative in derivatives.items()}
    found: dict[str, list[PerturbationSpectrum]] = {name: [] for name in clean}
    for sigma in sigmas:
        for name, rows in _rows(model, example + sigma * draws, layers).items():
            if bad := num_not_finite(rows):
                raise ValueError(f"{name} holds NaN or infinity at {bad} of {len(rows)} noisy copies, sigma={sigma}")
            found[name].append(_spectrum(_reduced(rows), theory.get(name), sigma))
    return found


def _derivatives(model: nn.Module, example: Tensor, draws: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
    """Of the input and each layer along every draw; without the layers that cannot be differentiated."""
    of_input = {"input": draws.flatten(start_dim=1).double()}
    try:
        found = directional_derivatives(model, example.expand_as(draws), draws, layers)
    except NotImplementedError:
        return of_input
    finite = {layer: derivative.double() for layer, derivative in found.items() if torch.isfinite(derivative).all()}
    return of_input | {f"layer.{layer}": derivative for layer, derivative in finite.items()}


def _rows(model: nn.Module, copies: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
    activations = layer_activations(model, copies, layers)
    return {"input": copies.flatten(start_dim=1).double()} | {
        f"layer.{layer}": activations[layer].double() for layer in layers
    }


def _spectrum(rows: Tensor, theory: Tensor | None, sigma: float) -> PerturbationSpectrum:
    measured, centred = singular_values(rows), singular_values(rows - rows.mean(dim=0))
    if theory is None:
        return PerturbationSpectrum(measured, centred, None, math.nan)
    clean, derivative = theory[:1], theory[1:]
    squares = float(derivative.square().sum(dim=1).mean()), float(clean.square().sum())
    ratio = squares[0] / squares[1] if squares[1] > 0 else math.nan
    return PerturbationSpectrum(measured, centred, singular_values(clean + sigma * derivative), ratio)


def singular_values(matrix: Tensor) -> Floats:
    """Singular values in falling order, in float64."""
    return torch.linalg.svdvals(_reduced(matrix)).cpu().numpy()


def _reduced(rows: Tensor) -> Tensor:
    """As many coordinates as there are rows, if there are fewer rows: in an orthonormal basis of what they span.

    All inner products of rows stay, so all singular values of what is combined from rows do.
    """
    return torch.linalg.qr(rows.mT, mode="r").R.mT if rows.shape[1] > rows.shape[0] else rows


def _measurement(spectra: list[dict[str, list[PerturbationSpectrum]]], sigmas: Sequence[float]) -> Measurement:
    values: dict[str, Estimate] = {}
    arrays: dict[str, NDArray[np.generic]] = {}
    notes: list[str] = []
    for name in spectra[0]:
        ratios = [of_example[name][0].jacobian_over_activation for of_example in spectra]
        values[f"{name}.jacobian_over_activation"] = _mean(np.array(ratios))
        for index, sigma in enumerate(sigmas):
            prefix = f"{name}.sigma_{sigma}"
            group = [of_example[name][index] for of_example in spectra]
            values |= {f"{prefix}.{field}": estimate for field, estimate in _fields(group).items()}
            arrays[prefix] = np.stack([spectrum.measured for spectrum in group])
            unknown = np.full_like(group[0].measured, math.nan)
            arrays[f"{prefix}.linear"] = np.stack([unknown if s.linear is None else s.linear for s in group])
        notes += _notes(name, [of_example[name][0] for of_example in spectra])
    return Measurement(values, arrays, tuple(notes))


def _fields(group: list[PerturbationSpectrum]) -> dict[str, Estimate]:
    """Means over the examples; of shares, over those where the layer is not dead."""
    shares = np.stack([_shares(spectrum.measured) for spectrum in group])
    kinds = {
        "centred_share_1": [_shares(spectrum.centred)[0] for spectrum in group],
        "linear_share_1": [math.nan if s.linear is None else _shares(s.linear)[0] for s in group],
        "linear_singular_value_2": [math.nan if s.linear is None else _at(s.linear, 1) for s in group],
        "singular_value_1": [_at(spectrum.measured, 0) for spectrum in group],
        "singular_value_2": [_at(spectrum.measured, 1) for spectrum in group],
    }
    names = ("share_1", "share_2", "share_rest")
    return {name: _mean(shares[:, i]) for i, name in enumerate(names)} | {
        name: _mean(np.array(numbers)) for name, numbers in kinds.items()
    }


def _shares(values: Floats) -> Floats:
    """Shares of the first, the second and all other squared singular values; NaN where all are 0."""
    squares = np.square(values)
    if squares.sum() == 0:
        return np.full(3, math.nan)
    parts = np.array([squares[0], _at(squares, 1), squares[2:].sum()])
    return parts / squares.sum()


def _at(values: Floats, index: int) -> float:
    return float(values[index]) if index < len(values) else 0.0


def _mean(values: Floats) -> Estimate:
    known = values[~np.isnan(values)]
    if len(known) < 2:
        return Estimate(float(known[0]) if len(known) else math.nan)
    return Estimate(float(known.mean()), float(known.std(ddof=1)) / math.sqrt(len(known)))


def _notes(name: str, group: list[PerturbationSpectrum]) -> list[str]:
    title = "The input" if name == "input" else f"Layer {name.removeprefix('layer.')}"
    notes: list[str] = []
    if unknown := sum(spectrum.linear is None for spectrum in group):
        notes.append(f"{title} cannot be differentiated at {unknown} of {len(group)} examples: no linear theory.")
    dead = sum(not spectrum.measured.any() for spectrum in group)
    if dead:
        notes.append(f"{title} is 0 on all copies of {dead} of {len(group)} examples, which have no shares.")
    return notes
