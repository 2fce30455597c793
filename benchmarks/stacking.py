"""Would networks that no pack holds train faster as one program? Steps one after another, and stacked by `vmap`.

Dense networks are packed by products that are written out (`workers/fits/dense_pack.py`). The general way, for
convolutional networks and transformers, is `torch.func`: the gradient of one network, mapped over stacked parameters
and batches. Both sides take the same steps of SGD with momentum from the same weights, without dropout, and must come
to the same losses. Milliseconds are of one step and network; the ratio says what packs of these networks would gain.

    python benchmarks/stacking.py --device cpu
    python benchmarks/stacking.py --networks lenet --members 4 --repeats 3     # a second's work
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from machine import machine
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap
from torch.nn import functional

from measures.registry import Component
from workers.models import models

LEARNING_RATE, MOMENTUM = 1e-3, 0.9
TOLERANCE = 1e-3  # relative, of the last losses


@dataclass(frozen=True)
class Case:
    """A network and the batches it sees; with a vocabulary its inputs are tokens."""

    model: Component
    input_shape: tuple[int, ...]
    num_outputs: int
    batch_size: int
    vocabulary: int | None = None


CASES: Mapping[str, Case] = {
    # Those of the studies `grokking` (quick and paper), `loss_surfaces` and `corrupted_trajectory`, and a narrow one.
    "transformer_narrow": Case(
        Component("transformer", width=16, depth=1, dropout=0.0, vocabulary=33), (4,), 31, 32, vocabulary=33
    ),
    "transformer_quick": Case(
        Component("transformer", width=64, depth=1, dropout=0.0, vocabulary=49), (4,), 47, 512, vocabulary=49
    ),
    "transformer_paper": Case(Component("transformer", dropout=0.0), (4,), 97, 512, vocabulary=99),
    "lenet": Case(Component("lenet"), (3, 32, 32), 10, 32),
    "binary_cnn": Case(Component("binary_cnn"), (3, 32, 32), 2, 1),
    "convnet_narrow": Case(Component("convnet", width=4), (3, 32, 32), 10, 128),
}
Steps = Callable[[], Tensor]  # takes one step of all networks; their losses before it


def one_after_another(networks: list[nn.Module], inputs: Tensor, targets: Tensor) -> Steps:
    """The usual loop's step, of each network in turn."""
    optimizers = [torch.optim.SGD(each.parameters(), LEARNING_RATE, momentum=MOMENTUM) for each in networks]

    def step() -> Tensor:
        losses: list[Tensor] = []
        for network, optimizer, x, y in zip(networks, optimizers, inputs, targets, strict=True):
            optimizer.zero_grad()
            loss = functional.cross_entropy(network(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return torch.stack(losses)

    return step


def stacked(networks: list[nn.Module], inputs: Tensor, targets: Tensor) -> Steps:
    """One step of all networks at once."""
    parameters, buffers = stack_module_state(networks)
    parameters = {name: each.detach() for name, each in parameters.items()}
    momenta = {name: torch.zeros_like(each) for name, each in parameters.items()}

    def loss(own: dict[str, Tensor], constants: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return functional.cross_entropy(functional_call(networks[0], (own, constants), (x,)), y)

    of_all = vmap(grad_and_value(loss), in_dims=(0, 0 if buffers else None, 0, 0))

    def step() -> Tensor:
        gradients, losses = of_all(parameters, buffers, inputs, targets)
        for name, each in parameters.items():
            each.sub_(momenta[name].mul_(MOMENTUM).add_(gradients[name]), alpha=LEARNING_RATE)
        return losses

    return step


def networks_of(case: Case, members: int, device: str) -> list[nn.Module]:
    """The same however often they are asked for."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found = [models.call(models.resolve(case.model), case.input_shape, case.num_outputs) for _ in range(members)]
    return [each.module.to(device).train() for each in found]


def compare(name: str, members: int, repeats: int, device: str) -> None:
    """One case, printed; both sides in turns."""
    case, draw = CASES[name], torch.Generator().manual_seed(1)
    shape = (members, case.batch_size, *case.input_shape)
    inputs = (
        torch.randn(shape, generator=draw)
        if case.vocabulary is None
        else torch.randint(case.vocabulary, shape, generator=draw)
    ).to(device)
    targets = torch.randint(case.num_outputs, shape[:2], generator=draw).to(device)
    sides = [make(networks_of(case, members, device), inputs, targets) for make in (one_after_another, stacked)]
    seconds: list[list[float]] = [[], []]
    losses = [torch.empty(0), torch.empty(0)]
    for repeat in range(-2, repeats):  # the first two only warm up
        for side, step in enumerate(sides):
            started = time.perf_counter()
            losses[side] = step()
            if device != "cpu":
                torch.cuda.synchronize()
            if repeat >= 0:
                seconds[side].append(time.perf_counter() - started)
    off = float(((losses[0] - losses[1]) / losses[0]).abs().max())
    if not off <= TOLERANCE:
        raise SystemExit(f"the losses of {name} differ by {off:.1e}, more than {TOLERANCE:.0e}")
    apart, together = (1000 * statistics.median(each) / members for each in seconds)
    print(f"{name}, {members} networks: {apart:.2f} ms apart, {together:.2f} stacked; last losses differ by {off:.0e}")
    print(f"ratio of {name} in {members}: {apart / together:.2f}", flush=True)


def main() -> None:
    """Each case with each number of members."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--networks", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--members", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1, help="of torch; a pack has one for each CPU it holds")
    parser.add_argument("--device", default="cpu")
    settings = parser.parse_args()
    torch.set_num_threads(settings.threads)
    for name in settings.networks:
        for members in settings.members:
            compare(name, members, settings.repeats, settings.device)
    print(machine())


if __name__ == "__main__":
    main()
