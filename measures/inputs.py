"""What a measure may ask for, by the annotation of its first parameter, and what it gives back.

A measure is a pure function `measure(snapshot, *, settings...) -> Measurement`, or of a pair of snapshots. It sees
networks with their data, never a file, a run or a cluster, so the same function works on a user's own network.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn


@dataclass(frozen=True)
class Split:
    """Examples in rows: inputs (n, ...) and targets (n,), exactly as the network was trained or tested on them."""

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True)
class Snapshot:
    """One network at one step, with the data to measure it on.

    `model` is in evaluation mode; a measure leaves its parameters, buffers and mode as they were. `layers` names the
    submodules whose outputs are the hidden representations, in forward order. `train` carries the labels trained on,
    corrupted ones included. `loss(outputs, targets)` is the mean training loss, and `recorded_loss` what it was on all
    of `train` when the training evaluated this very network; None where it was not.
    """

    model: nn.Module
    layers: tuple[str, ...]
    train: Split
    test: Split
    loss: Callable[[Tensor, Tensor], Tensor]
    recorded_loss: float | None = None


@dataclass(frozen=True)
class SnapshotPair:
    """Two networks to compare on the same examples, those of `first`; a checkpoint and its final network, say."""

    first: Snapshot
    second: Snapshot


@dataclass(frozen=True)
class Estimate:
    """A number and the standard error of its estimator; `stderr` is None where nothing was sampled (a count, say)."""

    value: float
    stderr: float | None = None


@dataclass(frozen=True)
class Measurement:
    """What a measure returns: named numbers, arrays to keep beside them, and remarks a reader of the numbers needs.

    A field name consists of letters, digits and `_ - .`. A value that is not valid for the data is NaN, and a note
    says why.
    """

    values: Mapping[str, Estimate]
    arrays: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
