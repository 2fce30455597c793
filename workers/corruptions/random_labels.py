"""Label noise: Zhang et al., "Understanding deep learning requires rethinking generalization", ICLR 2017, sec. 2.1."""

import dataclasses
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from workers.datasets.dataset import Dataset

Labels = NDArray[np.generic]


def random_labels(
    dataset: Dataset,
    generator: torch.Generator,
    *,
    fraction: Annotated[float, Field(ge=0, le=1)] = 0.0,
    corrupt_test: bool = False,
) -> Dataset:
    """Each training label is replaced, with probability `fraction`, by a uniform draw over all classes.

    A draw may give the old label, so of C classes a share `fraction * (C - 1) / C` really changes. The sets of
    replaced examples are nested in `fraction`: more noise corrupts the same examples and further ones, with the same
    new labels. `corrupt_test` treats the test labels likewise, as one public reproduction of the paper does; it leaves
    the training labels as they are without it.
    """
    if dataset.num_classes is None:
        raise ValueError("corruption random_labels is not valid for a data set without classes")
    y_train = _noisy(dataset.y_train, dataset.num_classes, fraction, generator)
    # After all draws for the training labels, which it must not move.
    y_test = _noisy(dataset.y_test, dataset.num_classes, fraction, generator) if corrupt_test else dataset.y_test
    return dataclasses.replace(dataset, y_train=y_train, y_test=y_test)


def _noisy(clean: Labels, num_classes: int, fraction: float, generator: torch.Generator) -> Labels:
    labels = torch.from_numpy(clean.copy())
    replace = torch.rand(len(labels), generator=generator, dtype=torch.float64) < fraction
    drawn = torch.randint(num_classes, (len(labels),), generator=generator)
    return torch.where(replace, drawn, labels).numpy()
