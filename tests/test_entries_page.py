"""docs/entries.md says what the tables hold, with the right numbers, and its example works."""

import re
from pathlib import Path

import pytest
from rich.console import Console

from measures.registry import Component, registry
from orchestrator.anatomy import anatomy
from orchestrator.catalog import families
from orchestrator.study import Study
from sweeps import studies
from workers.datasets import datasets

PAGE = (Path(__file__).parents[1] / "docs" / "entries.md").read_text()
FAMILIES = families(studies)
SECTIONS = {part.split("\n", 1)[0].lower().replace(" ", ""): part for part in re.split(r"^## ", PAGE, flags=re.M)[1:]}
MODELS = re.findall(r"^\| `([^`]+)` \| ([\d,]+) \|", SECTIONS["models"], flags=re.M)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_section_lists_is_in_the_table_of_its_family(family: str):
    """Not the other way round: somebody's own entry is one file and one line, and no page."""
    rows = re.findall(r"^\| (`.*?`) \|", SECTIONS[family.replace("_", "")].split("\n### ")[0], flags=re.M)
    listed = {words.split()[0] for row in rows for words in re.findall(r"`([^`]+)`", row) if "/" not in words}
    assert listed <= set(FAMILIES[family].entries)
    assert family == "measures" or listed


@pytest.mark.parametrize(("words", "count"), MODELS)
def test_the_counts_of_parameters_are_what_show_prints(words: str, count: str):
    console, (name, *settings) = Console(width=200), words.split()
    with console.capture() as capture:
        console.print(anatomy(FAMILIES, name, settings))
    assert f"parameters: {count} (" in capture.get()


@pytest.mark.parametrize(
    "name",
    ["mnist1d", "modular_arithmetic", "sinusoid", "two_spirals", "random_features", "bayesian_linear", "growing_wave"],
)
def test_the_sizes_of_data_sets_are_those_of_their_defaults(name: str):
    dataset = datasets.call(Component(name), 0)
    sizes = f"{len(dataset.x_train):,} / {len(dataset.x_test):,}"
    target = "a number" if dataset.num_classes is None else f"{dataset.num_classes} classes"
    assert re.search(rf"^\| `{name}` \| {sizes} \| {dataset.input_shape[0]} \w+, {target} \|", PAGE, flags=re.M)


def test_the_example_declares_a_study():
    names: dict = {"__name__": "example"}
    exec(re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)[0], names)
    study: Study = registry("study", [names["my_images"]]).call(Component("my_images", weight_decays=(0.0, 0.1)))
    assert [trial.optimizer["weight_decay"] for trial in study.trials] == [0.0, 0.1]
