"""The services of docker/compose.yaml as real processes on loopback addresses, to be started, killed, started again.

Command, environment and health check of each are read from that file, so it and the tests cannot drift apart.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.command import ROOT, environment
from tests.compose import Service, service
from tests.process import Process, succeeds

DATABASE_PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
needs_postgresql = pytest.mark.skipif(
    not DATABASE_PROGRAMS and "GENSWEEP_REQUIRE_POSTGRESQL" not in os.environ,
    reason="Debian's package postgresql is not installed",
)


def new_secrets() -> dict[str, str]:
    """What a user of docker/compose.yaml keeps in a file outside the repository."""
    names = ("RAY_AUTH_TOKEN", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY", "POSTGRES_PASSWORD")
    return {name: secrets.token_hex(16) for name in names}


def free_ports(*names: str) -> dict[str, str]:
    """A free port of this machine for each of the file's."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in names]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return {name: str(probe.getsockname()[1]) for name, probe in zip(names, probes, strict=True)}


@dataclass(frozen=True)
class Deployment:
    """The services of docker/compose.yaml on this machine; `folder` takes their logs and artifacts.

    Ray nodes must differ in their addresses. It turns 127.0.0.1 into the machine's own address, unless told that there
    will be no other node; so a head of several nodes is at 127.0.0.2 and the others at 127.0.0.3, ...
    """

    folder: Path
    cache: Path
    host: str = "127.0.0.2"
    secrets: Mapping[str, str] = field(default_factory=new_secrets)
    ports: Mapping[str, str] = field(default_factory=lambda: free_ports("5000", "5432", "6379", "8265"))

    @property
    def ray_address(self) -> str:
        return f"{self.host}:{self.ports['6379']}"

    @property
    def dashboard(self) -> str:
        return f"http://{self.host}:{self.ports['8265']}"

    @property
    def mlflow_address(self) -> str:
        return f"http://{self.host}:{self.ports['5000']}"

    @property
    def ray_credentials(self) -> dict[str, str]:
        return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.secrets["RAY_AUTH_TOKEN"]}

    @property
    def mlflow_credentials(self) -> dict[str, str]:
        """Of the administrator, with whom the file's nodes work."""
        names = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
        return {name: self.service("head").environment[name] for name in names}

    def service(self, name: str, host: str | None = None) -> Service:
        """A service of the file, moved to this machine's addresses, ports and folders."""
        host = host or self.host
        places = {
            **self.ports,
            **free_ports("52365"),
            "listen_addresses=*": f"listen_addresses={host}",
            "0.0.0.0": host,
            "127.0.0.1": host,
            "postgres": self.host,
            "mlflow:5000": f"{self.host}:{self.ports['5000']}",
            "head:6379": self.ray_address,
            "/artifacts": str(self.folder / "artifacts"),
            "/gensweep": str(ROOT),
            "/cache": str(self.cache),
        }
        return service(name, self.secrets, places)

    def mlflow(self, store: str | None = None) -> Process:
        """The MLflow server, whose database must run; on another store, it asks nobody for a password."""
        here = self.service("mlflow")
        if store is not None:
            kept = [option for option in here.command if not option.startswith("--app-name=")]
            here = replace(here, command=[*kept, f"--backend-store-uri={store}"])
        return self._process(here, "mlflow")

    def head(self, num_cpus: int = 0, with_mlflow: bool = True) -> Process:
        """The Ray head; without MLflow's address and credentials a driver brings its own."""
        return self._node(self.service("head"), self.host, num_cpus, with_mlflow)

    def worker(self, host: str, num_cpus: int = 1, with_mlflow: bool = True) -> Process:
        """A further Ray node."""
        return self._node(self.service("worker", host), host, num_cpus, with_mlflow)

    def _node(self, node: Service, host: str, num_cpus: int, with_mlflow: bool) -> Process:
        # Its own, as on a machine of its own: of nodes that share one, each throws away the code shipped to the others.
        scratch = Path(tempfile.mkdtemp(prefix="ray-"))  # short, for the paths of sockets have a limit
        options = [f"--node-ip-address={host}", f"--num-cpus={num_cpus}", f"--temp-dir={scratch}"]
        process = self._process(node, f"ray-{host}", options)
        changes = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"} if host == "127.0.0.1" else {}
        kept = {k: v for k, v in process.environment.items() if with_mlflow or not k.startswith("MLFLOW_")}
        # A head that is asked to end drains its node for half a minute first.
        return replace(process, environment={**kept, **changes}, stop_signal=signal.SIGKILL, scratch=scratch)

    def _process(self, service: Service, name: str, options: Sequence[str] = ()) -> Process:
        variables = {**bare_environment(self.cache), **service.environment}
        return Process(
            name=name,
            command=[_program(service.command[0]), *service.command[1:], *options],
            environment=variables,
            folder=self.folder,
            answers=succeeds([_program(service.health[0]), *service.health[1:]], variables),
        )

    def postgresql(self) -> Process:
        """A database server with a fresh database. It refuses to run as root, so root runs it as another user."""
        here = self.service("postgres")
        folder = Path(tempfile.mkdtemp(prefix="gensweep-postgresql-"))  # pytest's folders are for their owner alone
        user = "postgres" if os.getuid() == 0 else None
        _create_database(folder, here.environment, user)
        return Process(
            name="postgresql",
            command=[_database_program(here.command[0]), *here.command[1:], "-D", "data", "-k", str(folder)],
            environment=dict(os.environ),
            folder=folder,
            answers=succeeds([_database_program(here.health[0]), *here.health[1:]], os.environ),
            user=user,
            stop_signal=signal.SIGINT,  # ends without waiting for its clients, as the official image does
            scratch=folder,
        )


def bare_environment(cache: Path) -> dict[str, str]:
    """That of an image: the programs of the tests' environment, and of ours only what is shipped."""
    kept = {name: value for name, value in environment(cache).items() if name != "PYTHONPATH"}
    return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"}


def _create_database(folder: Path, settings: Mapping[str, str], user: str | None) -> None:
    """What the official image does at its first start: an owner with a password, and a database of its name."""
    password = folder / "password"
    password.write_text(settings["POSTGRES_PASSWORD"])
    for path in (folder, password):
        if user is not None:
            shutil.chown(path, user)
    options = [*settings["POSTGRES_INITDB_ARGS"].split(), f"--username={settings['POSTGRES_USER']}"]
    create = [_database_program("initdb"), "--pwfile=password", "-D", "data", *options]
    subprocess.run(create, user=user, group=user, cwd=folder, capture_output=True, check=True)
    single = [_database_program("postgres"), "--single", "-D", "data", "template1"]
    statement = f"CREATE DATABASE {settings['POSTGRES_DB']};\n".encode()
    subprocess.run(single, input=statement, user=user, group=user, cwd=folder, capture_output=True, check=True)


def _database_program(name: str) -> str:
    assert DATABASE_PROGRAMS, "Debian's package postgresql is not installed"
    return str(DATABASE_PROGRAMS[-1] / name)


def _program(name: str) -> str:
    """Of the environment that runs the tests."""
    return str(Path(sys.executable).with_name(name))
