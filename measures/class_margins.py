"""How clearly a network prefers the class an example is labelled with."""

import torch
from torch import Tensor


def class_margins(outputs: Tensor, targets: Tensor) -> Tensor:
    """Output of the label's class minus the largest other one (n,); of a single output, the logit or its negative.

    A margin that is not positive is an error. ValueError where the targets are no classes of these outputs.
    """
    if targets.is_floating_point():
        raise ValueError(f"targets are {targets.dtype}; margins and errors need classes, as integers")
    num_outputs = outputs.flatten(start_dim=1).shape[1] if outputs.ndim > 1 else 1
    outputs = outputs.reshape(len(targets), num_outputs)
    num_classes = max(num_outputs, 2)
    if not bool(((targets >= 0) & (targets < num_classes)).all()):
        found = f"{int(targets.min())} to {int(targets.max())}"
        raise ValueError(f"targets from {found} are not valid for {num_outputs} outputs: 0 to {num_classes - 1}")
    if num_outputs == 1:
        return outputs[:, 0] * (2 * targets - 1)
    own = outputs.gather(1, targets[:, None].long())[:, 0]
    others = outputs.scatter(1, targets[:, None].long(), -torch.inf)
    return own - others.amax(dim=1)
