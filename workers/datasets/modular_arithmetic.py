"""Equations modulo a prime, on which networks generalise long after they fit (Power et al., arXiv 2201.02177).

Split and tokens are those of Brown, Juravsky, Caterini & Loaiza-Ganem (arXiv 2211.13239), from their released code,
which has division only.
"""

import random
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from workers.datasets.dataset import Dataset
from workers.seeding import named_seed

OPERATOR, EQUALS, FIRST_NUMBER = 0, 1, 2  # tokens; a number k is FIRST_NUMBER + k
PUBLISHED_SEED = 9


def _prime(number: int) -> int:
    if any(number % divisor == 0 for divisor in range(2, int(number**0.5) + 1)):
        raise ValueError("a prime is needed")
    return number


def modular_arithmetic(
    data_seed: int,
    *,
    prime: Annotated[int, Field(ge=3, le=997), AfterValidator(_prime)] = 97,
    operation: Literal["division", "sum", "subtraction"] = "division",
    train_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.25,
) -> Dataset:
    """Equations a o b = c modulo a prime, as tokens; the class is c.

    Inputs are (n, 4) int64 tokens [a, 'o', b, '=']; there are prime + 2 different ones. Every pair (a, b) occurs once,
    without b = 0 in division; a share `train_fraction` of them, rounded down, is trained on. `data_seed` 0 gives the
    published split, for all fractions the beginning of the same random order.
    """
    equations = _equations(prime, operation)
    order = list(range(len(equations)))
    seed = named_seed(data_seed, "dataset", "split") if data_seed else PUBLISHED_SEED
    random.Random(seed).shuffle(order)
    num_train = int(train_fraction * len(order))
    if num_train == 0:
        raise ValueError(f"train_fraction={train_fraction} is not valid: it leaves none of {len(order)} equations")
    train, test = equations[order[:num_train]], equations[order[num_train:]]
    return Dataset(_tokens(train), train[:, 2], _tokens(test), test[:, 2], num_classes=prime)


def _equations(prime: int, operation: str) -> NDArray[np.int64]:
    """All (a, b, c), b running fastest."""
    first = 1 if operation == "division" else 0
    a, b = (side.ravel() for side in np.meshgrid(np.arange(prime), np.arange(first, prime), indexing="ij"))
    if operation == "division":
        inverses = np.array([pow(int(k), prime - 2, prime) for k in range(prime)])  # Fermat
        c = a * inverses[b] % prime
    else:
        c = (a + b if operation == "sum" else a - b) % prime
    return np.stack([a, b, c], axis=1).astype(np.int64)


def _tokens(equations: NDArray[np.int64]) -> NDArray[np.int64]:
    tokens = np.empty((len(equations), 4), dtype=np.int64)
    tokens[:, [0, 2]] = equations[:, :2] + FIRST_NUMBER
    tokens[:, 1], tokens[:, 3] = OPERATOR, EQUALS
    return tokens
