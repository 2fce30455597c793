"""Which runs and files a crash has left, told from records and a list of files."""

from pathlib import PurePosixPath

import pytest

from orchestrator.diagnosis import QUIET_SECONDS, StoredFile, abandoned, ownerless, removable
from workers.record import RunRecord

OLD = QUIET_SECONDS + 1
UPLOAD = "study/r1/artifacts/report/.artifact.uploading.x7"
UNCOMMITTED = "study/r1/artifacts/checkpoints/step-000000020/state.safetensors"
COMMITTED = "study/r1/artifacts/checkpoints/step-000000010/state.safetensors"


def run(run_id: str, status: str, study: str) -> RunRecord:
    return RunRecord(run_id, run_id, status, {}, {"sweep.study": study, "checkpoint.10": "sha"}, {})


def lives(run: RunRecord) -> bool:
    return run.study == "living"


def test_only_running_runs_of_studies_that_nobody_carries_out_are_abandoned() -> None:
    kinds = [(status, study) for status in ("RUNNING", "FINISHED", "KILLED") for study in ("left", "living")]
    runs = [run(f"{status} {study}", status, study) for status, study in kinds]
    assert [each.run_id for each in abandoned(runs, lives)] == ["RUNNING left"]


@pytest.mark.parametrize(
    ("name", "seconds", "study", "removed"),
    [
        (UPLOAD, OLD, "left", [UPLOAD]),
        (UPLOAD, QUIET_SECONDS, "left", []),  # somebody may be writing it
        (UPLOAD, OLD, "living", []),
        (UNCOMMITTED, OLD, "left", ["study/r1/artifacts/checkpoints/step-000000020"]),
        (UNCOMMITTED, OLD, "living", []),
        (COMMITTED, OLD, "left", []),
        ("study/r1/artifacts/manifest.json", OLD, "left", []),
        ("study/unknown/artifacts/.artifact.uploading.x7", OLD, "left", []),
    ],
)
def test_files_that_nothing_names_are_removed(name: str, seconds: float, study: str, removed: list[str]) -> None:
    files = [StoredFile(PurePosixPath(name), seconds)]
    assert removable(files, {"r1": run("r1", "KILLED", study)}, lives) == [PurePosixPath(each) for each in removed]


def test_a_folder_in_which_one_file_is_new_stays_as_a_whole() -> None:
    manifest = UNCOMMITTED.replace("state.safetensors", "manifest.json")
    files = [StoredFile(PurePosixPath(UNCOMMITTED), OLD), StoredFile(PurePosixPath(manifest), 1.0)]
    assert removable(files, {"r1": run("r1", "KILLED", "left")}, lives) == []


def test_folders_of_unknown_runs_are_told_once() -> None:
    files = [StoredFile(PurePosixPath(f"study/{run_id}/artifacts/{i}"), OLD) for run_id in ("r1", "r2") for i in "ab"]
    assert ownerless(files, {"r1"}.__contains__) == [PurePosixPath("study/r2")]
