"""MNIST-1D: a one-dimensional, procedurally generated relative of MNIST that needs no download.

Greydanus & Kobak, "Scaling down deep learning with MNIST-1D", ICML 2024 (arXiv 2011.14439).
"""

import random
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from workers.datasets.dataset import Dataset


def mnist1d(
    data_seed: int,
    *,
    num_examples: Annotated[int, Field(ge=20)] = 16_000,
    train_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.25,
) -> Dataset:
    """Ten classes of 40-point signals, generated locally.

    The defaults are those of its authors' double-descent notebook: 4,000 training and 12,000 test examples. Their
    generator draws from the global random states of numpy and Python, which are put back afterwards.
    """
    from mnist1d.data import get_dataset_args, make_dataset  # here: it loads a plotting library

    args: Any = get_dataset_args()  # an attribute bag
    args.num_samples, args.train_split, args.seed = num_examples, train_fraction, data_seed
    numpy_state, python_state = np.random.get_state(), random.getstate()
    try:
        arrays = make_dataset(args)
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)
    return Dataset(
        x_train=arrays["x"].astype(np.float32),
        y_train=arrays["y"].astype(np.int64),
        x_test=arrays["x_test"].astype(np.float32),
        y_test=arrays["y_test"].astype(np.int64),
        num_classes=10,
    )
