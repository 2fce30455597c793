"""The files of docker/, as far as they can be checked without a container engine: schema, linter, version, secret."""

import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.command import ROOT
from tests.compose import interpolated
from tests.kuberay import RayCluster, RayJob
from tests.test_project import pins

DOCKER = ROOT / "docker"
KUBERNETES = "1.37"
OURS = {"RayCluster": RayCluster, "RayJob": RayJob}
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
MANIFESTS: list[dict[str, Any]] = list(
    chain.from_iterable(yaml.safe_load_all(path.read_text()) for path in sorted((DOCKER / "kubernetes").glob("*.yaml")))
)


def tool(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A linter that came as a wheel."""
    program = Path(sys.executable).with_name(name)
    return subprocess.run([str(program), *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def manifest(kind: str, name: str | None = None) -> dict[str, Any]:
    return next(each for each in MANIFESTS if each["kind"] == kind and each["metadata"].get("name") == name)


def pod_templates(cluster: dict[str, Any]) -> list[dict[str, Any]]:
    groups = [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]
    return [group["template"] for group in groups]


@pytest.mark.parametrize("name", ["compose.yaml", "compose.cuda.yaml"])
def test_a_compose_file_keeps_the_schema_of_its_specification(name: str) -> None:
    checked = tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", f"docker/{name}")
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("which", range(len(MANIFESTS)), ids=lambda i: f"{MANIFESTS[i]['kind']}-{i}")
def test_a_manifest_keeps_the_schema_of_its_kind(which: int) -> None:
    declared = MANIFESTS[which]
    if declared["kind"] in OURS:
        OURS[declared["kind"]].model_validate(declared)
    else:
        kubernetes_validate.validate(declared, KUBERNETES, strict=True)


def test_the_pods_of_the_ray_cluster_are_pods() -> None:
    templates = pod_templates(manifest("RayCluster", "gensweep-ray"))
    assert len(templates) == 2
    for template in templates:
        pod = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "ray"}, "template": template}
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)


def test_an_unknown_field_would_be_found() -> None:
    job = {**manifest("RayJob"), "spec": {**manifest("RayJob")["spec"], "entryPoint": "python"}}
    with pytest.raises(ValueError, match="entryPoint"):
        RayJob.model_validate(job)


def test_the_linters_find_nothing() -> None:
    for name, file in (("hadolint", "docker/Dockerfile"), ("shellcheck", "docker/slurm.sh"), ("shellcheck", ".ci/run")):
        checked = tool(name, file)
        assert (checked.returncode, checked.stdout) == (0, ""), checked.stdout


def test_versions_are_those_that_are_tested() -> None:
    text = (DOCKER / "Dockerfile").read_text()
    tested = re.search(r"Python (3\.\d+)", (ROOT / "constraints.txt").read_text())
    assert tested is not None and f"FROM python:{tested[1]}." in text
    installs = re.findall(r"pip install .*", text)
    assert installs and all("--constraint constraints.txt" in line or "--no-deps" in line for line in installs)
    assert '".[server]"' in text
    assert manifest("RayCluster", "gensweep-ray")["spec"]["rayVersion"] == pins()["ray"]
    database = manifest("StatefulSet", "postgres")["spec"]["template"]["spec"]["containers"][0]["image"]
    assert database == COMPOSE["services"]["postgres"]["image"]


def test_kubernetes_runs_what_compose_runs_and_the_tests_run() -> None:
    for service, kind in (("postgres", "StatefulSet"), ("mlflow", "Deployment")):
        (container,) = manifest(kind, service)["spec"]["template"]["spec"]["containers"]
        assert container["args"] == [interpolated(each, {}) for each in COMPOSE["services"][service]["command"]]
        settings = {each["name"]: each.get("value") for each in container["env"]}
        assert settings.pop("PGDATA", None) == (None if service == "mlflow" else "/var/lib/postgresql/data/files")
        plain = {name: value for name, value in settings.items() if value is not None}
        declared = COMPOSE["services"][service]["environment"]
        assert plain == {name: value for name, value in declared.items() if "${" not in value}
        assert settings.keys() == declared.keys()
    nodes = manifest("ConfigMap", "gensweep")["data"]
    declared = COMPOSE["services"]["head"]["environment"]
    assert nodes == {k: v for k, v in declared.items() if "${" not in v and k != "RAY_AUTH_MODE"}


def test_no_container_runs_as_root_or_holds_a_secret_or_listens_to_the_world() -> None:
    assert "USER 1000:1000" in (DOCKER / "Dockerfile").read_text()
    for name, service in COMPOSE["services"].items():
        assert service.get("user") == ("postgres" if name == "postgres" else None)
        assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"]
        assert all(port.startswith("${GENSWEEP_BIND:-127.0.0.1}:") for port in service.get("ports", []))
        secret = [k for k in service["environment"] if re.search("PASSWORD|TOKEN|SECRET", k)]
        assert secret and all(service["environment"][key].startswith("${") for key in secret)
    services = [each["spec"] for each in MANIFESTS if each["kind"] == "Service"]
    assert services and all(each.get("type", "ClusterIP") == "ClusterIP" for each in services)
    owned = [each["spec"]["template"] for each in MANIFESTS if each["kind"] in ("StatefulSet", "Deployment")]
    for pod in (*owned, *pod_templates(manifest("RayCluster", "gensweep-ray"))):
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True


def test_what_the_image_copies_is_there_and_is_what_the_package_holds() -> None:
    text = (DOCKER / "Dockerfile").read_text()
    copied = [name for line in re.findall(r"COPY (.*)", text) for name in line.split()[:-1]]
    assert all((ROOT / name).exists() for name in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = {pattern.rstrip("*") for pattern in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert packages <= set(copied)
    kept = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
    assert {f"!{name}" for name in copied} <= set(kept)
