"""A refined study as the store tells it: the trials it has grown by, and what the report says of them."""

from collections.abc import Mapping

from orchestrator.growth import grown, growth_line, growth_sections
from orchestrator.publish import declaration, manifest
from orchestrator.study import Study
from tests.orchestrator.test_refine import bump, fitted_from, grid
from workers.record import Point, RunRecord


def records(study: Study, without: str = "", status: str = "FINISHED") -> dict[str, RunRecord]:
    """Runs of all trials but one, with the losses and errors of known curves."""
    return {
        trial.trial_id: RunRecord(
            trial.trial_id,
            "name",
            status,
            {},
            {"sweep.trial_id": trial.trial_id},
            {
                "test/loss": Point(9, bump(37)(trial.model["width"], 0)),
                "train/error": Point(9, fitted_from(60)(trial.model["width"], 0)),
            },
        )
        for trial in study.trials
        if trial.trial_id != without
    }


def finished(declared: Study) -> tuple[Study, Mapping[str, RunRecord]]:
    """The study when it grows no more."""
    study = grown(declared, {})
    while len((larger := grown(declared, records(study))).trials) > len(study.trials):
        study = larger
    return study, records(study)


def test_a_study_grows_by_what_is_stored_and_the_same_store_gives_the_same_study() -> None:
    declared = grid(factor=1.3)
    assert grown(declared, {}).trials == declared.trials
    first = grown(declared, records(declared))
    assert first.trials[: len(declared.trials)] == declared.trials and len(first.trials) > len(declared.trials)
    study, stored = finished(declared)
    assert grown(declared, dict(reversed(stored.items()))).trials == study.trials
    assert declaration(grid(factor=1.3)) != declaration(grid(factor=1.1))
    assert [each["trial_id"] for each in manifest(study)["trials"]] == [t.trial_id for t in study.trials]


def test_it_waits_for_a_trial_that_is_not_finished() -> None:
    declared = grid()
    assert grown(declared, records(declared, without=declared.trials[0].trial_id)).trials == declared.trials
    assert grown(declared, records(declared, status="FAILED")).trials == declared.trials


def test_the_next_round_is_told() -> None:
    declared = grid()
    study = grown(declared, records(declared))
    new = study.trials[len(declared.trials) :]
    widths = ", ".join(str(width) for width in sorted(trial.model["width"] for trial in new))
    assert new and growth_line(study, new) == f"refine: {len(new)} trials to train in addition, model.width {widths}"


def test_the_report_says_what_was_added_and_how_exactly_the_places_are_known() -> None:
    declared = grid(factor=1.3)
    study, stored = finished(declared)
    (section,) = growth_sections(declared, study, stored)
    added = sorted(trial.model["width"] for trial in study.trials[len(declared.trials) :])
    assert section.title == "Refinement"
    assert section.lines[0].endswith(f"a factor of 1.3: {len(added)} trials in addition to the 6 declared ones")
    assert section.lines[1].startswith("all trials: test/loss peaks at ")
    assert f"; added: {', '.join(map(str, added))}; " in section.lines[1]
    assert f"{len(study.trials)} values in all, a uniform grid of that resolution has 21" in section.lines[1]
    assert "one replicate" in section.lines[1]


def test_the_report_says_why_nothing_is_added() -> None:
    declared = grid(max_trials=7)
    (bounded,) = growth_sections(declared, declared, records(declared))
    assert bounded.lines[1].endswith("stopped by max_trials=7")
    (waiting,) = growth_sections(grid(), grid(), records(grid(), without=grid().trials[0].trial_id))
    assert waiting.lines[1].endswith("not finished: 1 of 6 trials; nothing is added before")
    assert growth_sections(grid_without_refinement(), grid_without_refinement(), {}) == ()


def grid_without_refinement() -> Study:
    declared = grid()
    return Study(name="s", question="q", expected="e", trials=declared.trials, axes=declared.axes)
