"""Several processes train one trial as one process does, at the same global batch."""

import dataclasses
import multiprocessing
import socket
import traceback
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from measures.inputs import Split
from measures.registry import Component
from tests.workers.memory_session import MemorySession
from workers.batch_norm import GangBatchNorm, synchronized
from workers.building import build_problem
from workers.checkpoint import TrainingState
from workers.fits.sgd import sgd
from workers.gang import Gang, MeetingPoint, meeting_point, member
from workers.gang_session import GangSession
from workers.models import models
from workers.models.network import Network
from workers.optimizers import optimizers
from workers.problem import Problem
from workers.runtime import Checkpoints, Runtime
from workers.spec import TrialSpec
from workers.training import reset_process

pytestmark = pytest.mark.timeout(180)


def in_gang(size: int, work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """What `work(gang, *arguments)` returns in each of `size` processes."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["workers.training"])  # imported once, and not by every process
    answers: Any = context.Queue()
    with meeting_point("127.0.0.1", size) as place:
        processes = [
            context.Process(target=_work, args=(place, rank, size, answers, work, arguments)) for rank in range(size)
        ]
        for process in processes:
            process.start()
        results = dict(answers.get(timeout=120) for _ in processes)
        for process in processes:
            process.join(30)
    failures = [result for result in results.values() if isinstance(result, str)]
    assert not failures, "\n".join(failures)
    return [results[rank] for rank in range(size)]


def _work(place: MeetingPoint, rank: int, size: int, answers: Any, work: Callable[..., Any], arguments: Any) -> None:
    torch.set_num_threads(1)
    try:
        with member(place, rank, size, "cpu") as gang:
            answers.put((rank, work(gang, *arguments)))
    except Exception:
        answers.put((rank, traceback.format_exc()))
        raise


def image_problem(spec: TrialSpec, runtime: Runtime, gang: Gang) -> Problem:
    """The small trial's optimiser and labels, with a small convolutional network with batch norm, on 46 images."""
    problem = build_problem(spec, runtime, gang)
    images = torch.rand(46, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        network: Network = models.call(Component("convnet", width=2, depth=3), (3, 32, 32), 10)
    network.module.double()  # so that only a real difference can show
    return dataclasses.replace(
        problem,
        network=network,
        make_optimizer=lambda: optimizers.call(spec.optimizer, list(network.module.parameters())),
        train=Split(images[:31], problem.train.targets[:31]),
        test=Split(images[31:], problem.test.targets[:15]),
        clean_targets={},
    )


def numbers(session: MemorySession) -> dict[str, Any]:
    """A session's points and states in plain types, which a queue carries without a file descriptor."""
    states = {
        step: {name: tensor.tolist() for name, tensor in state.tensors.items()}
        for step, state in session.states.items()
    }
    return {"points": session.points, "states": states}


def train_images(gang: Gang, spec: TrialSpec, runtime: Runtime, start: int | None = None) -> dict[str, Any] | None:
    """31 examples in batches of 10: the last batch of an epoch has one, which one process of two does without."""
    reset_process(runtime)
    settings: dict[str, Any] = {"epochs": 2, "batch_size": 10}
    wanted = frozenset({3, 5})
    state: TrainingState | None = None
    if start is not None:
        alone = MemorySession(wanted)
        sgd(image_problem(spec, runtime, Gang()), alone, **settings)
        state = alone.states[start]
    inner = MemorySession(wanted, start=state) if gang.leads else None
    session = inner if gang.size == 1 else GangSession(inner, Checkpoints(every_epochs=1), gang)
    assert session is not None
    sgd(image_problem(spec, runtime, gang), session, **settings)
    return None if inner is None else numbers(inner)


def assert_close(one: dict[str, Any], other: dict[str, Any], steps: set[int]) -> None:
    assert set(one["points"]) == set(other["points"])
    for key, value in one["points"].items():
        assert other["points"][key] == pytest.approx(value, rel=1e-6), key
    for step in steps:
        assert one["states"][step].keys() == other["states"][step].keys()
        for name, tensor in one["states"][step].items():
            torch.testing.assert_close(
                torch.tensor(other["states"][step][name]), torch.tensor(tensor), rtol=1e-6, atol=1e-9
            )


def test_two_processes_train_what_one_does(small_trial: TrialSpec, runtime: Runtime) -> None:
    alone = train_images(Gang(), small_trial, runtime)
    leader, follower = in_gang(2, train_images, small_trial, runtime)
    assert follower is None and alone is not None
    assert_close(alone, leader, {8})


def test_a_gang_goes_on_from_the_checkpoint_of_one_process(small_trial: TrialSpec, runtime: Runtime) -> None:
    """In the middle of an epoch, with the epoch's running sums."""
    alone = train_images(Gang(), small_trial, runtime)
    leader, _ = in_gang(2, train_images, small_trial, runtime, 5)
    assert alone is not None
    later = {key: value for key, value in alone["points"].items() if key[1] > 5}
    assert_close({**alone, "points": later}, leader, {8})


def normalize(gang: Gang, rows: list[int]) -> tuple[Any, ...]:
    """Output, gradients and running statistics of a batch norm whose batch is dealt out unevenly."""
    torch.manual_seed(0)
    x = torch.randn(sum(rows), 3, 4, dtype=torch.float64)
    target = torch.randn_like(x)
    norm = nn.BatchNorm1d(3).double()
    nn.init.normal_(norm.weight)
    module = norm if gang.size == 1 else synchronized(norm)
    assert gang.size == 1 or isinstance(module, GangBatchNorm)
    bounds = [sum(rows[:i]) for i in range(len(rows) + 1)]
    own = slice(0, sum(rows)) if gang.size == 1 else slice(bounds[gang.rank], bounds[gang.rank + 1])
    part = x[own].requires_grad_()
    output = module(part)
    ((output - target[own]).square()).sum().backward()
    assert part.grad is not None
    return (
        output.tolist(),
        part.grad.tolist(),
        *(gang.total(parameter.grad).tolist() for parameter in module.parameters() if parameter.grad is not None),
        *(buffer.tolist() for buffer in module.buffers()),
    )


def test_batch_norm_over_a_gang_is_batch_norm_over_its_whole_batch() -> None:
    rows = [5, 2]
    whole = normalize(Gang(), rows)
    parts = in_gang(2, normalize, rows)
    for index in (0, 1):  # output and gradient of the inputs: each process has its rows
        joined = [row for part in parts for row in part[index]]
        torch.testing.assert_close(torch.tensor(joined), torch.tensor(whole[index]), rtol=1e-9, atol=1e-10)
    for part in parts:
        for mine, expected in zip(part[2:], whole[2:], strict=True):
            torch.testing.assert_close(torch.tensor(mine), torch.tensor(expected), rtol=1e-6, atol=1e-7)


def give(gang: Gang, given: list[bytes | None]) -> list[bytes | None]:
    return [gang.from_leader(data if gang.leads else b"not this") for data in given]


def test_everyone_has_what_the_leader_gave() -> None:
    given = [b"\x00\x01bytes", b"", None]
    assert in_gang(2, give, given) == [given, given]


def test_a_meeting_point_listens_on_its_own_address_alone() -> None:
    with meeting_point("127.0.0.1", 1) as place:
        socket.create_connection(("127.0.0.1", place.port), timeout=5).close()
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.2", place.port), timeout=5)


def test_every_example_is_in_one_share() -> None:
    batch = torch.arange(7)
    shares = [Gang(rank, 3).share(batch) for rank in range(3)]
    assert [len(share) for share in shares] == [3, 2, 2]
    assert torch.equal(torch.cat(shares), batch)
