"""Promises of the repository itself: portable files, exact versions, no package that shadows another."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def tracked_texts() -> dict[str, str]:
    """Text of every file that git tracks or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = [name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    return {name: (ROOT / name).read_text(errors="replace") for name in names}


def pins() -> dict[str, str]:
    """Exact version of each package in constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="the files of a checkout are asked from git")
def test_no_file_names_a_registry_or_a_place_on_one_machine():
    registries = r"(?:pypi|download\.pytorch)\.org/|pythonhosted|(?:extra-)?index-ur[l]|find-link[s]|trusted-hos[t]"
    places = r"/(?:home|root|Users|opt|work|mnt)/[\w.]"
    forbidden = re.compile(f"{registries}|{places}")
    texts = tracked_texts()
    assert "pyproject.toml" in texts
    here = Path(__file__).relative_to(ROOT).as_posix()
    found = [
        f"{name}: {match.group()}" for name, text in texts.items() if name != here for match in forbidden.finditer(text)
    ]
    assert found == []


def test_constraints_pin_every_declared_dependency_and_nothing_but_versions():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names: set[str] = set()
    for declared in (project["dependencies"], *project["optional-dependencies"].values()):
        found = {normalized(match.group()) for match in map(NAME.match, declared) if match}
        assert len(found) == len(declared)
        names |= found
    pinned = pins()
    assert names - {normalized(name) for name in pinned} == set()
    assert all(re.fullmatch(r"[0-9][0-9a-z.]*", version) for version in pinned.values()), "no local or URL versions"
    assert list(pinned) == sorted(pinned, key=str.lower)


def test_docker_is_no_package():
    # It would shadow the `docker` package, which MLflow imports.
    assert not (ROOT / "docker" / "__init__.py").exists()


def test_nothing_is_unpickled():
    # What is read from a store or a data set must not be able to run code.
    forbidden = re.compile(
        r"import pickle|pickle\.loads?\(|(?<!safetensors\.)torch\.load\(|allow_pickle=True|import joblib"
    )
    sources = [
        path for name in ("measures", "workers", "orchestrator", "sweeps") for path in (ROOT / name).rglob("*.py")
    ]
    assert sources
    assert [str(path) for path in sources if forbidden.search(path.read_text())] == []
