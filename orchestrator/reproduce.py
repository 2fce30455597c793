"""Reproduce: run a recorded study again from its manifest, and hold every number against the recorded one."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from orchestrator.environment import CannotStart
from orchestrator.launch import FAILED, OK, Launch, Settings
from orchestrator.publish import declaration, kept_run
from orchestrator.report.numerals import significant
from orchestrator.reproduction import Number, Tally, Verdict, judged, recorded_study, tallies
from orchestrator.study import Study, run_name
from workers.checkpoint import DamagedCheckpoint
from workers.datasets.prepared import prepared
from workers.record import CHECKPOINT, Point, RunRecord
from workers.store_address import store_exists
from workers.trial import package_versions

MIRRORED = "hp/"


def reproduce(run_id: str, settings: Settings, console: Console, sample: int | None = None) -> int:
    """Train and measure what the study of a run declares, anew, and print how each number came again; the exit code.

    It goes into an experiment of its own in the same store, so what an interrupted reproduction has done is kept.
    """
    manifest, recorded = _recorded(run_id, settings)
    study = recorded_study(manifest, f"{manifest['study']}-again-{run_id[:8]}", sample)
    _check_data(study, recorded, settings)
    _tell_versions(recorded, console)
    launch = Launch(study, settings, console)
    ended = launch.run()
    again = launch.records()
    compared = [trial for trial in study.trials if recorded.get(trial.trial_id, _NOTHING).status == "FINISHED"]
    names = {trial.trial_id: run_name(trial, study.axes) for trial in compared}
    numbers = judged(_histories(launch, names, recorded), _histories(launch, names, again))
    damaged = _damaged(launch, names, recorded)
    identical, checkpoints = _checkpoints(names, recorded, again)
    found = tallies(numbers)
    console.print(_table(found))
    console.print(f"checkpoints: {identical} of {checkpoints} identical", highlight=False)
    for problem in damaged:
        console.print(f"damaged: {problem}", markup=False, highlight=False, soft_wrap=True)
    verdict = _verdict(numbers, len(compared), len(study.trials), damaged)
    console.print(verdict, highlight=False, soft_wrap=True)
    _keep(launch, study, run_id, verdict, numbers, found, damaged)
    return OK if ended == OK and verdict.startswith("reproduced") else FAILED


_NOTHING = RunRecord("", "", "", {}, {}, {})


def _recorded(run_id: str, settings: Settings) -> tuple[Mapping[str, Any], Mapping[str, RunRecord]]:
    """The manifest that a study's run keeps, and the run of each trial id."""
    settings.check_store()
    if not store_exists(settings.store_uri):
        raise CannotStart(f"there is no store at {settings.store_uri}: name the one that holds run {run_id!r}")
    store = settings.open_store()
    try:
        manifest = store.read_json(run_id, "manifest.json")
    except FileNotFoundError:
        raise CannotStart(
            f"run {run_id!r} of {settings.store_uri} has no manifest: name a study's own run, tagged sweep.role = sweep"
        ) from None
    experiment = store.find_study(manifest["study"])
    runs = [] if experiment is None else store.runs(experiment, "trial")
    return manifest, {run.trial_id: run for run in reversed(runs)}


def _check_data(study: Study, recorded: Mapping[str, RunRecord], settings: Settings) -> None:
    """CannotStart where a data set is not there, or is not the one that was trained on."""
    here: dict[tuple[Any, int], str] = {}
    for trial in study.trials:
        source = trial.dataset, trial.data_seed
        if source not in here:
            try:
                here[source] = prepared(*source, settings.runtime.cache).sha256
            except (ValueError, OSError) as error:
                raise CannotStart(f"data set {trial.dataset}: {error}") from None
        then = recorded.get(trial.trial_id, _NOTHING).tags.get("provenance.dataset_sha256", here[source])
        if then != here[source]:
            raise CannotStart(
                f"data set {trial.dataset} has SHA-256 {here[source][:16]} here, and had {then[:16]} when it was "
                "recorded: other files, or another version of what generates them"
            )


def _tell_versions(recorded: Mapping[str, RunRecord], console: Console) -> None:
    here = package_versions()
    packages = {record.tags.get("provenance.packages", "") for record in recorded.values()}
    for words in sorted(packages - {""}):
        then = dict(word.split("=", 1) for word in words.split())
        changed = [
            f"{name} {found} then, {here.get(name, 'none')} here"
            for name, found in then.items()
            if found != here.get(name)
        ]
        if changed:
            console.print(f"other versions: {'; '.join(changed)}", highlight=False, soft_wrap=True)


def _histories(
    launch: Launch, names: Mapping[str, str], records: Mapping[str, RunRecord]
) -> dict[tuple[str, str], list[Point]]:
    """Every point of every metric that was not a setting."""
    return {
        (name, key): launch.store.history(records[trial_id].run_id, key)
        for trial_id, name in names.items()
        if trial_id in records
        for key in records[trial_id].points
        if not key.startswith(MIRRORED)
    }


def _damaged(launch: Launch, names: Mapping[str, str], recorded: Mapping[str, RunRecord]) -> list[str]:
    """Recorded checkpoints that are no longer what was stored."""
    problems: list[str] = []
    for trial_id, name in names.items():
        record = recorded[trial_id]
        for step in record.checkpoints:
            try:
                launch.store.read_state(record.run_id, trial_id, step)
            except (DamagedCheckpoint, FileNotFoundError) as error:
                problems.append(f"{name}: {error}")
    return problems


def _checkpoints(
    names: Mapping[str, str], recorded: Mapping[str, RunRecord], again: Mapping[str, RunRecord]
) -> tuple[int, int]:
    """How many of the recorded checkpoints came again with the same hash, and how many there are."""
    pairs = [
        (sha256, again.get(trial_id, _NOTHING).tags.get(tag))
        for trial_id in names
        for tag, sha256 in recorded[trial_id].tags.items()
        if tag.startswith(CHECKPOINT)
    ]
    return sum(then == now for then, now in pairs), len(pairs)


def _table(found: tuple[Tally, ...]) -> Table:
    """One row for all quantities of a kind that came again to the last bit, one for each that did not."""
    table = Table(*Verdict, "largest difference", "quantity")
    exact = [tally for tally in found if tally.is_exact]
    for kind in dict.fromkeys(tally.quantity.split("/")[0] for tally in exact):
        alike = [tally for tally in exact if tally.quantity.split("/")[0] == kind]
        many = f"{kind}/* ({len(alike)} quantities)" if len(alike) > 1 else alike[0].quantity
        table.add_row(str(sum(tally.counts[Verdict.IDENTICAL] for tally in alike)), "", "", "", "0", many)
    for tally in found:
        if not tally.is_exact:
            counts = [str(tally.counts[verdict] or "") for verdict in Verdict]
            table.add_row(*counts, significant(tally.largest_difference), tally.quantity)
    return table


def _verdict(numbers: tuple[Number, ...], compared: int, declared: int, damaged: list[str]) -> str:
    counts = {verdict: sum(number.verdict is verdict for number in numbers) for verdict in Verdict}
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    good = numbers and not counts[Verdict.DIFFERENT] and not counts[Verdict.MISSING] and not damaged
    kind = "not reproduced" if not good else "reproduced" if counts[Verdict.WITHIN] else "reproduced exactly"
    also = f"; {len(damaged)} recorded checkpoints are damaged" if damaged else ""
    return (
        f"{kind}: {compared} of {declared} trials were recorded to their end; of their numbers {told or 'none'}{also}"
    )


def _keep(
    launch: Launch,
    study: Study,
    run_id: str,
    verdict: str,
    numbers: tuple[Number, ...],
    found: tuple[Tally, ...],
    damaged: list[str],
) -> None:
    """The judgement, on the reproduction's own run in the store."""
    experiment = launch.store.find_study(study.name)
    kept = None if experiment is None else kept_run(launch.store, experiment, declaration(study))
    if kept is None:
        return
    differing = [number for number in numbers if number.verdict in (Verdict.DIFFERENT, Verdict.MISSING)]
    judgement = {
        "of": run_id,
        "verdict": verdict,
        "quantities": [dataclasses.asdict(tally) for tally in found],
        "different": [dataclasses.asdict(number) for number in differing],
        "damaged": damaged,
    }
    launch.store.write_json(kept.run_id, "reproduction.json", _jsonable(judgement))
    launch.store.set_tags(kept.run_id, {"sweep.reproduction_of": run_id, "sweep.verdict": verdict})


def _jsonable(value: Any) -> Any:
    """JSON has no infinity and no NaN: they are written as text."""
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    return str(value) if isinstance(value, float) and value - value != 0 else value
