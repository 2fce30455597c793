"""A pack: trainings whose specs differ only in numbers, as one program.

Each has its own data, order, learning rate, checkpoints and end, and leaves the pack when it is over or fails; its
numbers are the same whatever it was packed with, also with nothing. Members that resume from different steps first
train apart, those that are behind catching up.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from measures.inputs import Split
from measures.registry import Component
from workers.fits.dense_pack import DensePack, Layer, chain, padded, row_length
from workers.fits.member import Member, Plan
from workers.fits.outcome import Outcome
from workers.fits.pack_optimizer import PackOptimizer, optimizer_kind
from workers.fits.precision import Precision, matrix_products
from workers.online.of_bias import OfBias, stacked
from workers.online.online import Step
from workers.problem import Problem

Ended = Callable[[int, Outcome | Exception], None]  # hears of a member, by its number, as it leaves


@dataclass(frozen=True)
class PackKind:
    """What the trainings of a pack have in common beside their loss and their number of examples."""

    layers: tuple[Layer, ...]
    optimizer: tuple[Any, ...]
    num_features: int
    num_outputs: int
    batch_size: int
    online: tuple[Component, ...]
    precision: Precision

    @property
    def bytes_per_member(self) -> int:
        """Of weights, gradients, what the optimiser remembers, and a batch on its way through all layers and back."""
        slots = 2 if self.optimizer[0].startswith("Adam") else 1
        widths = [layer.weight[0] or layer.bias for layer in self.layers]
        return 4 * (
            (2 + slots) * row_length(self.layers) + self.batch_size * (padded(self.num_features) + 2 * sum(widths))
        )


def pack_kind(problem: Problem, plan: Plan) -> PackKind | None:
    """The kind of packs that can hold the training; None if there is none."""
    layers, optimizer = chain(problem.network.module), optimizer_kind(problem.make_optimizer())
    alone = problem.gang.size > 1 or problem.augment is not None or plan.precision == "bfloat16"
    if alone or layers is None or optimizer is None or problem.loss.stacked is None:
        return None
    num_features = problem.train.inputs[0].numel()
    return PackKind(
        layers, optimizer, num_features, problem.loss.num_outputs, plan.batch_size, plan.online, plan.precision
    )


def train_packed(members: Sequence[Member], ended: Ended) -> None:
    """Train all to their ends, from their newest checkpoints; `ended` hears what each came to, or has raised."""
    left = dict(enumerate(members))
    for number, member in enumerate(members):
        _attempt(left, number, member.begin, ended)
    while True:
        for number, member in list(left.items()):
            if member.is_over:
                del left[number]
                ended(number, member.outcome)
        if not left:
            return
        step = min(member.step for member in left.values())
        ahead = [member.step for member in left.values() if member.step > step]
        _train_level(left, {n: m for n, m in left.items() if m.step == step}, min(ahead, default=None), ended)


def train_alone(member: Member) -> Outcome:
    """The same for one, whose exception is the caller's."""
    found: list[Outcome | Exception] = []
    train_packed([member], lambda _number, how: found.append(how))
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


def sharing_inputs(problem: Problem, others: Iterable[Member]) -> Problem:
    """The problem with another member's inputs in place of its own, where they are the same: they are held once."""
    for part in ("train", "test"):
        own: Split = getattr(problem, part)
        for other in others:
            theirs: Split = getattr(other.problem, part)
            if theirs.inputs.shape == own.inputs.shape and torch.equal(theirs.inputs, own.inputs):
                problem = replace(problem, **{part: Split(theirs.inputs, own.targets)})
                break
    return problem


def _attempt(left: dict[int, Member], number: int, action: Callable[[], None], ended: Ended) -> None:
    try:
        action()
    except Exception as error:  # its own: the others go on
        del left[number]
        ended(number, error)


def _train_level(left: dict[int, Member], level: dict[int, Member], until: int | None, ended: Ended) -> None:
    """Members at one step, until one of them leaves, or they have come to the step at which others wait."""
    try:
        stack = Stack(list(level.values()))
    except Exception as error:
        return _end_all(left, level, error, ended)
    while True:
        try:
            stack.step()
        except Exception as error:
            return _end_all(left, level, error, ended)
        for number, member in level.items():
            _attempt(left, number, member.ended_step, ended)
        if any(number not in left or member.is_over or member.step == until for number, member in level.items()):
            return None


def _end_all(left: dict[int, Member], level: Iterable[int], error: Exception, ended: Ended) -> None:
    """What fails for all of them at once, such as memory, is the failure of each."""
    for number in level:
        del left[number]
        ended(number, error)


class Stack:
    """Members at one step, and the tensors that hold all of them."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.members, first = members, members[0]
        layers = chain(first.model)
        assert layers is not None and first.problem.loss.stacked is not None, "asked of a kind that no pack can hold"
        self.networks = DensePack(layers, [member.model for member in members])
        self.optimizer = PackOptimizer([member.optimizer for member in members], self.networks)
        self.loss, self.stacked_loss = first.problem.loss, first.problem.loss.stacked
        self.inputs, self.offsets = _examples(members)
        self.targets = torch.stack([member.problem.train.targets for member in members])
        self.running_loss, self.running_wrong = (
            torch.stack([getattr(member, name) for member in members]) for name in ("running_loss", "running_wrong")
        )
        for index, member in enumerate(members):
            member.running_loss, member.running_wrong = self.running_loss[index], self.running_wrong[index]
        self.online = dict(self._online())
        self.order = torch.empty(0)
        self.epoch = -1

    def _online(self) -> Iterator[tuple[str, OfBias]]:
        """The online measures that are taken of all members in one go."""
        for name in self.members[0].online:
            each = [measure for member in self.members if isinstance(measure := member.online[name], OfBias)]
            if len(each) == len(self.members) and each[0].is_stackable:
                yield name, stacked(each, self.networks.of_all)

    def step(self) -> None:
        """Move the weights of all by one batch."""
        batch = self._batch()
        targets = self.targets.gather(1, batch)
        inputs = self.inputs.index_select(0, (batch + self.offsets).flatten()).unflatten(0, batch.shape)
        with matrix_products(self.members[0].plan.precision):
            values = self.networks.forward(inputs)
            losses, slope = self.stacked_loss(values[-1], targets)
            self.networks.backward(values, slope)
        rates = [member.base_rates[0] * member.rate_factor for member in self.members]
        self.optimizer.step(rates)
        outputs = values[-1][..., : self.loss.num_outputs]
        self.running_loss += losses * batch.shape[1]
        if self.loss.predict is not None:
            wrong = self.loss.predict(outputs.flatten(0, 1)).view_as(targets) != targets
            self.running_wrong += wrong.sum(dim=1)
        if self.online:
            all_rates = torch.tensor(rates, dtype=torch.float64, device=targets.device)
            for each in self.online.values():
                each.update(Step(all_rates, outputs, targets))
        for index, member in enumerate(self.members):
            for name in member.online.keys() - self.online.keys():
                member.online[name].update(Step(rates[index], outputs[index], targets[index]))

    def _batch(self) -> Tensor:
        """Numbers of the examples of the step about to be taken, (members, n)."""
        epoch, number = divmod(self.members[0].step, self.members[0].steps_per_epoch)
        if epoch != self.epoch:
            self.epoch = epoch
            self.order = torch.stack([member.order(epoch) for member in self.members]).to(self.targets.device)
        size = self.members[0].plan.batch_size
        return self.order[:, number * size : (number + 1) * size]


def _examples(members: Sequence[Member]) -> tuple[Tensor, Tensor]:
    """Inputs (examples, padded features), those that members share once; where those of each member begin."""
    distinct: list[Tensor] = []
    places: list[int] = []
    for member in members:
        inputs = member.problem.train.inputs
        place = next((i for i, each in enumerate(distinct) if each is inputs), len(distinct))
        distinct += [inputs] if place == len(distinct) else []
        places.append(place)
    rows = torch.cat([each.flatten(1) for each in distinct])
    offsets = torch.tensor(places, device=rows.device).unsqueeze(1) * len(distinct[0])
    return functional.pad(rows, (0, padded(rows.shape[1]) - rows.shape[1])), offsets
