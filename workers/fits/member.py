"""One training: what it moves, what it remembers, and what it tells its session; not how a step is computed.

Evaluating and checkpointing never touch the trajectory. In a gang, what the processes decide on is summed over them
first, so that all decide alike.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from measures.registry import Component
from workers.checkpoint import TrainingState
from workers.evaluation import Evaluation, evaluate
from workers.fits.optimizer_state import optimizer_state, restore_optimizer
from workers.fits.outcome import Outcome
from workers.fits.precision import Precision
from workers.fits.threshold import StopAt, reached_now, stops_at
from workers.online import online
from workers.online.online import Online
from workers.problem import Problem
from workers.schedules.position import Position
from workers.seeding import stream
from workers.session import Session


@dataclass(frozen=True)
class Plan:
    """Settings of the fit `sgd`; see there."""

    epochs: int
    batch_size: int
    precision: Precision
    stop_at: StopAt
    online: tuple[Component, ...]


def plan_of(fit: Component) -> Plan:
    """Of a resolved `sgd`, which has all its settings."""
    return Plan(**dict(fit.settings))


def evaluation_epochs(num_epochs: int, per_decade: int = 12) -> frozenset[int]:
    """Numbers of finished epochs after which to evaluate: 0 to 10, then log-spaced, and the last."""
    count = math.ceil(per_decade * math.log10(num_epochs)) if num_epochs > 1 else 0
    spaced = {round(10 ** (i / per_decade)) for i in range(count)}
    return frozenset(epoch for epoch in {*range(11), *spaced} if epoch < num_epochs) | {num_epochs}


class Member:
    """Weights, optimiser, step, and the running sums of the current epoch of one training, alone or in a pack."""

    def __init__(self, problem: Problem, session: Session, plan: Plan) -> None:
        self.problem, self.session, self.plan, self.gang = problem, session, plan, problem.gang
        self.device = problem.train.targets.device
        self.steps_per_epoch = math.ceil(len(problem.train) / plan.batch_size)
        self.total_steps = plan.epochs * self.steps_per_epoch
        self.model = problem.network.module.train()
        self.optimizer = problem.make_optimizer()
        self.base_rates = [group["lr"] for group in self.optimizer.param_groups]
        self.online = self._online()
        self.running_loss = torch.zeros((), dtype=torch.float64, device=self.device)
        self.running_wrong = torch.zeros((), dtype=torch.int64, device=self.device)
        self.step = 0
        self.thresholds: dict[str, int] = {}
        self.diverged = False

    def _online(self) -> dict[str, Online]:
        if self.plan.online and self.gang.size > 1:
            names = ", ".join(each.name for each in self.plan.online)
            raise ValueError(f"online={names} is not valid in a gang: train these trials with one process")
        return {each.name: online.call(each, self.problem.network, self.problem.loss) for each in self.plan.online}

    def begin(self) -> None:
        """Take up the newest checkpoint; without one, report and keep the initial network."""
        self.checkpoint_at = self.session.checkpoint_steps(self.total_steps, self.steps_per_epoch)
        self.evaluate_after = evaluation_epochs(self.plan.epochs)
        state = self.session.newest_state(self.model, self.problem.dataset_sha256)
        if state is not None:
            self.restore(state)
        else:
            self.report(self.evaluation("train"), self._corruption())
            self.session.save(self.state())

    @property
    def is_over(self) -> bool:
        """Whether no further step is to be taken."""
        return self.diverged or self.step >= self.total_steps or stops_at(self.plan.stop_at, self.thresholds)

    @property
    def outcome(self) -> Outcome:
        return Outcome(self.step, self.diverged, self.thresholds, self.steps_per_epoch)

    @property
    def rate_factor(self) -> float:
        """Of the learning rate of the step about to be taken."""
        return self.problem.learning_rate_factor(Position(self.step, self.steps_per_epoch, self.plan.epochs))

    def order(self, epoch: int) -> Tensor:
        """The examples in the order in which the epoch sees them."""
        return torch.randperm(len(self.problem.train), generator=stream(self.problem.order_seed, "order", epoch))

    def ended_step(self) -> None:
        """Count a step that was taken; report and keep what is due."""
        self.step += 1
        reached = False
        if self.step % self.steps_per_epoch == 0:
            finite, reached = self.end_epoch(self.step // self.steps_per_epoch in self.evaluate_after)
            self.diverged = not finite
        if not self.diverged and (reached or self.step in self.checkpoint_at):
            self.session.save(self.state())

    def end_epoch(self, evaluation_due: bool) -> tuple[bool, bool]:
        """Report what is due; whether the loss is still finite, and whether a threshold has just been reached."""
        num_examples = len(self.problem.train)
        loss = self.gang.total(self.running_loss).item() / num_examples
        error = self.gang.total(self.running_wrong).item() / num_examples
        self.running_loss.zero_()
        self.running_wrong.zero_()
        finite = math.isfinite(loss)
        evaluated: list[Evaluation] = []

        def train() -> Evaluation:
            if not evaluated:
                evaluated.append(self.evaluation("train"))
            return evaluated[0]

        classifies = self.problem.loss.predict is not None
        reached = finite and classifies and reached_now(self.thresholds, self.step, loss, error, lambda: train().error)
        metrics = self._summaries()
        if evaluation_due or not finite or stops_at(self.plan.stop_at, self.thresholds):
            running = {"train/running_loss": loss, **({"train/running_error": error} if classifies else {})}
            self.report(train(), {**running, **metrics})
        elif metrics:
            self.session.log(self.step, metrics)
        # No further epoch would show what the last steps have done to the weights.
        return finite and (self.step < self.total_steps or math.isfinite(train().loss)), reached

    def _summaries(self) -> dict[str, float]:
        summaries = {name: each.summarise() for name, each in self.online.items()}
        return {f"{name}/{key}": value for name, each in summaries.items() for key, value in each.items()}

    def report(self, train: Evaluation, further: dict[str, float]) -> None:
        """Log the evaluation of both splits."""
        parts = {"train": train, "test": self.evaluation("test")}
        evaluated = {f"{part}/{name}": value for part, each in parts.items() for name, value in each.metrics.items()}
        self.session.log(self.step, {**evaluated, **further})

    def evaluation(self, part: Literal["train", "test"]) -> Evaluation:
        """Evaluation of the network as it is now on one of the splits."""
        split = self.problem.train if part == "train" else self.problem.test
        return evaluate(self.model, split, self.problem.loss, self.problem.clean_targets.get(part), self.gang)

    def _corruption(self) -> dict[str, float]:
        """Fraction of labels that the corruption really changed."""
        splits = {"train": self.problem.train, "test": self.problem.test}
        return {
            f"{part}/changed_fraction": float((splits[part].targets != clean).double().mean())
            for part, clean in self.problem.clean_targets.items()
        }

    def state(self) -> TrainingState:
        """All that is needed to go on from here, whatever the number of processes then."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        slots, scalars = optimizer_state(self.optimizer)
        tensors |= {f"optimizer.{name}": tensor for name, tensor in slots.items()}
        tensors |= {"running.loss": self.gang.total(self.running_loss)}
        tensors |= {"running.wrong": self.gang.total(self.running_wrong)}
        for name, each in self.online.items():
            tensors |= {f"online.{name}.{key}": value for key, value in each.state.items()}
        record: dict[str, Any] = {"thresholds": self.thresholds, "optimizer": scalars}
        return TrainingState(self.step, tensors, record, self.problem.dataset_sha256)

    def restore(self, state: TrainingState) -> None:
        """Go on from a stored state."""
        self.model.load_state_dict(state.part("model"))
        restore_optimizer(self.optimizer, state.part("optimizer"), state.record["optimizer"])
        if self.gang.leads:  # the sums are the whole gang's
            self.running_loss.copy_(state.tensors["running.loss"])
            self.running_wrong.copy_(state.tensors["running.wrong"])
        for name, each in self.online.items():
            for key, value in state.part(f"online.{name}").items():
                each.state[key].copy_(value)
        self.thresholds = dict(state.record["thresholds"])
        self.step = state.step
