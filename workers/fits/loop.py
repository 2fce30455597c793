"""The training loop, and nothing else.

The order of the batches is a function of (order_seed, epoch), and whatever else is drawn of (order_seed, step), so a
run that is cut at any step and resumed from any checkpoint repeats exactly what the uninterrupted run does. Evaluating
and checkpointing never touch the trajectory. In a gang every process takes its share of each batch; what the processes
decide on is summed over them first, so that all decide alike.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from measures.registry import Component
from workers.batch_norm import synchronized
from workers.checkpoint import TrainingState
from workers.evaluation import Evaluation, evaluate
from workers.fits.optimizer_state import optimizer_state, restore_optimizer
from workers.fits.outcome import Outcome
from workers.fits.precision import Precision, autocast, matrix_products
from workers.fits.threshold import reached_now
from workers.online import online
from workers.online.online import Online, Step
from workers.problem import Problem
from workers.schedules.position import Position
from workers.seeding import named_seed, stream
from workers.session import Session


@dataclass(frozen=True)
class Plan:
    """Settings of the fit `sgd`; see there."""

    epochs: int
    batch_size: int
    precision: Precision
    stop_at: Literal["end", "exact", "running"]
    online: tuple[Component, ...]


def evaluation_epochs(num_epochs: int, per_decade: int = 12) -> frozenset[int]:
    """Numbers of finished epochs after which to evaluate: 0 to 10, then log-spaced, and the last."""
    count = math.ceil(per_decade * math.log10(num_epochs)) if num_epochs > 1 else 0
    spaced = {round(10 ** (i / per_decade)) for i in range(count)}
    return frozenset(epoch for epoch in {*range(11), *spaced} if epoch < num_epochs) | {num_epochs}


class Loop:
    """The moving parts of one training: weights, optimiser, step, and the running sums of the current epoch."""

    def __init__(self, problem: Problem, session: Session, plan: Plan) -> None:
        self.problem, self.session, self.plan, self.gang = problem, session, plan, problem.gang
        self.device = problem.train.targets.device
        self.steps_per_epoch = math.ceil(len(problem.train) / plan.batch_size)
        self.total_steps = plan.epochs * self.steps_per_epoch
        self.model = problem.network.module.train()
        self.forward: nn.Module = self.model
        self.optimizer = problem.make_optimizer()
        self.base_rates = [group["lr"] for group in self.optimizer.param_groups]
        self.online = self._online()
        self.running_loss = torch.zeros((), dtype=torch.float64, device=self.device)
        self.running_wrong = torch.zeros((), dtype=torch.int64, device=self.device)
        self.step = 0
        self.thresholds: dict[str, int] = {}

    def _forward(self) -> nn.Module:
        if self.gang.size == 1:
            return self.model
        # The buffers need no copying at every step: the batch norms already agree.
        return nn.parallel.DistributedDataParallel(synchronized(self.model), forward_sync_buffers=False)

    def _online(self) -> dict[str, Online]:
        if self.plan.online and self.gang.size > 1:
            names = ", ".join(each.name for each in self.plan.online)
            raise ValueError(f"online={names} is not valid in a gang: train these trials with one process")
        return {each.name: online.call(each, self.problem.network, self.problem.loss) for each in self.plan.online}

    def run(self) -> Outcome:
        """Train to the end, from the newest checkpoint if there is one."""
        with torch.random.fork_rng(devices=[]):
            return self._run()

    def _run(self) -> Outcome:
        checkpoint_at = self.session.checkpoint_steps(self.total_steps, self.steps_per_epoch)
        evaluate_after = evaluation_epochs(self.plan.epochs)
        state = self.session.newest_state(self.model, self.problem.dataset_sha256)
        if state is not None:
            self.restore(state)
        else:
            self.report(self.evaluation("train"), self._corruption())
            self._save()
        self.forward = self._forward()
        while self.step < self.total_steps and self.plan.stop_at not in self.thresholds:
            epoch, first = divmod(self.step, self.steps_per_epoch)
            for batch in self._batches(epoch)[first:]:
                self.train_step(batch)
                reached = False
                if self.step % self.steps_per_epoch == 0:
                    finite, reached = self.end_epoch(epoch + 1 in evaluate_after)
                    if not finite:
                        return self.outcome(diverged=True)
                if reached or self.step in checkpoint_at:
                    self._save()
        return self.outcome()

    def outcome(self, diverged: bool = False) -> Outcome:
        return Outcome(self.step, diverged, self.thresholds, self.steps_per_epoch)

    def _batches(self, epoch: int) -> tuple[Tensor, ...]:
        order = torch.randperm(len(self.problem.train), generator=stream(self.problem.order_seed, "order", epoch))
        return order.to(self.device).split(self.plan.batch_size)

    def train_step(self, batch: Tensor) -> None:
        factor = self.problem.learning_rate_factor(Position(self.step, self.steps_per_epoch, self.plan.epochs))
        for group, base_rate in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = base_rate * factor
        self._seed_forward()
        inputs = self.gang.share(self._inputs(batch))
        targets = self.gang.share(self.problem.train.targets[batch])
        with matrix_products(self.plan.precision):
            outputs, loss = self._gradients(inputs, targets, len(batch))
        self.optimizer.step()
        self._count(loss, outputs, targets)
        for each in self.online.values():
            each.update(Step(self.optimizer.param_groups[0]["lr"], outputs, targets))
        self.step += 1

    def _gradients(self, inputs: Tensor, targets: Tensor, batch_size: int) -> tuple[Tensor, Tensor]:
        """Forward and backward pass; outputs and mean loss of this process's share of the batch."""
        with autocast(self.plan.precision, self.device):
            outputs = self.forward(inputs)
        if self.plan.precision == "bfloat16":
            outputs = outputs.float()
        # A process whose share of a last, short batch is empty still takes part in every collective.
        loss = self.problem.loss.mean(outputs, targets) if len(targets) else outputs.sum()
        self.optimizer.zero_grad()
        # The gang averages the gradients over its processes; the batch's is their average over examples.
        (loss * (len(targets) * self.gang.size / batch_size) if self.gang.size > 1 else loss).backward()
        return outputs.detach(), loss.detach()

    def _seed_forward(self) -> None:
        """Dropout draws from the global generators: make them a function of the step, and of the process in a gang."""
        seed = named_seed(self.problem.order_seed, "forward", self.step, self.gang.rank)
        torch.default_generator.manual_seed(seed)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(seed)

    def _inputs(self, batch: Tensor) -> Tensor:
        """Inputs of a training batch, augmented as a function of (order_seed, epoch, place in the epoch)."""
        inputs = self.problem.train.inputs[batch]
        if self.problem.augment is None:
            return inputs
        position = divmod(self.step, self.steps_per_epoch)
        return self.problem.augment(inputs, stream(self.problem.order_seed, "augmentation", *position))

    def _count(self, loss: Tensor, outputs: Tensor, targets: Tensor) -> None:
        # Sums stay tensors: reading one would make every step wait for the device.
        with torch.no_grad():
            self.running_loss += loss * len(targets)
            if self.problem.loss.predict is not None:
                self.running_wrong += (self.problem.loss.predict(outputs) != targets).sum()

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
        if evaluation_due or not finite or self.plan.stop_at in self.thresholds:
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

    def _save(self) -> None:
        self.session.save(self.state())

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
