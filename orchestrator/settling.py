"""Settling: a true status for runs to which nothing is done any more."""

from workers.tracking import RunStore

ROLES = ("trial", "sweep", "curve")
RUNNING = "RUNNING"


def settle(store: RunStore, study: str, lease: str) -> None:
    """End, as KILLED, what a launch left running of a study; runs under another lease are another launch's."""
    experiment = store.find_study(study)
    for role in ROLES if experiment is not None else ():
        for run in store.runs(experiment or "", role, RUNNING):
            if run.lease == lease:
                store.set_status(run.run_id, "KILLED")
