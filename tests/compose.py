"""What docker/compose.yaml says of a service, read so that a test can run it as a plain process of this machine."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from tests.command import ROOT

VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


@dataclass(frozen=True)
class Service:
    """The command of a service, the environment it is given, and the command that says whether it is well."""

    command: list[str]
    environment: dict[str, str]
    health: list[str]


def interpolated(text: str, variables: Mapping[str, str]) -> str:
    """`${NAME}`, `${NAME:-default}` and `${NAME:?why}`, as Compose reads them; KeyError where a value is required."""

    def value(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        return variables[name] if kind == "?" else variables.get(name, "" if kind is None else rest)

    return VARIABLE.sub(value, text)


def moved(text: str, places: Mapping[str, str]) -> str:
    """Each host, port and folder of the containers' world gives way to what takes its place here, all at once."""
    longest_first = sorted(places, key=len, reverse=True)
    names = "|".join(map(re.escape, longest_first))
    return re.sub(rf"(?<!\w)(?:{names})(?!\w)", lambda match: places[match.group()], text)


def service(name: str, variables: Mapping[str, str], places: Mapping[str, str]) -> Service:
    """One service of the file, moved to the places given, with its variables filled in."""
    declared = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"][name]

    def here(text: str) -> str:
        return interpolated(moved(text, places), variables)

    return Service(
        command=[declared["command"][0], *map(here, declared["command"][1:])],
        environment={key: here(value) for key, value in declared["environment"].items()},
        health=[*map(here, declared["healthcheck"]["test"][1:])],
    )
