"""Whether a quantity has the published numbers: constructed cases on both sides of the tolerance, and in between."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from orchestrator.report.axis import Axis
from orchestrator.report.claim_kinds import Agrees
from orchestrator.report.claims import Finding, findings
from orchestrator.report.curves import curves
from orchestrator.report.presentation import Presentation
from orchestrator.report.rules import rules
from orchestrator.report.table import Results, Row, Trial

CLAIM = Agrees("error", "test error", {10: 0.5, 20: 1.0}, 0.1, published="0.5 and 1")


def judged(values: Mapping[float, Sequence[float | str]], claim: Agrees = CLAIM) -> Finding:
    """On done trials at each x, one for each seed; the number of a text is a lower bound."""
    presentation = Presentation(x=Axis("width", "width"), claims=(claim,))
    trials = [
        (Trial(f"{x}-{i}", "", {"width": x, "init_seed": i}, "done", 1.0, "", None, ()), value)
        for x, each in values.items()
        for i, value in enumerate(each)
    ]
    rows = tuple(Row(trial.trial_id, 0, "error", float(value), None, isinstance(value, str)) for trial, value in trials)
    table = Results(tuple(trial for trial, _ in trials), rows)
    (finding,) = findings(curves(table, presentation), presentation, np.random.default_rng(0))
    return finding


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({10: (0.5,), 20: (1.0,)}, "holds"),  # the published draws again: no error, and none is needed
        ({10: (0.45,), 20: (1.09,), 30: (9.0,)}, "holds"),
        ({10: (0.5,), 20: (1.11,)}, "does not hold"),
        ({10: (0.49, 0.51), 20: (0.99, 1.01)}, "holds"),
        ({10: (0.49, 0.51), 20: (1.2, 1.21)}, "does not hold"),
        ({10: (0.49, 0.51), 20: (1.0, 1.2)}, "cannot be judged"),  # 1.1 ± 0.1: on both sides of the tolerance
        ({10: (0.1, 0.9), 20: (0.99, 1.01)}, "cannot be judged"),  # a mean that agrees, but nobody knows it well
        ({10: (0.5,)}, "cannot be judged"),
        ({10: (0.8,)}, "does not hold"),
        ({30: (0.5,)}, "cannot be judged"),
        ({10: (0.5,), 20: ("0.9",)}, "cannot be judged"),
        ({10: (0.5,), 20: ("1.2",)}, "does not hold"),
    ],
)
def test_verdicts(values: Mapping[float, Sequence[float | str]], verdict: str) -> None:
    assert judged(values).verdict == verdict


def test_the_sentence_has_both_numbers_at_each_place() -> None:
    finding = judged({10: (0.52,), 20: (0.97,)})
    assert finding.claim == "test error is within 0.1 of the published number"
    assert "0.520000 at width 10 (published 0.5), 0.970000 at width 20 (published 1)" in finding.sentence
    assert finding.numbers["largest_difference"] == pytest.approx(0.03)
    assert "no value at 1 of 2" in judged({10: (0.5,)}).sentence
    assert "none of the 2 values of width" in judged({30: (0.5,)}).sentence


def test_the_rule_is_told() -> None:
    assert any("within a tolerance" in rule for rule in rules([Presentation(claims=(CLAIM,))]))
