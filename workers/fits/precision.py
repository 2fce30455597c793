"""Precision of a training step; evaluation is in float32 whatever this is."""

import contextlib
from collections.abc import Generator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch

Precision = Literal["float32", "tf32", "bfloat16"]


def matrix_products(precision: Precision) -> AbstractContextManager[Any]:
    """For the forward and the backward pass: TF32 in the matrix products of a GPU, if that is asked for."""
    return _tf32() if precision == "tf32" else nullcontext()


@contextlib.contextmanager
def _tf32() -> Generator[None]:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    """For the forward pass alone, whose types the backward pass takes over."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()
