"""How steep a network is at given points: the largest stretch of its input-output map, one number a point."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from measures.examples import check_inputs, check_precision, num_not_finite
from measures.operators import evaluating

CHUNK_BYTES = 1 << 28


@dataclass(frozen=True)
class LocalLipschitz:
    """Local Lipschitz constants: `value` is their mean with its standard error over points, `largest` their maximum.

    `per_point` (n,) is float64, in the order of the points. The standard error takes them as independent draws, and is
    NaN for a single one.
    """

    value: float
    stderr: float
    largest: float
    per_point: NDArray[np.float64]


def local_lipschitz(
    model: nn.Module, x: Tensor | NDArray[np.floating], *, sigmoid: bool = False, batch_size: int = 250
) -> LocalLipschitz:
    r"""Local Lipschitz constants of a network at the examples in the rows, in the Euclidean norm.

    $\lambda(x) = \|\partial f / \partial x\|_2$ in evaluation mode: the norm of the gradient for one output, the
    spectral norm of the Jacobian for several. Of a ReLU network it is the exact constant of the linear region around x
    (Loukas, Poiitis, Jegelka, arXiv 2106.04186, section 2). `sigmoid` measures the sigmoid of a single output instead,
    which is the function of that paper for two classes. An example must not depend on the others of its batch. Costs
    one forward pass, and one backward pass for each output.

    >>> model = nn.Linear(2, 1)
    >>> model.weight.data = torch.tensor([[3.0, 4.0]])
    >>> local_lipschitz(model, torch.zeros(5, 2)).value
    5.0
    """
    inputs = torch.as_tensor(x).detach()
    check_precision(model)
    check_inputs(inputs)
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size} is not valid: at least 1")
    with evaluating(model), torch.enable_grad():
        norms = torch.cat([_jacobian_norms(model, batch, sigmoid) for batch in inputs.split(batch_size)])
    if bad := num_not_finite(norms[:, None]):
        raise ValueError(f"the Jacobian holds NaN or infinity at {bad} of {len(norms)} points")
    per_point = norms.cpu().numpy()
    spread = float(np.std(per_point, ddof=1)) if len(per_point) > 1 else math.nan
    return LocalLipschitz(
        float(per_point.mean()), spread / math.sqrt(len(per_point)), float(per_point.max()), per_point
    )


def _jacobian_norms(model: nn.Module, inputs: Tensor, sigmoid: bool) -> Tensor:
    inputs = inputs.clone().requires_grad_()
    outputs = model(inputs)
    if outputs.ndim == 0 or len(outputs) != len(inputs):
        raise ValueError(f"{len(inputs)} examples gave outputs of shape {tuple(outputs.shape)}; one row each is needed")
    outputs = outputs.reshape(len(inputs), -1)
    if sigmoid:
        if outputs.shape[1] != 1:
            raise ValueError(f"sigmoid=True is not valid for {outputs.shape[1]} outputs: it takes one")
        outputs = outputs.sigmoid()
    if not outputs.requires_grad:  # constant in the inputs
        return torch.zeros(len(inputs), dtype=torch.float64, device=inputs.device)
    num_rows = max(1, CHUNK_BYTES // (8 * outputs.shape[1] * inputs[0].numel()))
    jacobian = torch.stack([_gradient(column, inputs) for column in outputs.unbind(dim=1)], dim=1)
    return torch.cat([_spectral_norms(rows.double()) for rows in jacobian.split(num_rows)])


def _gradient(outputs: Tensor, inputs: Tensor) -> Tensor:
    """Gradient (n, d) of each example's output in its own input."""
    (gradient,) = torch.autograd.grad(outputs.sum(), inputs, retain_graph=True, materialize_grads=True)
    return gradient.flatten(start_dim=1)


def _spectral_norms(matrices: Tensor) -> Tensor:
    """From the smaller of the two Gram matrices: for the largest singular value alone that loses no precision."""
    if 1 in matrices.shape[1:]:
        return torch.linalg.vector_norm(matrices, dim=(1, 2))
    left, right = matrices, matrices.mT
    gram = left @ right if matrices.shape[1] <= matrices.shape[2] else right @ left
    if not torch.isfinite(gram).all():
        return torch.where(torch.isfinite(gram).all(dim=2).all(dim=1), 0.0, torch.nan)
    return torch.linalg.eigvalsh(gram)[:, -1].clamp(min=0).sqrt()
