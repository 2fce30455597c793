"""Norms of single layers as the linear maps they are.

A convolution is taken as the operator on images of the size it gets, padding and stride included, and not as its kernel
reshaped to a matrix: the spectral norm of the latter can be smaller or larger (Sedghi, Gupta, Long, arXiv 1805.10408).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from measures.lanczos import top_eigenvalues

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
MEANS = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
LARGEST_SVD = 512  # smaller side of a matrix whose singular values are computed all at once
TOLERANCE = 1e-4  # of the squared norm; its error is the square of the residual over the gap


@dataclass(frozen=True)
class SpectralNorm:
    """The largest singular value; some singular value lies within `residual` of it, which is 0 if it is exact."""

    value: float
    residual: float


def spectral_norm(layer: nn.Module, input_shape: tuple[int, ...], *, seed: int = 0) -> SpectralNorm:
    """Largest singular value of a layer's linear part on one input of `input_shape`, in float64.

    `Linear` up to 512 on its smaller side by its singular values, a larger one and convolutions by Lanczos iteration on
    $A^T A$, from products with the layer and its adjoint: about 10 to 105 of each; so is average pooling. Batch norm in
    evaluation mode is diagonal. ValueError for any other layer.

    >>> round(spectral_norm(nn.AvgPool1d(4), (1, 8)).value, 6)
    0.5
    """
    if isinstance(layer, BATCH_NORMS):
        return SpectralNorm(float(batch_norm_scale(layer).abs().max()), 0.0)
    if isinstance(layer, nn.Linear) and min(layer.weight.shape) <= LARGEST_SVD:
        return SpectralNorm(float(torch.linalg.matrix_norm(layer.weight.detach().double(), 2)), 0.0)
    if not isinstance(layer, (nn.Linear, *CONVOLUTIONS, *MEANS)):
        raise ValueError(f"{type(layer).__name__} has no spectral norm here: it is not known to be linear")
    gram = GramOperator(layer, (layer.in_features,) if isinstance(layer, nn.Linear) else input_shape)
    pairs = top_eigenvalues(gram, num_eigenvalues=1, seed=seed, tolerance=TOLERANCE)
    value = float(max(pairs.eigenvalues[0], 0.0)) ** 0.5
    return SpectralNorm(value, float(pairs.residuals[0]) / value if value else float(pairs.residuals[0]) ** 0.5)


def batch_norm_scale(layer: nn.Module) -> Tensor:
    """What batch norm multiplies each channel by in evaluation mode, float64."""
    variance, weight = layer.running_var, layer.weight
    if not isinstance(variance, Tensor):
        raise ValueError(f"{type(layer).__name__} keeps no running statistics: it is no fixed map in evaluation mode")
    scale = (variance.double() + float(layer.eps)) ** -0.5  # pyright: ignore[reportArgumentType] -- a float in all of them
    return scale * weight.detach().double() if isinstance(weight, Tensor) else scale


class GramOperator:
    """$A^T A$ of a layer without its bias, on flattened inputs of one shape."""

    def __init__(self, layer: nn.Module, input_shape: tuple[int, ...]) -> None:
        self._weights = {
            name: parameter.detach().double() if name == "weight" else torch.zeros_like(parameter.detach()).double()
            for name, parameter in layer.named_parameters()
        }
        self._layer, self._input_shape = layer, input_shape
        size = torch.Size(input_shape).numel()
        self.shape, self.dtype, self.device = (
            (size, size),
            torch.float64,
            next((w.device for w in self._weights.values()), torch.device("cpu")),
        )

    def __matmul__(self, vectors: Tensor) -> Tensor:
        """Of one vector (p,), or of the columns of a block (p, k)."""
        rows = vectors.reshape(self.shape[0], -1).T.reshape(-1, *self._input_shape)
        with torch.enable_grad():
            inputs = rows.detach().requires_grad_()
            outputs = torch.func.functional_call(self._layer, self._weights, (inputs,))
            (products,) = torch.autograd.grad(outputs, inputs, outputs.detach())
        return products.flatten(start_dim=1).T.reshape(vectors.shape)
