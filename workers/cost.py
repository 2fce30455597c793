"""What a trial will cost, estimated from what is known before it starts: good enough to begin with the longest."""

import math

from measures.registry import Component

# On one core of a 2024 server CPU. A GPU moves both, and hardly the order of the trials.
SECONDS_PER_STEP = 5e-4  # of a network that computes nothing
FLOPS_PER_SECOND = 5e10
FORWARD_AND_BACKWARD = 3  # times the operations of a forward pass


def estimated_seconds(fit: Component, num_train: int, flops_per_example: float) -> float:
    """Seconds of training on one device, from the floating-point operations of one example's forward pass.

    A fit that has no `epochs` or `batch_size` counts as one pass over the training set, all at once.

    >>> round(estimated_seconds(Component("sgd", epochs=10, batch_size=100), 1000, 1e6), 3)
    0.65
    """
    settings = dict(fit.settings)
    epochs, batch_size = settings.get("epochs", 1), settings.get("batch_size", num_train)
    steps = epochs * math.ceil(num_train / batch_size)
    return steps * SECONDS_PER_STEP + FORWARD_AND_BACKWARD * epochs * num_train * flops_per_example / FLOPS_PER_SECOND
