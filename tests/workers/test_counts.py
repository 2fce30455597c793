"""What trainings and measurements take, in counts that no machine's speed can change: against creeping costs."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from measures import Snapshot, measures
from measures.registry import Component
from tests.workers.memory_session import MemorySession
from workers.building import build_problem
from workers.checkpoint import encode
from workers.fits.loop import Loop
from workers.fits.member import Member, plan_of
from workers.fits.pack import Stack
from workers.measuring import load_input, measure_checkpoint
from workers.patience import Patient
from workers.record import LEASE
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.tracking import RunStore
from workers.training import reset_process
from workers.trial import TrainingTask, run_pack, run_trial

SGD_CALLS, ADAM_CALLS = 36, 47


class Calls(TorchDispatchMode):
    """Counts the operators that torch calls within a block; views, which touch no number, apart."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.count += not func.is_view
        return out


@pytest.fixture(autouse=True)
def reset(runtime: Runtime) -> None:
    reset_process(runtime)


@pytest.mark.parametrize(("optimizer", "most"), [("sgd", SGD_CALLS), ("adam", ADAM_CALLS)])
def test_a_step_of_a_pack_is_as_many_calls_as_a_step_of_one(
    optimizer: str, most: int, small_trial: TrialSpec, runtime: Runtime
) -> None:
    found: list[int] = []
    for size in (1, 9):
        trials = [
            dataclasses.replace(small_trial, init_seed=seed, optimizer=Component(optimizer)) for seed in range(size)
        ]
        members = [Member(build_problem(t, runtime), MemorySession(frozenset()), plan_of(t.fit)) for t in trials]
        stack = Stack(members)
        stack.step()  # draws the order of the epoch
        with Calls() as calls:
            stack.step()
        found.append(calls.count)
    assert found[0] == found[1] <= most


def test_the_loop_makes_no_more_calls_than_it_did(runtime: Runtime) -> None:
    trial = TrialSpec(
        dataset=Component("modular_arithmetic", prime=7),
        model=Component("transformer", width=16),
        optimizer=Component("adamw"),
        fit=Component("sgd", batch_size=8),
    )
    loop = Loop(build_problem(trial, runtime), MemorySession(frozenset()), plan_of(trial.fit))
    loop.train_step(torch.arange(8))
    with Calls() as calls:
        loop.train_step(torch.arange(8))
    assert calls.count <= 172


@contextmanager
def requests(monkeypatch: pytest.MonkeyPatch) -> Generator[Counter[str]]:
    """Counts what is asked of MLflow within the block."""
    found: Counter[str] = Counter()
    plain = Patient.__getattr__

    def counted(self: Patient, name: str) -> Callable[..., Any]:
        method = plain(self, name)

        def ask(*arguments: Any, **options: Any) -> Any:
            found[name] += 1
            return method(*arguments, **options)

        return ask

    with monkeypatch.context() as patched:
        patched.setattr(Patient, "__getattr__", counted)
        yield found


def tasks(trials: list[TrialSpec], store: RunStore) -> list[TrainingTask]:
    experiment = store.open_study("study", {})
    return [
        TrainingTask(
            trial,
            store.create_run(
                experiment, "a trial", "trial", {"sweep.trial_id": trial.trial_id, LEASE: "mine"}, trial.parameters
            ),
            "mine",
        )
        for trial in trials
    ]


def test_requests_of_a_trial_and_of_a_member_of_a_pack(
    small_trial: TrialSpec, runtime: Runtime, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look at the lease, two files, and metrics with a tag for each checkpoint; eight more for the whole trial."""
    surroundings = dataclasses.replace(runtime, flush_seconds=1e9)
    trials = [dataclasses.replace(small_trial, init_seed=seed) for seed in range(4)]
    alone, *packed = tasks(trials, store)
    with requests(monkeypatch) as found:
        run_trial(alone, surroundings)
    kept = len(store.get(alone.run_id).checkpoints)
    assert found["log_artifact"] == 2 * kept
    assert found.total() <= 4 * kept + 8
    with requests(monkeypatch) as together:
        run_pack(packed, surroundings)
    assert together == {name: 3 * count for name, count in found.items()}


def test_requests_of_a_measurement(
    small_trial: TrialSpec, runtime: Runtime, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As docs/cluster.md counts them: opening the store, what is there, what is read, the record, one commit."""
    (task,) = tasks([small_trial], store)
    run_trial(task, runtime)
    for measure, count in ((Component("norms"), 8), (Component("hessian_spectrum"), 9)):
        with requests(monkeypatch) as found:
            assert measure_checkpoint(small_trial, task.run_id, 0, measure, runtime).error is None
        assert found["log_batch"] == 1 and found.total() == count, found


def test_a_checkpoint_is_the_weights_and_what_belongs_to_them(small_trial: TrialSpec, runtime: Runtime) -> None:
    session = MemorySession(frozenset())
    member = Member(build_problem(small_trial, runtime), session, plan_of(small_trial.fit))
    Stack([member]).step()
    data, _ = encode(member.state(), "trial")
    weights = sum(each.numel() * each.element_size() for each in member.model.state_dict().values())
    assert len(data) <= 2 * weights + 2000  # of names


PASSES = {"intrinsic_dimension": 1, "hessian_spectrum": 4, "norms": 1}  # on all of the training or test set


@pytest.mark.parametrize("name", PASSES)
def test_forward_passes_of_a_measure(name: str, small_trial: TrialSpec, runtime: Runtime, store: RunStore) -> None:
    (task,) = tasks([small_trial], store)
    run_trial(task, runtime)
    measure = measures.resolve(Component(name))
    given = load_input(measure, small_trial, task.run_id, 0, store, runtime)
    assert isinstance(given, Snapshot), "none of these compares two networks"
    passes: list[int] = []
    given.model.register_forward_hook(lambda *_: passes.append(1))
    measures.call(measure, given)
    assert len(passes) <= PASSES[name], "the graph of the gradient is kept, whatever the number of its products"
