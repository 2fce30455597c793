"""Linear regression on more and more noisy features (Maddox, Benton & Wilson, arXiv 2003.02139)."""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from workers.datasets.dataset import Dataset
from workers.seeding import named_seed

FIRST_FEATURES, MORE_FEATURES = 5, 2  # the published numbers of features: 5, 7, 9, ...

Floats = NDArray[np.float64]


def random_features(
    data_seed: int,
    *,
    num_features: Annotated[int, Field(ge=1)] = 200,
    num_informative: Annotated[int, Field(ge=0)] = 1000,
    num_train: Annotated[int, Field(ge=1)] = 200,
    num_test: Annotated[int, Field(ge=1)] = 200,
    draws: Literal["nested", "published"] = "nested",
) -> Dataset:
    """Regression of a Gaussian number, of which every informative feature is a copy with unit Gaussian noise.

    Features beyond the first `num_informative` are noise alone. With nested draws fewer features are the first of more,
    and the targets are the same. The published notebook draws anew for each number of features, 5, 7, 9 and so on, all
    from one generator: `draws="published"` with a `data_seed` of 88. ValueError for a number it does not come by.
    """
    if draws == "published":
        (x_train, y_train), (x_test, y_test) = _published(data_seed, num_features, num_informative, num_train, num_test)
    else:
        x_train, y_train = _split(num_train, num_features, num_informative, data_seed, "train")
        x_test, y_test = _split(num_test, num_features, num_informative, data_seed, "test")
    return Dataset(_rounded(x_train), _rounded(y_train), _rounded(x_test), _rounded(y_test), num_classes=None)


def _split(count: int, num_features: int, num_informative: int, data_seed: int, split: str) -> tuple[Floats, Floats]:
    y = _normal((count,), data_seed, "targets", split)
    x = _normal((num_features, count), data_seed, "features", split)
    x[:num_informative] += y
    return x.T, y


def _normal(shape: tuple[int, ...], data_seed: int, name: str, split: str) -> Floats:
    # numpy, whose draws do not depend on how many follow; torch draws normal numbers in blocks.
    return np.random.default_rng(named_seed(data_seed, "dataset", name, split)).standard_normal(shape)


def _published(
    data_seed: int, num_features: int, num_informative: int, num_train: int, num_test: int
) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Both splits, after those of all smaller numbers of features have been drawn."""
    if num_features < FIRST_FEATURES or (num_features - FIRST_FEATURES) % MORE_FEATURES:
        raise ValueError(
            f"num_features={num_features} is not valid with the published draws: {FIRST_FEATURES}, "
            f"{FIRST_FEATURES + MORE_FEATURES}, {FIRST_FEATURES + 2 * MORE_FEATURES} and so on"
        )
    draws = np.random.RandomState(data_seed)
    for earlier in range(FIRST_FEATURES, num_features, MORE_FEATURES):
        for count in (num_train, num_test):
            draws.standard_normal(count * (1 + earlier))
    return (
        _drawn(draws, num_train, num_features, num_informative),
        _drawn(draws, num_test, num_features, num_informative),
    )


def _drawn(draws: np.random.RandomState, count: int, num_features: int, num_informative: int) -> tuple[Floats, Floats]:
    y = draws.standard_normal(count)
    x = draws.standard_normal((count, num_features))
    x[:, :num_informative] += y[:, None]
    return x, y


def _rounded(values: Floats) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, dtype=np.float32)
