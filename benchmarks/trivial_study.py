"""A study of trials that take no time, for what a trial costs beside its training."""

from typing import Annotated

from pydantic import Field

from measures.registry import Component
from orchestrator.report.axis import Axis
from orchestrator.report.claim_kinds import Follows, Peak
from orchestrator.report.presentation import Panel, Presentation, Series
from orchestrator.study import Study
from workers.spec import TrialSpec


def trivial_study(*, trials: Annotated[int, Field(ge=1, le=100_000)] = 200) -> Study:
    """What does a trial cost that trains two units for two steps?"""
    return Study(
        name="trivial",
        question="What does a trial cost that trains two units for two steps?",
        expected="Less than a quarter of a second.",
        trials=tuple(
            TrialSpec(
                dataset=Component("mnist1d", num_examples=100),
                model=Component("mlp", width=2, depth=1),
                optimizer=Component("sgd", learning_rate=0.01),
                fit=Component("sgd", epochs=1, batch_size=13),
                order_seed=i,
            )
            for i in range(trials)
        ),
        axes=("order_seed",),
        presentation=Presentation(
            x=Axis("order_seed", "seed of the order"),
            panels=(
                Panel("error", (Series("train/error", "train"), Series("test/error", "test"))),
                Panel("test loss", (Series("test/loss", "test"),)),
            ),
            claims=(Peak("test/loss", "test loss"), Follows("train/loss", "test/loss", "train loss", "test loss")),
        ),
    )
