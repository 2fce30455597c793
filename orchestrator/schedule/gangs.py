"""One trial on several devices: a process for each, placed together, watched from a head that holds none.

If one of them fails the others cannot go on, so they are ended; Tune then tries a gang again of which a process died.
"""

from collections.abc import Sequence
from typing import Any, cast

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util import get_current_placement_group, get_node_ip_address
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from orchestrator.schedule.cluster import Part
from workers.gang import MeetingPoint, meeting_point, member
from workers.runtime import Runtime
from workers.tracking import RunStore
from workers.trial import TrainingTask, TrialResult, follow_trial, record_failure, run_trial

# A process whose peer is gone fails by itself, soon; it is told from one that died first by waiting for it.
SECONDS_TO_FAIL = 30


def train_in_gang(task: TrainingTask, runtime: Runtime, part: Part) -> TrialResult:
    """Train a trial with as many processes as the part has; raises if one of them died."""
    size, group = part.processes, get_current_placement_group()
    assert group is not None, "Tune places every trial"
    with meeting_point(get_node_ip_address(), size) as place:
        members = [
            ray.remote(_train_member)
            .options(
                num_cpus=part.share["CPU"],
                num_gpus=part.share.get("GPU", 0),
                max_retries=0,
                scheduling_strategy=PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=rank),
            )
            .remote(task, runtime, place, rank, size)
            for rank in range(size)
        ]
        failure = _first_failure(members)
        if failure is None:
            return cast("TrialResult", ray.get(members[0]))  # the leader's
    if isinstance(failure, TrialResult):
        return failure
    return record_failure(RunStore(runtime.tracking_uri), task.run_id, "training", failure)


def _train_member(
    task: TrainingTask, runtime: Runtime, place: MeetingPoint, rank: int, size: int
) -> TrialResult | None:
    with member(place, rank, size, runtime.device) as gang:
        if gang.leads:
            return run_trial(task, runtime, gang)
        return follow_trial(task.trial, runtime, gang)


def _first_failure(members: Sequence[Any]) -> TrialResult | Exception | None:
    """How the first member that failed did, once all have ended; None if none failed; raises if one died."""
    waiting, failures = list(members), list[TrialResult | Exception]()
    while waiting:
        done, waiting = ray.wait(waiting, num_returns=1, timeout=SECONDS_TO_FAIL if failures else None)
        if not done:
            for each in waiting:
                ray.cancel(each, force=True)
            break
        try:
            result: TrialResult | None = ray.get(done[0])
        except RayTaskError as error:
            failures.append(error.cause if isinstance(error.cause, Exception) else error)
        except RayError:  # the process died
            for each in waiting:
                ray.cancel(each, force=True)
            raise
        else:
            if result is not None and result.error is not None:
                failures.append(result)
    return failures[0] if failures else None
