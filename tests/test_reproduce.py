"""`gensweep reproduce`, on a recorded study and on one that somebody has touched."""

from pathlib import Path

import pytest

from tests.command import GENSWEEP, records, run
from workers.store_address import local_store
from workers.tracking import RunStore

pytestmark = pytest.mark.timeout(300)


def test_every_number_comes_again_and_what_was_touched_is_named(undisturbed: Path, cache: Path) -> None:
    folder = ["--folder", str(undisturbed)]
    study_run = next(iter(records(undisturbed, "sweep").values()))
    again = run(cache, ["reproduce", study_run.run_id, *folder], GENSWEEP, COLUMNS="120")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "reproduced exactly: 2 of 2 trials were recorded to their end; of their numbers" in again.stdout
    store = RunStore(local_store(undisturbed / "store"))
    experiment = store.find_study(f"double_descent-again-{study_run.run_id[:8]}")
    assert experiment is not None
    (judgement,) = store.runs(experiment, "sweep")
    assert judgement.tags["sweep.reproduction_of"] == study_run.run_id
    assert store.read_json(judgement.run_id, "reproduction.json")["different"] == []

    touched = records(undisturbed)["width=0005 fraction=0.15 seed=0"]
    place = f"artifacts/*/{touched.run_id}/artifacts/checkpoints/step-000002400/state.*"
    (weights,) = (undisturbed / "store").glob(place)
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        caught = run(cache, ["reproduce", study_run.run_id, *folder], GENSWEEP, COLUMNS="120")
    finally:
        weights.write_bytes(whole)  # other tests compare with this study
    assert caught.returncode == 1, caught.stdout + caught.stderr
    assert "to train 0" in caught.stdout, "what has been reproduced is not done again"
    assert "damaged: width=0005 fraction=0.15 seed=0: checkpoints/step-000002400/state.safetensors" in caught.stdout
    assert "not reproduced" in caught.stdout and "1 recorded checkpoints are damaged" in caught.stdout


@pytest.mark.parametrize(
    ("has_store", "message"), [(True, "has no manifest: name a study's own run"), (False, "there is no store at")]
)
def test_a_run_without_a_manifest_is_refused(
    tmp_path: Path, undisturbed: Path, cache: Path, has_store: bool, message: str
) -> None:
    folder = undisturbed if has_store else tmp_path / "none"
    refused = run(cache, ["reproduce", "nothing", "--folder", str(folder)], GENSWEEP)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: ") and message in refused.stderr and refused.stderr.count("\n") == 1
    assert has_store or not folder.exists()
