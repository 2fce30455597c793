"""A training that is watched: every evaluation is heard of, and the watch may end it."""

from collections.abc import Mapping

import pytest

from workers.record import LEASE
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.tracking import RunStore
from workers.trial import TrainingTask, run_trial


def test_whoever_watches_hears_of_every_evaluation_and_may_end_it(
    store: RunStore, runtime: Runtime, small_trial: TrialSpec
) -> None:
    experiment = store.open_study("watched", {})
    tags = {"sweep.trial_id": small_trial.trial_id, LEASE: "ours"}
    run_id = store.create_run(experiment, "trial", "trial", tags, small_trial.parameters)
    heard: list[int] = []

    def watch(step: int, metrics: Mapping[str, float]) -> None:
        if "test/loss" in metrics:
            heard.append(step)
            stored = [point.step for point in store.history(run_id, "test/loss")]
            assert stored == heard, "whatever becomes of this process now, nothing that was measured is lost"
            if len(heard) == 3:
                raise SystemExit(0)  # as Tune ends a thread

    with pytest.raises(SystemExit):
        run_trial(TrainingTask(small_trial, run_id, "ours"), runtime, watch=watch)
    assert not any(tag.startswith("failure") for tag in store.get(run_id).tags)
