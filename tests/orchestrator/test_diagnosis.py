"""Which runs and files a crash has left, told from records and a list of files."""

from pathlib import PurePosixPath

import pytest

from orchestrator.diagnosis import QUIET_SECONDS, StoredFile, abandoned, ownerless, removable
from workers.record import LEASE, RunRecord

OLD = QUIET_SECONDS + 1
UPLOAD = "study/r1/artifacts/report/.artifact.uploading.x7"
UNCOMMITTED = "study/r1/artifacts/checkpoints/step-000000020/state.safetensors"
COMMITTED = "study/r1/artifacts/checkpoints/step-000000010/state.safetensors"


def run(run_id: str, status: str, lease: str) -> RunRecord:
    return RunRecord(run_id, run_id, status, {}, {LEASE: lease, "checkpoint.10": "sha"}, {})


def lives(lease: str | None) -> bool:
    return lease == "living"


def test_only_active_runs_of_dead_launches_are_abandoned() -> None:
    runs = [
        run(f"{status} {lease}", status, lease) for status in ("RUNNING", "SCHEDULED") for lease in ("dead", "living")
    ]
    runs.append(run("done", "FINISHED", "dead"))
    assert [each.run_id for each in abandoned(runs, lives)] == ["RUNNING dead", "SCHEDULED dead"]


@pytest.mark.parametrize(
    ("name", "seconds", "lease", "removed"),
    [
        (UPLOAD, OLD, "dead", [UPLOAD]),
        (UPLOAD, QUIET_SECONDS, "dead", []),  # somebody may be writing it
        (UPLOAD, OLD, "living", []),
        (UNCOMMITTED, OLD, "dead", ["study/r1/artifacts/checkpoints/step-000000020"]),
        (UNCOMMITTED, OLD, "living", []),
        (COMMITTED, OLD, "dead", []),
        ("study/r1/artifacts/manifest.json", OLD, "dead", []),
        ("study/unknown/artifacts/.artifact.uploading.x7", OLD, "dead", []),
    ],
)
def test_files_that_nothing_names_are_removed(name: str, seconds: float, lease: str, removed: list[str]) -> None:
    files = [StoredFile(PurePosixPath(name), seconds)]
    assert removable(files, {"r1": run("r1", "KILLED", lease)}, lives) == [PurePosixPath(each) for each in removed]


def test_a_folder_in_which_one_file_is_new_stays_as_a_whole() -> None:
    manifest = UNCOMMITTED.replace("state.safetensors", "manifest.json")
    files = [StoredFile(PurePosixPath(UNCOMMITTED), OLD), StoredFile(PurePosixPath(manifest), 1.0)]
    assert removable(files, {"r1": run("r1", "KILLED", "dead")}, lives) == []


def test_folders_of_unknown_runs_are_told_once() -> None:
    files = [StoredFile(PurePosixPath(f"study/{run_id}/artifacts/{i}"), OLD) for run_id in ("r1", "r2") for i in "ab"]
    assert ownerless(files, {"r1"}.__contains__) == [PurePosixPath("study/r2")]
