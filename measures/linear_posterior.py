"""The posterior of a network that is linear in its parameters, or taken for linear around them.

The features are the derivatives of the outputs by the parameters: of a linear layer without bias its inputs, exactly.
"""

import math
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from measures.examples import check_inputs, check_precision
from measures.inputs import Estimate, Measurement, Snapshot
from measures.operators import evaluating
from measures.posterior_contraction import ROUNDING, effective_dimensionality, posterior_contraction

MOST_PARAMETERS = 5000  # the covariance matrix is inverted
MOST_FEATURES = 10**8  # numbers in the matrix of features
CHUNK = 500  # examples that are differentiated at once


def linear_posterior(
    snapshot: Snapshot,
    *,
    prior_variance: Annotated[float, Field(gt=0)] = 1.0,
    noise_variance: Annotated[float, Field(gt=0)] = 0.1,
    z: Annotated[float, Field(gt=0)] = 1.0,
    gram_z: Annotated[float, Field(gt=0)] | None = None,
) -> Measurement:
    r"""How far the training examples narrow the posterior of a linear model, and its effective dimensionalities.

    With features $\Phi$ (examples, parameters) the covariance is $S = (\Phi^T \Phi / \sigma^2 + I / \alpha^2)^{-1}$.
    `contraction` is $\mathrm{tr}\,\alpha^2 I - \mathrm{tr}\,S$, and `identity_digits` to how many decimal digits the
    inverted matrix gives $\alpha^2 N_\mathrm{eff}(\Phi^T \Phi, \sigma^2 / \alpha^2)$ for it. `parameter_dimensionality`
    is $N_\mathrm{eff}(S, z)$, `function_dimensionality` that of $\Phi S \Phi^T$ at the training examples,
    `test_function_dimensionality` at the test examples. Along `num_unchanged` directions S is the prior; a step along
    them leaves the outputs at the training examples as they are to `unchanged_digits` digits. `gram_dimensionality` is
    $N_\mathrm{eff}(\Phi^T \Phi, \mathrm{gram\_z})$, by default with $\sigma^2 / \alpha^2$, and `undetermined` what it
    leaves of the smaller of examples and parameters. Array: `variances`, the eigenvalues of S.

    Maddox, Benton, Wilson, arXiv 2003.02139, section 4. Exact, so nothing has a standard error. Costs the Jacobian of
    the outputs, its singular value decomposition, and the inverse of a matrix of parameters squared. ValueError for a
    network of more than 5,000 parameters.

    >>> from measures import Split
    >>> model = nn.Linear(3, 1, bias=False)
    >>> split = Split(torch.tensor([[2.0, 0.0, 0.0]]), torch.ones(1))
    >>> snapshot = Snapshot(model, (), split, split, nn.functional.mse_loss)
    >>> found = linear_posterior(snapshot, prior_variance=3.0, noise_variance=0.5).values
    >>> round(found["contraction"].value, 12), found["num_unchanged"].value
    (2.88, 2.0)
    """
    check_precision(snapshot.model)
    for split in (snapshot.train, snapshot.test):
        check_inputs(split.inputs)
    features = parameter_derivatives(snapshot.model, snapshot.train.inputs)
    test_features = parameter_derivatives(snapshot.model, snapshot.test.inputs)
    found = posterior_contraction(features, prior_variance=prior_variance, noise_variance=noise_variance)
    identity = torch.eye(features.shape[1], dtype=features.dtype, device=features.device)
    covariance = torch.linalg.inv(features.T @ features / noise_variance + identity / prior_variance)
    contraction = prior_variance * features.shape[1] - float(covariance.trace())
    squares = np.square(torch.linalg.svdvals(features).cpu().numpy())
    ratio = noise_variance / prior_variance
    gram = effective_dimensionality(squares, ratio if gram_z is None else gram_z)
    values = {
        "contraction": contraction,
        "identity_digits": _digits(abs(contraction - found.value), found.value),
        "parameter_dimensionality": found.parameter_dimensionality(z),
        "function_dimensionality": found.function_dimensionality(z),
        "test_function_dimensionality": effective_dimensionality(_function_variances(test_features, covariance), z),
        "num_unchanged": float(found.num_unchanged),
        "unchanged_digits": _digits(*_effect_of_unchanged(features)),
        "gram_dimensionality": gram,
        "undetermined": min(features.shape) - gram,
    }
    return Measurement({name: Estimate(value) for name, value in values.items()}, {"variances": found.variances})


def parameter_derivatives(model: nn.Module, inputs: Tensor) -> Tensor:
    """The derivatives of all outputs by all parameters, (examples x outputs, parameters), in float64.

    >>> parameter_derivatives(nn.Linear(2, 1), torch.tensor([[3.0, 4.0]])).tolist()
    [[3.0, 4.0, 1.0]]
    """
    parameters = {name: each.detach().double() for name, each in model.named_parameters()}
    others = {name: _as_double(each) for name, each in model.named_buffers()}
    count = sum(each.numel() for each in parameters.values())
    if count > MOST_PARAMETERS or count * len(inputs) > MOST_FEATURES:
        raise ValueError(
            f"{count} parameters and {len(inputs)} examples are not valid: at most {MOST_PARAMETERS} parameters, and "
            f"at most {MOST_FEATURES} derivatives"
        )

    def outputs(values: dict[str, Tensor], example: Tensor) -> Tensor:
        return functional_call(model, {**others, **values}, (example[None],))[0].flatten()

    with evaluating(model):
        derivatives = vmap(jacrev(outputs), in_dims=(None, 0), chunk_size=CHUNK)(parameters, _as_double(inputs))
    return torch.cat([each.flatten(2) for each in derivatives.values()], dim=2).flatten(0, 1)


def _as_double(tensor: Tensor) -> Tensor:
    return tensor.detach().double() if tensor.is_floating_point() else tensor.detach()


def _function_variances(features: Tensor, covariance: Tensor) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The eigenvalues of the covariance of the function at the points that are not 0 by its shape."""
    return np.square(torch.linalg.svdvals(features @ torch.linalg.cholesky(covariance)).cpu().numpy())


def _effect_of_unchanged(features: Tensor) -> tuple[float, float]:
    """The most that a unit step along a direction no example has seen changes an output, and that any step does."""
    fewer = features.shape[0] < features.shape[1]
    _, singular_values, directions = torch.linalg.svd(features, full_matrices=fewer)
    largest = float(singular_values.max())
    unchanged = directions[int((singular_values > ROUNDING * largest).sum()) :]
    return (float((features @ unchanged.T).abs().max()) if len(unchanged) else 0.0), largest


def _digits(error: float, scale: float) -> float:
    """Decimal digits to which something is right: 15.7 where float64 could not be nearer."""
    least = float(np.finfo(np.float64).eps)
    return -math.log10(max(error / scale, least)) if scale > 0 else -math.log10(least)
