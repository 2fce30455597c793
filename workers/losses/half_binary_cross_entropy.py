"""Half the binary cross-entropy, as Loukas, Poiitis & Jegelka (arXiv 2106.04186) scale it."""

from workers.losses.logits import logit_loss
from workers.losses.loss import Loss


def half_binary_cross_entropy(num_classes: int | None) -> Loss:
    """Half the cross-entropy in nats of the sigmoid of a single output; for two classes."""
    return logit_loss("half_binary_cross_entropy", num_classes, divisor=2)
