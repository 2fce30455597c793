"""Binary cross-entropy of one logit, as the two spirals of Maddox, Benton & Wilson (arXiv 2003.02139) are fitted."""

from workers.losses.logits import logit_loss
from workers.losses.loss import Loss


def binary_cross_entropy(num_classes: int | None) -> Loss:
    """Cross-entropy in nats of the sigmoid of a single output; for two classes."""
    return logit_loss("binary_cross_entropy", num_classes, divisor=1)
