"""A Ray node is lost in mid-training, and the Ray head with the driver on it: the numbers stay the same."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster_processes import Deployment
from tests.command import (
    SMALL,
    STEPS,
    STUDY,
    descendants,
    stored_histories,
    stored_runs,
    undisturbed_histories,
    wait_until,
)
from tests.jobs import clean_checkout, ended, submit
from tests.process import Process
from workers.record import Point, Sample
from workers.spool import Spool
from workers.store_address import local_store
from workers.tracking import RunStore

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True)
class Services:
    """A running MLflow server, beside which a test starts its Ray nodes."""

    deployment: Deployment
    store: RunStore
    checkout: Path

    def submit(self, *command: str) -> subprocess.Popen[str]:
        return submit(self.deployment, self.checkout, "python", *(command or (*STUDY, *SMALL)))

    def all_train(self) -> bool:
        """Whether each trial is in its middle."""
        experiment = self.store.find_study("double_descent")
        steps = [] if experiment is None else [run.checkpoints for run in self.store.runs(experiment, "trial")]
        assert not any(STEPS in each for each in steps), "one has ended before anything was lost"
        return len(steps) == 2 and all(len(each) > 3 for each in steps)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    (tmp_path / "store").mkdir()
    deployment = Deployment(tmp_path, tmp_path / "node-cache")
    with deployment.mlflow(local_store(tmp_path / "store")):
        yield Services(deployment, RunStore(deployment.mlflow_address), clean_checkout(tmp_path / "gensweep"))


def lose(node: Process) -> None:
    """End all processes of a node at once, as when its machine loses power."""
    processes = [pid for pid, _ in descendants(node.running.pid)]
    node.end(signal.SIGKILL)
    for pid in processes:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_the_trial_of_a_lost_node_goes_on_elsewhere_and_the_doctor_sees_who_is_left(
    services: Services, undisturbed: Path
) -> None:
    deployment = services.deployment
    with deployment.head(), deployment.worker("127.0.0.3"), deployment.worker("127.0.0.4") as lost:
        job = services.submit()
        wait_until(services.all_train, job)
        lose(lost)
        code, output = ended(job)
        assert code == 0, output
        assert stored_histories(services.store) == undisturbed_histories(undisturbed)
        run_id = next(iter(stored_runs(services.store).values())).run_id
        Spool(deployment.cache / "spool" / run_id).add_samples([Sample("of/a/node", 0.5, 7, 1_000)])
        code, output = ended(services.submit("-m", "sweeps", "doctor"))
    assert code == 0, output
    for host in ("127.0.0.2", "127.0.0.3"):
        assert f"node {host}: store {services.store.uri}: answers, and gives the file that was just stored" in output
    assert "node 127.0.0.4" not in output, output
    assert "1 waiting entries sent" in output, output
    assert services.store.history(run_id, "of/a/node") == [Point(7, 0.5)]


def test_with_the_head_the_job_is_lost_and_is_submitted_again(services: Services, undisturbed: Path) -> None:
    with services.deployment.head(num_cpus=1) as head:
        job = services.submit()
        wait_until(services.all_train, job)
        lose(head)
        os.killpg(job.pid, signal.SIGKILL)  # it follows a job that nobody runs
        job.communicate()
        head.start()
        code, output = ended(services.submit())
    assert code == 0, output
    assert stored_histories(services.store) == undisturbed_histories(undisturbed)
    assert {record.status for record in stored_runs(services.store).values()} == {"FINISHED"}
