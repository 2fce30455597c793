"""Growth: a study with the trials that its own results have asked for so far.

Like the state of a trial this is derived from the store and kept nowhere else: the same records give the same study. So
an interrupted refinement is continued by the same command, and a finished one has nothing to add.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from orchestrator.refine import Located, Place, locate, refined, uniform_grid
from orchestrator.report.build import Section
from orchestrator.report.numerals import position, significant
from orchestrator.results import results
from orchestrator.search import drawn_trials, search_lines
from orchestrator.study import Study
from workers.record import RunRecord
from workers.spec import TrialSpec


def grown(declared: Study, records: Mapping[str, RunRecord]) -> Study:
    """The study with all trials that were drawn, or added to the declared ones, or are to be added next."""
    if declared.search is not None:
        return replace(declared, trials=drawn_trials(declared.search, records.values()))
    study = declared
    while new := refined(study, results(study, records)):
        study = replace(study, trials=study.trials + new)
    return study


def growth_line(study: Study, new: Sequence[TrialSpec]) -> str:
    """One sentence: what the next round adds."""
    assert study.refine is not None, "only such a study grows by rounds"
    axis = study.refine.axis
    values = ", ".join(position(x) for x in sorted({trial.parameters[axis] for trial in new}))
    return f"refine: {len(new)} trials to train in addition, {axis} {values}"


def growth_sections(declared: Study, study: Study, records: Mapping[str, RunRecord]) -> tuple[Section, ...]:
    """What a report says of how the study has grown."""
    if study.search is not None:
        return (Section("Search", search_lines(study.search, records.values())),)
    if study.refine is None:
        return ()
    located = locate(study, results(study, records))
    added = len(study.trials) - len(declared.trials)
    first = (
        f"Values of {study.refine.axis} are added until the peak of {study.refine.quantity}, and where "
        f"{study.refine.threshold} is first 0, are known to a factor of {study.refine.factor:g}: {added} trials in "
        f"addition to the {len(declared.trials)} declared ones"
    )
    known = {trial.trial_id for trial in declared.trials}
    return (Section("Refinement", (first, *(_column_words(each, known, study) for each in located))),)


def _column_words(located: Located, declared: set[str], study: Study) -> str:
    column, refine = located.column, study.refine
    assert refine is not None, "only a refined study has such columns"
    added = sorted({t.parameters[refine.axis] for t in column.trials if t.trial_id not in declared})
    label = ", ".join(f"{name} {value}" for name, value in column.settings.items()) or "all trials"
    uniform = len(uniform_grid(column.xs[0], column.xs[-1], refine.factor, column.integers))
    words = [
        _peak_words(located.peak, refine.quantity),
        _threshold_words(located.threshold, refine.threshold),
        f"added: {', '.join(position(x) for x in added) or 'nothing'}",
        f"{len(column.xs)} values in all, a uniform grid of that resolution has {uniform}",
    ]
    if len(column.trials) == len(column.xs):
        words.append("one replicate: so it is with these networks, and another seed may differ by more")
    if column.unfinished:
        words.append(f"not finished: {column.unfinished} of {len(column.trials)} trials; nothing is added before")
    elif located.add:
        words.append(f"stopped by max_trials={refine.max_trials}")
    return f"{label}: {'; '.join(words)}"


def _peak_words(peak: Place | str, quantity: str) -> str:
    if isinstance(peak, str):
        return peak
    also = f", not to be told from {', '.join(map(position, peak.also))} within the noise" if peak.also else ""
    return (
        f"{quantity} peaks at {position(peak.at)}{also}, between {position(peak.low)} and {position(peak.high)} "
        f"(known to a factor of {significant(peak.factor)})"
    )


def _threshold_words(threshold: Place | str, quantity: str) -> str:
    if isinstance(threshold, str):
        return threshold
    return (
        f"{quantity} is first 0 at {position(threshold.at)}, and not at {position(threshold.low)} "
        f"(known to a factor of {significant(threshold.factor)})"
    )
