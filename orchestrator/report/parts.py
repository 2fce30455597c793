"""Parts of a report: each presentation of a study with all that it shows, worked out once."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.report.claims import Finding, findings
from orchestrator.report.courses import Course, courses
from orchestrator.report.curves import Column, averaged_over, curves
from orchestrator.report.group_findings import ComparedGroups, compared_groups, group_findings
from orchestrator.report.presentation import Presentation
from orchestrator.report.profiles import profiles
from orchestrator.report.shown_arrays import ShownArray, shown_arrays
from orchestrator.report.table import Results

GROUPS_SEED = 1


@dataclass(frozen=True)
class Part:
    """One presentation: its columns of curves, its courses, the lines of each of its profiles, its maps of arrays.

    And the verdicts on its claims, what its points average, and what each method finds of its groups of networks.
    """

    presentation: Presentation
    columns: tuple[Column, ...]
    courses: tuple[Course, ...]
    profiles: tuple[Sequence[Course], ...]
    array_maps: tuple[Sequence[ShownArray], ...]
    findings: tuple[Finding, ...]
    averaged_over: tuple[str, ...]
    groups: tuple[ComparedGroups, ...] = ()

    @property
    def x_label(self) -> str:
        return "" if self.presentation.x is None else self.presentation.x.label

    @property
    def names(self) -> Collection[str]:
        """The names on its x axis, if that has any."""
        return () if self.presentation.x is None else self.presentation.x.names


def parts(results: Results, presentation: Presentation, generator: np.random.Generator) -> Iterator[Part]:
    """The presentation and those beside it."""
    for each in presentation.parts:
        columns = curves(results, each)
        column_of = {trial_id: column.label for column in columns for trial_id in column.trial_ids}
        # From draws of its own, so that it moves no other interval.
        groups = compared_groups(results, each.groups, np.random.default_rng(GROUPS_SEED))
        yield Part(
            each,
            columns,
            courses(results, each, column_of),
            profiles(results, each, column_of),
            shown_arrays(results, each, column_of),
            (*findings(columns, each, generator), *group_findings(each.groups, groups)),
            averaged_over(results, each),
            groups,
        )
