"""Batch norm over the whole batch of a gang, on any device; torch's own synchronised one is for GPUs alone.

Ioffe & Szegedy (arXiv 1502.03167), with mean and variance taken over the parts of all processes.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def synchronized(module: nn.Module) -> nn.Module:
    """The module with every batch norm replaced by one over the gang; it keeps the same parameters and buffers."""
    if isinstance(module, BATCH_NORMS):
        return GangBatchNorm(module)
    for name, child in module.named_children():
        setattr(module, name, synchronized(child))
    return module


class GangBatchNorm(nn.Module):
    """As the batch norm it is made of, but its statistics are those of the gang's whole batch."""

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d) -> None:
        super().__init__()
        if norm.momentum is None or norm.running_mean is None:
            raise ValueError("batch norm with momentum=None or without running statistics cannot be shared by a gang")
        self.eps, self.momentum = norm.eps, norm.momentum
        self.weight: nn.Parameter | None = norm.weight
        self.bias: nn.Parameter | None = norm.bias
        self.running_mean: Tensor
        self.running_var: Tensor
        self.num_batches_tracked: Tensor
        for name, buffer in norm.named_buffers(recurse=False):
            self.register_buffer(name, buffer)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return nn.functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        dimensions = [0, *range(2, x.dim())]
        shape = [1, -1] + [1] * (x.dim() - 2)
        count = _sum_over_gang(x.new_tensor(x.numel() // x.shape[1]))
        mean = _sum_over_gang(x.sum(dimensions)) / count
        centred = x - mean.view(shape)
        # Two passes: the difference of mean square and squared mean would cancel.
        variance = _sum_over_gang(centred.square().sum(dimensions)) / count
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        normalized = centred * (variance + self.eps).rsqrt().view(shape)
        if self.weight is not None:
            normalized = normalized * self.weight.view(shape)
        return normalized if self.bias is None else normalized + self.bias.view(shape)


class _SumOverGang(torch.autograd.Function):
    """Sum of every process's tensor; each process's loss depends on it, so their gradients are summed, too."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:
        total = grad_outputs[0].clone()
        dist.all_reduce(total)
        return total


def _sum_over_gang(tensor: Tensor) -> Tensor:
    result: Any = _SumOverGang.apply(tensor)
    return result
