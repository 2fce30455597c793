"""Norm of the minibatch gradient."""

import torch

from workers.losses.loss import Loss
from workers.models.network import Network
from workers.online.online import Online, Step
from workers.online.series import Series


def gradient_norm(network: Network, _loss: Loss) -> Online:
    """Euclidean norm of the minibatch gradient with respect to all trainable parameters.

    `mean` and `largest` are over the steps of the epoch: NaN if it had none, infinite or NaN where a gradient was. It
    is the gradient the step used: of the loss, without what the optimiser adds as weight decay.
    """
    return _GradientNorm(network)


class _GradientNorm:
    def __init__(self, network: Network) -> None:
        self.parameters = [parameter for parameter in network.module.parameters() if parameter.requires_grad]
        if not self.parameters:
            raise ValueError("the network has no trainable parameter: gradient_norm takes another model")
        self.series = Series(self.parameters[0].device)
        self.state = self.series.state

    def update(self, step: Step) -> None:
        # In float64 throughout: on a CPU a float32 norm of ten million weights was off by 3e-5 of its value.
        norms = [
            torch.linalg.vector_norm(parameter.grad, dtype=torch.float64)
            for parameter in self.parameters
            if parameter.grad is not None
        ]
        self.series.add(torch.linalg.vector_norm(torch.stack(norms)))

    def summarise(self) -> dict[str, float]:
        numbers = self.series.summarise()
        return {name: numbers[name] for name in ("mean", "largest")}
