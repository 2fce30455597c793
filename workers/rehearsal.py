"""Rehearsal: whether the components of a spec go together, found out before anything starts.

A spec checks each component by itself; that a model takes the data set's inputs, a loss its targets and a fit the
network is known only when they meet. They meet here with two examples and, on torch's meta device, without memory and
without arithmetic, so that rehearsing a network of any size takes milliseconds.
"""

import dataclasses
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from workers.building import assemble
from workers.checkpoint import TrainingState
from workers.cost import Cost, estimated_cost
from workers.datasets.dataset import Dataset
from workers.datasets.prepared import Prepared
from workers.fits import fits
from workers.fits.member import plan_of
from workers.fits.pack import pack_kind
from workers.gang import Gang
from workers.models.network import Network
from workers.optimizers import optimizers
from workers.problem import Problem
from workers.spec import TrialSpec


@dataclass(frozen=True)
class Rehearsal:
    """What is known of a trial before it starts.

    Trials with one `pack` can train together; one whose `pack` is None trains by itself.
    """

    cost: Cost
    pack: Hashable | None


def rehearse(spec: TrialSpec, source: Prepared, num_processes: int = 1) -> Rehearsal:
    """What the trial should cost, and what it can be packed with; ValueError unless its components go together.

    Nothing is trained and nothing stored. `source` is the spec's data set, which many trials share: to look it up walks
    through all of its files.
    """
    from torch.utils.flop_counter import FlopCounterMode  # here: it loads Triton

    problem = assemble(spec, _beginning(source), "meta", Gang(rank=0, size=num_processes))
    with FlopCounterMode(display=False) as counter:
        _forward(spec, problem, source.dataset)
    flops_per_example = counter.get_total_flops() / len(problem.train)
    state_bytes = _state_bytes(spec, problem.network.module)
    # torch's fused optimisers refuse parameters without memory.
    placeholder = [nn.Parameter(torch.zeros(1, 1))]
    problem = dataclasses.replace(problem, make_optimizer=partial(optimizers.call, spec.optimizer, placeholder))
    try:
        fits.call(spec.fit, problem, _Rehearsal())
    except _Begins:
        num_train = len(source.dataset.x_train)
        cost = estimated_cost(spec.fit, num_train, flops_per_example, state_bytes)
        return Rehearsal(cost, _pack(spec, problem, num_train))
    raise AssertionError(f"fit {spec.fit.name} has not asked for the newest state")


def _pack(spec: TrialSpec, problem: Problem, num_train: int) -> Hashable | None:
    if spec.fit.name != "sgd":
        return None
    kind = pack_kind(problem, plan_of(spec.fit))
    return None if kind is None else (kind, spec.loss, num_train)


def _beginning(source: Prepared, num_examples: int = 2) -> Prepared:
    arrays = {name: getattr(source.dataset, name)[:num_examples] for name in ("x_train", "y_train", "x_test", "y_test")}
    return dataclasses.replace(source, dataset=dataclasses.replace(source.dataset, **arrays))


def _forward(spec: TrialSpec, problem: Problem, dataset: Dataset) -> None:
    inputs = problem.train.inputs
    shape = tuple(inputs.shape[1:])
    try:
        _require_embedding_of_tokens(problem.network, dataset)
        outputs = problem.network.module.eval()(inputs)
    except (RuntimeError, IndexError, TypeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ValueError(
            f"model {spec.model} does not take what data set {spec.dataset.name} gives, "
            f"{str(inputs.dtype).removeprefix('torch.')} of shape {shape}: {reason}"
        ) from None
    if tuple(outputs.shape) != (len(inputs), problem.loss.num_outputs):
        raise ValueError(
            f"model {spec.model} gives outputs of shape {tuple(outputs.shape[1:])} for inputs of shape {shape}; "
            f"loss {spec.loss.name} takes ({problem.loss.num_outputs},)"
        )


def _require_embedding_of_tokens(network: Network, dataset: Dataset) -> None:
    """Without arithmetic a linear layer does not notice that its inputs are integers, nor an embedding their size."""
    if dataset.x_train.dtype.kind != "i":
        return
    embeddings = [module for module in network.module.modules() if isinstance(module, nn.Embedding)]
    if not embeddings:
        raise TypeError("tokens are for a network that embeds them")
    largest = int(max(dataset.x_train.max(), dataset.x_test.max()))
    if largest >= embeddings[0].num_embeddings:
        raise IndexError(f"token {largest} is not below the vocabulary of {embeddings[0].num_embeddings}")


def _state_bytes(spec: TrialSpec, model: nn.Module) -> int:
    """Of the weights and buffers, and of what the optimiser remembers of each weight; without online measures."""
    weight = nn.Parameter(torch.zeros(1, 1))
    weight.grad = torch.ones(1, 1)
    optimizer = optimizers.call(spec.optimizer, [weight])
    optimizer.step()
    remembered = sum(
        value.shape == weight.shape for value in optimizer.state[weight].values() if torch.is_tensor(value)
    )
    trained = sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    return remembered * trained + sum(t.numel() * t.element_size() for t in model.state_dict().values())


class _Begins(Exception):
    """The fit has nothing left to check."""


class _Rehearsal:
    """The session of a rehearsal: it ends where a training would begin."""

    def newest_state(self, model: nn.Module, dataset_sha256: str) -> TrainingState | None:
        raise _Begins

    def checkpoint_steps(self, total_steps: int, steps_per_epoch: int) -> frozenset[int]:
        return frozenset({total_steps})

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        raise AssertionError("a fit has logged before it asked for the newest state")

    def save(self, state: TrainingState) -> None:
        raise AssertionError("a fit has saved before it asked for the newest state")
