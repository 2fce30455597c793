"""Linear least squares in closed form: a fit of a single step.

The solution is computed in float64 and then rounded to the network's precision. Near the interpolation threshold, where
the weights are huge, that rounding alone is seen in the residuals; so the relative errors, and whether the training set
is fitted, are those of the solution, while the losses are those of the network that is stored.
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from measures.inputs import Split
from workers.checkpoint import TrainingState
from workers.evaluation import evaluate
from workers.fits.outcome import Outcome
from workers.problem import Problem
from workers.session import Session

# The training set is fitted when no residual is larger than this times the root mean square of the targets.
FITTED = 1e-6


def least_squares(problem: Problem, session: Session, *, ridge: Annotated[float, Field(ge=0)] = 0.0) -> Outcome:
    """The least-squares solution of one linear layer, of minimum norm, or with a ridge penalty.

    Minimises the sum of squared residuals plus `ridge` times the squared norm of the weights. Step 0 is the initial
    network, step 1 the solution; relative errors are norms of the residuals over norms of the targets. ValueError if
    the network is not a linear layer without bias with one output, or the targets are classes.
    """
    layer = _linear_layer(problem)
    state = session.newest_state(problem.network.module, problem.dataset_sha256)
    if state is not None:
        problem.network.module.load_state_dict(state.part("model"))
        if state.step == 1:
            return Outcome(1, thresholds=state.record["thresholds"])
    else:
        _record(problem, session, 0, layer.weight.detach()[0].double().cpu(), {})
    inputs, targets = _matrix(problem.train)
    solution = _solution(inputs, targets, ridge)
    fitted = (inputs @ solution - targets).abs().max() <= FITTED * targets.square().mean().sqrt()
    thresholds = {"exact": 1} if fitted else {}
    with torch.no_grad():
        layer.weight.copy_(solution[None, :])
    _record(problem, session, 1, solution, thresholds)
    return Outcome(1, thresholds=thresholds)


def _linear_layer(problem: Problem) -> nn.Linear:
    """The one layer of the network, which may flatten its inputs first; ValueError if that is not all it is."""
    module = problem.network.module
    leaves = [each for each in module.modules() if not list(each.children())]
    layers = [leaf for leaf in leaves if not isinstance(leaf, nn.Flatten | nn.Identity)]
    layer = layers[0] if len(layers) == 1 else None
    # One tensor in all: neither a bias, nor a parameter or buffer outside of the layer.
    if not isinstance(layer, nn.Linear) or layer.out_features != 1 or len(module.state_dict()) != 1:
        raise ValueError(
            f"fit least_squares is not valid for a network of {', '.join(map(str, layers)) or 'no layers'}: "
            "it takes one linear layer without bias with one output"
        )
    if not problem.train.targets.is_floating_point():
        kind = problem.train.targets.dtype
        raise ValueError(f"fit least_squares is not valid for targets of type {kind}: it is for numbers, not classes")
    return layer


def _matrix(split: Split) -> tuple[Tensor, Tensor]:
    """Inputs (n, features) and targets (n,) in float64 on the CPU, which alone has the solver for any rank."""
    return split.inputs.flatten(1).double().cpu(), split.targets.double().cpu()


def _solution(inputs: Tensor, targets: Tensor, ridge: float) -> Tensor:
    """(X^T X + ridge I)^-1 X^T y; the limit of a vanishing ridge where it is 0."""
    if ridge == 0:
        return torch.linalg.lstsq(inputs, targets[:, None], driver="gelsd").solution[:, 0]
    # Of two equal expressions, the one with the smaller matrix to invert.
    if inputs.shape[0] < inputs.shape[1]:
        return inputs.T @ _solve(inputs @ inputs.T, ridge, targets)
    return _solve(inputs.T @ inputs, ridge, inputs.T @ targets)


def _solve(gram: Tensor, ridge: float, right: Tensor) -> Tensor:
    return torch.linalg.solve(gram + ridge * torch.eye(len(gram), dtype=gram.dtype), right)


def _record(problem: Problem, session: Session, step: int, weights: Tensor, thresholds: dict[str, int]) -> None:
    metrics: dict[str, float] = {}
    for part, split in (("train", problem.train), ("test", problem.test)):
        inputs, targets = _matrix(split)
        metrics[f"{part}/loss"] = evaluate(problem.network.module, split, problem.loss).loss
        metrics[f"{part}/relative_error"] = ((inputs @ weights - targets).norm() / targets.norm()).item()
    session.log(step, metrics)
    tensors = {f"model.{name}": tensor for name, tensor in problem.network.module.state_dict().items()}
    session.save(TrainingState(step, tensors, {"thresholds": thresholds}, problem.dataset_sha256))
