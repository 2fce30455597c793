"""Examples in the docstrings of measures and on their pages run as they stand."""

import doctest
import importlib
import re
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
MODULES = sorted(path.stem for path in (ROOT / "measures").glob("*.py") if ">>> " in path.read_text())
PAGES = sorted((ROOT / "docs" / "measures").glob("*.md"), key=lambda page: page.name)


@pytest.fixture(autouse=True)
def fixed_draws() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_docstrings(name: str) -> None:
    results = doctest.testmod(importlib.import_module(f"measures.{name}"))
    assert results.attempted > 0 and results.failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples_of_pages(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    assert len(blocks) == 1
    exec(compile(blocks[0], page.name, "exec"), {"__name__": page.stem})
    assert capsys.readouterr().out
