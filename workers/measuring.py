"""Measure a stored checkpoint: load the input the measure declares, call it, store what it returns."""

import hashlib
import time

import torch

from measures import measures
from measures.inputs import Measurement, Snapshot
from measures.registry import Component, canonical_json
from workers.building import build_problem
from workers.checkpoint import require_fit
from workers.record import measurement_path
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.tracking import RunStore
from workers.training import reset_process
from workers.trial import TrialResult, clear_failure, record_failure


def measurement_key(measure: Component) -> str:
    """Name and identity of a measure with its settings and version, as the store files it."""
    identity = canonical_json([measures.canonical(measure), measures[measure.name].version])
    return f"{measure.name}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"


def load_snapshot(spec: TrialSpec, run_id: str, step: int, store: RunStore, runtime: Runtime) -> Snapshot:
    """The network at a stored step, in evaluation mode, with the data it was trained and tested on.

    The recorded loss is that of its evaluation at this very step; checkpoints and evaluations have steps of their own.
    """
    problem = build_problem(spec, runtime)
    state = store.read_state(run_id, spec.trial_id, step)
    require_fit(state, problem.network.module, problem.dataset_sha256)
    problem.network.module.load_state_dict(state.part("model"))
    problem.network.module.eval()
    evaluated = {point.step: point.value for point in store.history(run_id, "train/loss")}
    network = problem.network
    return Snapshot(network.module, network.layers, problem.train, problem.test, problem.loss.mean, evaluated.get(step))


def measure_checkpoint(spec: TrialSpec, run_id: str, step: int, measure: Component, runtime: Runtime) -> TrialResult:
    """Measure one checkpoint of one run; a failure is stored with it and leaves everything else alone."""
    store = RunStore(runtime.tracking_uri)
    key = measurement_key(measure)
    stage = f"{key}-step-{step}"
    try:
        if store.has_file(run_id, measurement_path(key, step)):
            # An earlier attempt died between the record and its commit.
            store.commit_measurement(run_id, measure.name, key, step)
            return TrialResult(run_id, f"{measure.name} at step {step}")
        started = time.monotonic()
        reset_process(runtime)
        snapshot = load_snapshot(spec, run_id, step, store, runtime)
        with torch.random.fork_rng(devices=[]):
            measurement: Measurement = measures.call(measure, snapshot)
        store.write_measurement(run_id, measure.name, key, step, measurement, time.monotonic() - started)
        clear_failure(store, run_id, stage)
    except Exception as error:
        return record_failure(store, run_id, stage, error)
    return TrialResult(run_id, f"{measure.name} at step {step}")
