"""No corruption."""

import torch

from workers.datasets.dataset import Dataset


def none(dataset: Dataset, _generator: torch.Generator) -> Dataset:
    """The data set as it is."""
    return dataset
