"""Minibatch training for a number of epochs: the loop, and nothing else.

The order of the batches is a function of (order_seed, epoch), so a run that is cut at any step and resumed from any
checkpoint repeats exactly what the uninterrupted run does. Evaluating and checkpointing never touch the trajectory.
"""

import math
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from workers.checkpoint import TrainingState
from workers.evaluation import Evaluation, evaluate
from workers.fits.outcome import Outcome
from workers.problem import Problem
from workers.schedules.position import Position
from workers.seeding import named_seed, stream
from workers.session import Session

# The training set is evaluated exactly at the end of an epoch whose running error, which lags behind, is at most this.
NEARLY_FITTED = 0.05


def sgd(
    problem: Problem,
    session: Session,
    *,
    epochs: Annotated[int, Field(ge=1)] = 10,
    batch_size: Annotated[int, Field(ge=1)] = 128,
) -> Outcome:
    """Minibatch gradient descent with the trial's optimiser and schedule; every epoch sees every example once."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(named_seed(problem.order_seed, "forward"))
        loop = _Loop(problem, session, epochs, batch_size)
        return loop.run()


def evaluation_epochs(num_epochs: int, per_decade: int = 12) -> frozenset[int]:
    """Numbers of finished epochs after which to evaluate: 0 to 10, then log-spaced, and the last."""
    count = math.ceil(per_decade * math.log10(num_epochs)) if num_epochs > 1 else 0
    spaced = {round(10 ** (i / per_decade)) for i in range(count)}
    return frozenset(epoch for epoch in {*range(11), *spaced} if epoch < num_epochs) | {num_epochs}


class _Loop:
    """The moving parts of one training: weights, optimiser, step, and the running sums of the current epoch."""

    def __init__(self, problem: Problem, session: Session, epochs: int, batch_size: int) -> None:
        self.problem, self.session = problem, session
        self.epochs, self.batch_size = epochs, batch_size
        self.steps_per_epoch = math.ceil(len(problem.train) / batch_size)
        self.total_steps = epochs * self.steps_per_epoch
        self.model = problem.network.module.train()
        self.optimizer = problem.make_optimizer()
        self.base_rates = [group["lr"] for group in self.optimizer.param_groups]
        device = problem.train.targets.device
        self.running_loss = torch.zeros((), dtype=torch.float64, device=device)
        self.running_wrong = torch.zeros((), dtype=torch.int64, device=device)
        self.step = 0
        self.interpolation_step: int | None = None

    def run(self) -> Outcome:
        checkpoint_at = self.session.checkpoint_steps(self.total_steps)
        evaluate_after = evaluation_epochs(self.epochs)
        state = self.session.newest_state()
        if state is not None:
            self.restore(state)
        else:
            self.report(self.evaluation("train"), {})
            self.session.save(self.state())
        while self.step < self.total_steps:
            epoch, first = divmod(self.step, self.steps_per_epoch)
            order = torch.randperm(
                len(self.problem.train), generator=stream(self.problem.order_seed, "order", epoch)
            ).to(self.running_loss.device)
            for batch in order.split(self.batch_size)[first:]:
                self.set_learning_rate()
                self.train_step(batch)
                if self.step % self.steps_per_epoch == 0 and not self.end_epoch(epoch + 1 in evaluate_after):
                    return Outcome(self.step, diverged=True)
                if self.step in checkpoint_at:
                    self.session.save(self.state())
        return self.outcome()

    def outcome(self) -> Outcome:
        if self.interpolation_step is None:
            return Outcome(self.step)
        return Outcome(
            self.step,
            interpolation_step=self.interpolation_step,
            interpolation_epoch=self.interpolation_step // self.steps_per_epoch,
        )

    def set_learning_rate(self) -> None:
        factor = self.problem.learning_rate_factor(Position(self.step, self.steps_per_epoch, self.epochs))
        for group, base_rate in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = base_rate * factor

    def train_step(self, batch: Tensor) -> None:
        targets = self.problem.train.targets[batch]
        outputs = self.model(self.inputs(batch))
        loss = self.problem.loss.mean(outputs, targets)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        # Sums stay tensors: reading one would make every step wait for the device.
        with torch.no_grad():
            self.running_loss += loss.detach() * len(targets)
            self.running_wrong += (outputs.argmax(dim=1) != targets).sum()
        self.step += 1

    def inputs(self, batch: Tensor) -> Tensor:
        """Inputs of a training batch, augmented as a function of (order_seed, epoch, place in the epoch)."""
        inputs = self.problem.train.inputs[batch]
        if self.problem.augment is None:
            return inputs
        position = divmod(self.step, self.steps_per_epoch)
        return self.problem.augment(inputs, stream(self.problem.order_seed, "augmentation", *position))

    def end_epoch(self, evaluation_due: bool) -> bool:
        """Report where due, note the interpolation threshold; False if the loss is no longer finite."""
        num_examples = len(self.problem.train)
        running_loss, running_error = self.running_loss.item() / num_examples, self.running_wrong.item() / num_examples
        self.running_loss.zero_()
        self.running_wrong.zero_()
        finite = math.isfinite(running_loss)
        check_threshold = self.interpolation_step is None and running_error <= NEARLY_FITTED
        if evaluation_due or check_threshold or not finite:
            train = self.evaluation("train")
            if self.interpolation_step is None and finite and train.error == 0:
                self.interpolation_step = self.step
            if evaluation_due or not finite:
                self.report(train, {"train/running_loss": running_loss, "train/running_error": running_error})
        return finite

    def report(self, train: Evaluation, running: dict[str, float]) -> None:
        parts = {"train": train, "test": self.evaluation("test")}
        evaluated = {f"{part}/{name}": value for part, each in parts.items() for name, value in each.metrics.items()}
        self.session.log(self.step, {**evaluated, **running})

    def evaluation(self, part: Literal["train", "test"]) -> Evaluation:
        split = self.problem.train if part == "train" else self.problem.test
        return evaluate(self.model, split, self.problem.loss, self.problem.clean_targets.get(part))

    def state(self) -> TrainingState:
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        record: dict[str, Any] = {"interpolation_step": self.interpolation_step, "optimizer": {}}
        for index, slots in self.optimizer.state_dict()["state"].items():
            for name, value in slots.items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer.{index}.{name}"] = value
                elif value is not None:
                    record["optimizer"][f"{index}.{name}"] = value
        tensors |= {"running.loss": self.running_loss, "running.wrong": self.running_wrong}
        tensors["random.torch"] = torch.get_rng_state()
        return TrainingState(self.step, tensors, record)

    def restore(self, state: TrainingState) -> None:
        self.model.load_state_dict(state.part("model"))
        slots: dict[int, dict[str, Any]] = {}
        for name, value in {**state.part("optimizer"), **state.record["optimizer"]}.items():
            index, slot = name.split(".", 1)
            slots.setdefault(int(index), {})[slot] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": slots, "param_groups": groups})
        self.running_loss.copy_(state.tensors["running.loss"])
        self.running_wrong.copy_(state.tensors["running.wrong"])
        self.interpolation_step = state.record["interpolation_step"]
        torch.set_rng_state(state.tensors["random.torch"])
        self.step = state.step
