"""Label noise: Zhang et al., "Understanding deep learning requires rethinking generalization", ICLR 2017, sec. 2.1."""

import dataclasses
from typing import Annotated

import torch
from pydantic import Field

from workers.datasets.dataset import Dataset


def random_labels(
    dataset: Dataset, generator: torch.Generator, *, fraction: Annotated[float, Field(ge=0, le=1)] = 0.0
) -> Dataset:
    """Each training label is replaced, with probability `fraction`, by a uniform draw over all classes.

    A draw may give the old label, so of C classes a share `fraction * (C - 1) / C` really changes. The sets of
    replaced examples are nested in `fraction`: more noise corrupts the same examples and further ones.
    """
    if dataset.num_classes is None:
        raise ValueError("corruption random_labels is not valid for a data set without classes")
    labels = torch.from_numpy(dataset.y_train.copy())
    replace = torch.rand(len(labels), generator=generator, dtype=torch.float64) < fraction
    drawn = torch.randint(dataset.num_classes, (len(labels),), generator=generator)
    return dataclasses.replace(dataset, y_train=torch.where(replace, drawn, labels).numpy())
