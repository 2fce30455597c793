"""What a submitted Ray job says about itself."""

import json
from collections.abc import Mapping

from ray.dashboard.modules.job.common import JobInfoStorageClient
from ray.experimental import internal_kv

NAMESPACE = b"job"  # where the head keeps what it knows of jobs


def add_to_metadata(job: str, metadata: Mapping[str, str]) -> None:
    """Add to the metadata of a running job, which `ray job list` and the dashboard show.

    Ray 2.60 takes metadata when a job is submitted and has no public way to add to it later. What the driver gives to
    `ray.init` lands in another table, which is shown of drivers alone that are no submitted jobs. So the job's own
    entry in the head's key-value store is written again; Ray does so when the job begins and ends, not in between.
    """
    key = JobInfoStorageClient.JOB_DATA_KEY.format(job_id=job).encode()
    stored = internal_kv._internal_kv_get(key, namespace=NAMESPACE)  # pyright: ignore[reportPrivateUsage]  # no public one
    if not stored:
        return  # the head has been started anew, and has forgotten its jobs
    entry = json.loads(stored)
    entry["metadata"] = {**(entry.get("metadata") or {}), **metadata}
    internal_kv._internal_kv_put(  # pyright: ignore[reportPrivateUsage]  # no public one
        key, json.dumps(entry).encode(), namespace=NAMESPACE
    )
