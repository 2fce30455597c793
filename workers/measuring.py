"""Measure a stored checkpoint: load the input the measure declares, call it, store what it returns."""

import copy
import hashlib
import time
from contextlib import nullcontext

import torch
from torch import nn

from measures import compares_pairs, measures
from measures.inputs import Measurement, Snapshot, SnapshotPair
from measures.registry import Component, canonical_json
from workers.building import build_problem
from workers.checkpoint import require_fit
from workers.limits import limits
from workers.own_entries import admit
from workers.record import measurement_path
from workers.runtime import Needs, Runtime
from workers.spec import TrialSpec
from workers.store_address import StoreUnreachable
from workers.tracking import RunStore
from workers.training import reset_process
from workers.trial import TrialResult, clear_failure, record_failure


def measurement_key(measure: Component) -> str:
    """Name and identity of a measure with its settings and version, as the store files it."""
    identity = canonical_json([measures.canonical(measure), measures[measure.name].version])
    return f"{measure.name}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"


def load_input(
    measure: Component, spec: TrialSpec, run_id: str, step: int, store: RunStore, runtime: Runtime
) -> Snapshot | SnapshotPair:
    """What the measure's first annotation asks for: the network at a step, or that and the run's final network.

    In evaluation mode, with the data it was trained and tested on. The recorded loss is that of its evaluation at this
    very step; checkpoints and evaluations have steps of their own.
    """
    problem = build_problem(spec, runtime)
    evaluated = {point.step: point.value for point in store.history(run_id, "train/loss")}

    def snapshot(step: int, module: nn.Module) -> Snapshot:
        state = store.read_state(run_id, spec.trial_id, step)
        require_fit(state, module, problem.dataset_sha256)
        module.load_state_dict(state.part("model"))
        loss, recorded = problem.loss.mean, evaluated.get(step)
        return Snapshot(module.eval(), problem.network.layers, problem.train, problem.test, loss, recorded)

    first = snapshot(step, problem.network.module)
    if not compares_pairs(measure):
        return first
    return SnapshotPair(first, snapshot(store.get(run_id).checkpoints[-1], copy.deepcopy(first.model)))


def measurement_stage(measure: Component, step: int) -> str:
    """Under which a failure to take a measurement is stored."""
    return f"{measurement_key(measure)}-step-{step}"


def measure_checkpoint(
    spec: TrialSpec, run_id: str, step: int, measure: Component, runtime: Runtime, needs: Needs | None = None
) -> TrialResult:
    """Measure one checkpoint of one run; a failure is stored with it and leaves everything else alone.

    With `needs` it may take no more than these, and must run in the main thread of its process.
    """
    admit(runtime.own, runtime.cache)
    store = RunStore(runtime.tracking_uri)
    key, stage = measurement_key(measure), measurement_stage(measure, step)
    started = time.monotonic()
    try:
        if store.has_file(run_id, measurement_path(key, step)):
            # An earlier attempt died between the record and its commit.
            store.commit_measurement(run_id, measure.name, key, step)
            return TrialResult(run_id, f"{measure.name} at step {step}")
        reset_process(runtime)
        given = load_input(measure, spec, run_id, step, store, runtime)
        with nullcontext() if needs is None else limits(needs), torch.random.fork_rng(devices=[]):
            measurement: Measurement = measures.call(measure, given)
        store.write_measurement(run_id, measure.name, key, step, measurement, time.monotonic() - started)
        clear_failure(store, store.get(run_id), stage)
    except StoreUnreachable:
        raise  # there is nowhere to record it
    except Exception as error:
        return record_failure(store, run_id, stage, error, time.monotonic() - started)
    return TrialResult(run_id, f"{measure.name} at step {step}", seconds=time.monotonic() - started)
