"""Settling: a true status for runs to which nothing is done any more."""

from collections.abc import Mapping

from workers.record import RunRecord
from workers.tracking import RunStore

ROLES = ("trial", "sweep", "curve")
ACTIVE = ("RUNNING", "SCHEDULED")


def settle(store: RunStore, study: str, lease: str, died: Mapping[str, str] | None = None) -> list[RunRecord]:
    """End what a launch left active of a study: FAILED where a process died (by run id: of what), else KILLED.

    Runs under another lease are another launch's, and left alone. The runs that were ended are returned.
    """
    causes, experiment = died or {}, store.find_study(study)
    if experiment is None:
        return []
    runs = [run for role in ROLES for run in store.runs(experiment, role)]
    left = [run for run in runs if run.status in ACTIVE and run.lease == lease]
    for run in left:
        if run.run_id in causes:
            store.set_tags(run.run_id, {"failure.training": causes[run.run_id]})
        store.set_status(run.run_id, "FAILED" if run.run_id in causes else "KILLED")
    return left
