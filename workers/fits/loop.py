"""The training loop, and nothing else.

The order of the batches is a function of (order_seed, epoch), and whatever else is drawn of (order_seed, step), so a
run that is cut at any step and resumed from any checkpoint repeats exactly what the uninterrupted run does. In a gang
every process takes its share of each batch.
"""

import torch
from torch import Tensor, nn

from workers.batch_norm import synchronized
from workers.fits.member import Member, Plan
from workers.fits.outcome import Outcome
from workers.fits.precision import autocast, matrix_products
from workers.online.online import Step
from workers.problem import Problem
from workers.seeding import named_seed, stream
from workers.session import Session


class Loop:
    """Takes the steps of one training."""

    def __init__(self, problem: Problem, session: Session, plan: Plan) -> None:
        self.member, self.problem, self.plan, self.gang = Member(problem, session, plan), problem, plan, problem.gang
        self.forward: nn.Module = self.member.model

    def run(self) -> Outcome:
        """Train to the end, from the newest checkpoint if there is one."""
        with torch.random.fork_rng(devices=[]):
            self.member.begin()
            self.forward = self._forward()
            while not self.member.is_over:
                epoch, first = divmod(self.member.step, self.member.steps_per_epoch)
                for batch in self._batches(epoch)[first:]:
                    self.train_step(batch)
                    self.member.ended_step()
        return self.member.outcome

    def _forward(self) -> nn.Module:
        if self.gang.size == 1:
            return self.member.model
        # The buffers need no copying at every step: the batch norms already agree.
        return nn.parallel.DistributedDataParallel(synchronized(self.member.model), forward_sync_buffers=False)

    def _batches(self, epoch: int) -> tuple[Tensor, ...]:
        return self.member.order(epoch).to(self.member.device).split(self.plan.batch_size)

    def train_step(self, batch: Tensor) -> None:
        """Move the weights by one batch."""
        member, factor = self.member, self.member.rate_factor
        for group, base_rate in zip(member.optimizer.param_groups, member.base_rates, strict=True):
            group["lr"] = base_rate * factor
        self._seed_forward()
        inputs = self.gang.share(self._inputs(batch))
        targets = self.gang.share(self.problem.train.targets[batch])
        with matrix_products(self.plan.precision):
            outputs, loss = self._gradients(inputs, targets, len(batch))
        member.optimizer.step()
        self._count(loss, outputs, targets)
        for each in member.online.values():
            each.update(Step(member.optimizer.param_groups[0]["lr"], outputs, targets))

    def _gradients(self, inputs: Tensor, targets: Tensor, batch_size: int) -> tuple[Tensor, Tensor]:
        """Forward and backward pass; outputs and mean loss of this process's share of the batch."""
        with autocast(self.plan.precision, self.member.device):
            outputs = self.forward(inputs)
        if self.plan.precision == "bfloat16":
            outputs = outputs.float()
        # A process whose share of a last, short batch is empty still takes part in every collective.
        loss = self.problem.loss.mean(outputs, targets) if len(targets) else outputs.sum()
        self.member.optimizer.zero_grad()
        # The gang averages the gradients over its processes; the batch's is their average over examples.
        (loss * (len(targets) * self.gang.size / batch_size) if self.gang.size > 1 else loss).backward()
        return outputs.detach(), loss.detach()

    def _seed_forward(self) -> None:
        """Dropout draws from the global generators: make them a function of the step, and of the process in a gang."""
        seed = named_seed(self.problem.order_seed, "forward", self.member.step, self.gang.rank)
        torch.default_generator.manual_seed(seed)
        if self.member.device.type == "cuda":
            torch.cuda.manual_seed(seed)

    def _inputs(self, batch: Tensor) -> Tensor:
        """Inputs of a training batch, augmented as a function of (order_seed, epoch, place in the epoch)."""
        inputs = self.problem.train.inputs[batch]
        if self.problem.augment is None:
            return inputs
        position = divmod(self.member.step, self.member.steps_per_epoch)
        return self.problem.augment(inputs, stream(self.problem.order_seed, "augmentation", *position))

    def _count(self, loss: Tensor, outputs: Tensor, targets: Tensor) -> None:
        # Sums stay tensors: reading one would make every step wait for the device.
        with torch.no_grad():
            self.member.running_loss += loss * len(targets)
            if self.problem.loss.predict is not None:
                self.member.running_wrong += (self.problem.loss.predict(outputs) != targets).sum()
