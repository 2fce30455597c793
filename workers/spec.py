"""TrialSpec: everything that can change a number, and its identity.

What must not change a number (devices, threads, paths, how often to checkpoint) is in `workers.runtime`. A spec
validates itself when it is built, so a bad value fails where the study is declared, before anything starts.
"""

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from measures.registry import Component, Registry, canonical_json
from workers.corruptions import corruptions
from workers.datasets import datasets
from workers.fits import fits
from workers.losses import losses
from workers.models import models
from workers.optimizers import optimizers
from workers.schedules import schedules

# Bumped when the numerics of training or a default of any entry used by it change: old runs then count as others.
RECIPE = 3

FAMILIES: Mapping[str, Registry] = {
    "dataset": datasets,
    "corruption": corruptions,
    "model": models,
    "loss": losses,
    "optimizer": optimizers,
    "schedule": schedules,
    "fit": fits,
}
SEEDS = ("data_seed", "init_seed", "order_seed")


@dataclass(frozen=True, kw_only=True)
class TrialSpec:
    """One training run to be done: its components, with every setting filled in, and its three independent seeds.

    `data_seed` draws the data set and its corruption, `init_seed` the initial weights, `order_seed` the batches.
    """

    dataset: Component
    model: Component
    optimizer: Component
    fit: Component
    corruption: Component = Component("none")
    loss: Component = Component("cross_entropy")
    schedule: Component = Component("constant")
    data_seed: int = 0
    init_seed: int = 0
    order_seed: int = 0

    def __post_init__(self) -> None:
        for name, family in FAMILIES.items():
            object.__setattr__(self, name, family.resolve(getattr(self, name)))
        for name in SEEDS:
            seed = getattr(self, name)
            if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
                raise ValueError(f"{name}={seed!r} is not valid: a seed is an integer from 0 to 2**32 - 1")

    @cached_property
    def trial_id(self) -> str:
        """Short SHA-256 of the canonical JSON, in which whatever is at its default is left out.

        So a family or a setting that comes later leaves the ids of all trials that do not use it as they were.
        """
        parts = {name: family.canonical(getattr(self, name)) for name, family in FAMILIES.items()}
        chosen = {name: part for name, part in parts.items() if part != DEFAULTS.get(name)}
        seeds = {name: getattr(self, name) for name in SEEDS if getattr(self, name) != 0}
        return hashlib.sha256(canonical_json({"recipe": RECIPE, **chosen, **seeds}).encode()).hexdigest()[:16]

    @property
    def parameters(self) -> dict[str, Any]:
        """Every setting by its flat name (`model`, `model.width`, `data_seed`, ...), as the store shows it."""
        flat: dict[str, Any] = {}
        for name, family in FAMILIES.items():
            flat[name], settings = family.to_json(getattr(self, name))
            # A tuple, because a report groups trials by such values.
            flat |= {
                f"{name}.{setting}": tuple(value) if isinstance(value, list) else value
                for setting, value in settings.items()
            }
        return flat | {name: getattr(self, name) for name in SEEDS} | {"recipe": RECIPE}

    def to_json(self) -> dict[str, Any]:
        """The whole spec in JSON types, defaults included: what a manifest records."""
        components = {name: family.to_json(getattr(self, name)) for name, family in FAMILIES.items()}
        return {**components, **{name: getattr(self, name) for name in SEEDS}}

    @staticmethod
    def from_json(record: Mapping[str, Any]) -> "TrialSpec":
        """The spec that `to_json` wrote."""
        known = {field.name for field in dataclasses.fields(TrialSpec)}
        if strays := set(record) - known:
            raise ValueError(f"unknown field {sorted(strays)[0]!r} of a trial; known: {', '.join(sorted(known))}")
        components = {name: Component(record[name][0], **record[name][1]) for name in FAMILIES}
        return TrialSpec(**components, **{name: record[name] for name in SEEDS})


# Canonical forms of the components that a spec has when none is named.
DEFAULTS = {
    field.name: FAMILIES[field.name].canonical(field.default)
    for field in dataclasses.fields(TrialSpec)
    if isinstance(field.default, Component)
}
