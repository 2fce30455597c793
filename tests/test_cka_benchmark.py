"""The benchmark of CKA runs at toy size, with equal values on both sides."""

import re
import runpy
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "cka.py"


def test_prints_equal_values_and_the_ratio(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", [str(BENCHMARK), "--examples", "40", "--widths", "5", "60"])
    runpy.run_path(str(BENCHMARK), run_name="__main__")
    printed = capsys.readouterr().out
    assert re.search(r"values from 0\.\d+ to 0\.\d+; largest difference \d\.\de-1\d", printed)
    assert re.search(r"ratio peer / ours: \d+\.\d", printed)
    assert "4 pairs, 40 examples, widths [5, 60]; cpu" in printed
