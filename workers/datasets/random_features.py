"""Linear regression on more and more noisy features (Maddox, Benton & Wilson, arXiv 2003.02139)."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from workers.datasets.dataset import Dataset
from workers.seeding import named_seed


def random_features(
    data_seed: int,
    *,
    num_features: Annotated[int, Field(ge=1)] = 200,
    num_informative: Annotated[int, Field(ge=0)] = 1000,
    num_train: Annotated[int, Field(ge=1)] = 200,
    num_test: Annotated[int, Field(ge=1)] = 200,
) -> Dataset:
    """Regression of a Gaussian number, of which every informative feature is a copy with unit Gaussian noise.

    Features beyond the first `num_informative` are noise alone. Fewer features are the first of more, and the targets
    are the same (the published notebook draws anew for each number of features).
    """
    x_train, y_train = _split(num_train, num_features, num_informative, data_seed, "train")
    x_test, y_test = _split(num_test, num_features, num_informative, data_seed, "test")
    return Dataset(x_train, y_train, x_test, y_test, num_classes=None)


def _split(
    count: int, num_features: int, num_informative: int, data_seed: int, split: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    y = _normal((count,), data_seed, "targets", split)
    x = _normal((num_features, count), data_seed, "features", split)
    x[:num_informative] += y
    return np.ascontiguousarray(x.T, dtype=np.float32), y.astype(np.float32)


def _normal(shape: tuple[int, ...], data_seed: int, name: str, split: str) -> NDArray[np.float64]:
    # numpy, whose draws do not depend on how many follow; torch draws normal numbers in blocks.
    return np.random.default_rng(named_seed(data_seed, "dataset", name, split)).standard_normal(shape)
