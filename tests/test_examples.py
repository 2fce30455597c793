"""The examples of the pages and docstrings of measures, and of the page on own models, run and print what they say."""

import doctest
import importlib
import re
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "measures").glob("*.md"))
MODULES = sorted(path.stem for path in (ROOT / "measures").glob("*.py") if ">>> " in path.read_text())
EXAMPLE = re.compile(r"^```python\n(.*?)^```(?:\n\n```text\n(.*?)^```)?", re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def fixed_draws() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_the_example_of_a_page_runs(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What follows the code as text, where anything does, is what it prints."""
    examples = EXAMPLE.findall(page.read_text())
    assert examples
    for code, expected in examples:
        torch.manual_seed(0)
        exec(compile(code, page.name, "exec"), {})
        output = capsys.readouterr().out
        assert output and (not expected or output == expected)


def test_the_page_on_own_models_runs_from_top_to_bottom(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each measure in at most six lines, on what the page's first lines set up."""
    blocks = [code for code, _ in EXAMPLE.findall((ROOT / "docs" / "own_model.md").read_text())]
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for code in blocks:
        exec(compile(code, "own_model.md", "exec"), names)
        is_measure = "from measures import" in code
        assert bool(capsys.readouterr().out) == is_measure
        assert not is_measure or len([line for line in code.splitlines() if line]) <= 6
    assert sum("from measures import" in code for code in blocks) == 3


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_docstrings_print_what_they_say(name: str) -> None:
    # By its own name: a function of the same name hides the module in the package.
    module = importlib.import_module(f"measures.{name}")
    result = doctest.testmod(module, extraglobs={"np": np, "torch": torch})
    assert result.attempted > 0 and result.failed == 0
