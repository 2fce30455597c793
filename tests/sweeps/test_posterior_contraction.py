"""The study of posteriors that contract: the published grid, its numbers, and what its claims say of them."""

import importlib.util
import re
from dataclasses import replace

import numpy as np
import pytest

from measures import Measurement, Snapshot, measures
from measures.registry import Component
from orchestrator.plan import plan
from orchestrator.report.build import ReportHeader, build_report
from orchestrator.report.curves import curves, has_place
from orchestrator.report.presentation import Presentation
from orchestrator.report.table import Results, Row, Trial
from orchestrator.results import results
from orchestrator.study import Study
from sweeps import studies
from sweeps.posterior_contraction import (
    NETWORK,
    PROTOCOLS,
    PUBLISHED_FEATURES,
    features_trial,
    linear_trial,
    posterior_contraction,
)
from tests.workers.memory_session import MemorySession
from workers.building import build_problem
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.training import train


def test_the_paper_preset_has_the_published_protocol_and_plans() -> None:
    study = posterior_contraction(preset="paper", network_posterior=True)
    assert study.name == "posterior_contraction_paper"
    assert len(plan(study, {}).train) == len(study.trials) == 300 * 5 + 198 + 40 * 5 + 21 * 5
    kinds: dict[str, list[TrialSpec]] = {}
    for trial in study.trials:
        kinds.setdefault(trial.dataset.name, []).append(trial)
    (measured,) = study.measured
    settings = dict(measured.measure.settings)
    assert settings == {"prior_variance": 3.0, "noise_variance": 0.1, "z": 5.0, "gram_z": 0.2}
    linear = kinds["bayesian_linear"][0]
    assert linear.fit["ridge"] == pytest.approx(0.1 / 3)
    assert {(each.dataset["num_train"], each.dataset["num_frequencies"]) for each in kinds["bayesian_linear"]} == {
        (300, 100)
    }
    published = [each for each in kinds["random_features"] if each.dataset["draws"] == "published"]
    assert [each.dataset["num_features"] for each in published] == list(range(5, 400, 2))
    assert {(each.data_seed, each.dataset["num_train"], each.fit["ridge"]) for each in published} == {(88, 200, 0.0)}
    network = kinds["growing_wave"]
    assert {tuple(dict(each.fit.settings).values()) for each in network} == {(0.01, 2000, 2000, 1.0)}
    assert {each.dataset["num_train"] for each in network} >= {20, 100, 200, 500, 1000, 2000, 5000}
    assert dict(network[0].model.settings) == {"width": 20, "depth": 1, "bias": False}


@pytest.mark.parametrize("preset", PROTOCOLS)
def test_every_trial_is_drawn_somewhere_and_the_network_only_if_asked_for(preset: str) -> None:
    for asked in (False, True):
        study = posterior_contraction(preset=preset, network_posterior=asked, replicates=2)  # type: ignore[arg-type] # a Literal
        assert study.name == posterior_contraction(preset=preset).name, "so only what is added is trained"  # type: ignore[arg-type] # a Literal
        axes = [part.x for part in study.presentation.parts if part.x is not None]
        table = results(study, {})
        assert all(sum(has_place(trial, axis) for axis in axes) == 1 for trial in table.trials)
        assert ("growing_wave" in {trial.dataset.name for trial in study.trials}) == asked
        for part in study.presentation.parts:
            curves(table, part)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preset": "huge"}, "preset='huge' is not valid: input should be 'quick' or 'paper'"),
        ({"replicates": 0}, "replicates=0 is not valid"),
        ({"network_posterior": True, "network_points": (1,)}, "network_points.0=1 is not valid"),
        ({"network_posterior": True, "network_points": (20, 20)}, "twice"),
        ({"draws": 10}, "draws=10 is not valid"),
    ],
)
def test_bad_values_are_refused_in_one_line(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        studies.call(Component("posterior_contraction", **settings))
    assert "\n" not in str(refused.value)


def trained(trial: TrialSpec, runtime: Runtime, study: Study) -> tuple[dict[str, float], Measurement]:
    """Its last metrics, and what the study's measure says of it."""
    session = MemorySession(frozenset())
    train(trial, runtime, session)
    problem = build_problem(trial, runtime)
    problem.network.module.load_state_dict(session.states[1].part("model"))
    snapshot = Snapshot(problem.network.module.eval(), (), problem.train, problem.test, problem.loss.mean)
    (measured,) = study.measured
    return {key: value for (key, step), value in session.points.items() if step == 1}, measures.call(
        measured.measure, snapshot
    )


def test_the_published_random_features_come_again(runtime: Runtime) -> None:
    study = posterior_contraction()
    for num_features, test, train_error, undetermined in ((199, 1.9625, 0.0033, 5.9328), (201, 1.3401, 0.0, 6.4193)):
        found, measured = trained(features_trial(num_features, "published", 88), runtime, study)
        assert found["test/relative_error"] == pytest.approx(test, abs=5.1e-5)
        assert found["train/relative_error"] == pytest.approx(train_error, abs=5.1e-5)
        assert measured.values["undetermined"].value == pytest.approx(undetermined, abs=5.1e-5)


def test_the_fit_is_the_mean_of_the_posterior(runtime: Runtime) -> None:
    """The first trial of the paper preset, and one in the middle, against the posterior's formula."""
    for num_seen in (1, 40):
        trial = linear_trial(num_seen, 0)
        session = MemorySession(frozenset())
        train(trial, runtime, session)
        problem = build_problem(trial, runtime)
        x, y = problem.train.inputs.double().numpy(), problem.train.targets.double().numpy()
        covariance = np.linalg.inv(x.T @ x / 0.1 + np.eye(200) / 3)
        weights = session.states[1].part("model")["output.weight"][0].numpy()
        np.testing.assert_allclose(weights, covariance @ x.T @ y / 0.1, atol=1e-5)
    assert linear_trial(1, 0) == posterior_contraction(preset="paper").trials[0]


def table(
    dataset: str, parameter: str, values: dict[str, dict[float, float]], replicates: int, **parameters: str
) -> Results:
    """A done trial at each x and replicate, with these values of the quantities; replicates differ by a thousandth."""
    trials, rows = [], []
    for x in next(iter(values.values())):
        for seed in range(replicates):
            known = {"dataset": dataset, parameter: x, "init_seed": seed, **parameters}
            trials.append(Trial(f"{x}-{seed}", "", known, "done", 1.0, "", None, ()))
            rows += [
                Row(f"{x}-{seed}", 1, name, each[x] * (1 + 1e-3 * seed), None)
                for name, each in values.items()
                if x in each
            ]
    return Results(tuple(trials), tuple(rows))


def verdicts(results: Results, presentation: Presentation) -> dict[str, str]:
    report = build_report(ReportHeader("study", "question?", "expected", "command"), results, presentation)
    assert "figure.png" in report.files
    return {finding.claim: finding.verdict for finding in report.findings}


def test_on_the_published_curve_what_is_labelled_effective_dimensionality_peaks_and_the_thing_itself_rises() -> None:
    xs = (5, 75, 125, 175, 199, 201, 225, 275, 399)
    undetermined = dict(zip(xs, (0.01, 0.1165, 0.5, 1.4229, 5.9328, 6.4193, 1.5364, 0.6, 0.2042), strict=True))
    values = {
        "test/relative_error": dict(
            zip(xs, (0.4, 0.1339, 0.14, 0.1742, 1.9625, 1.3401, 0.2251, 0.1, 0.0628), strict=True)
        ),
        "train/relative_error": dict(zip(xs, (0.4, 0.0878, 0.04, 0.0207, 0.0033, 0, 0, 0, 0), strict=True)),
        "linear_posterior/undetermined": undetermined,
        "linear_posterior/gram_dimensionality": {x: min(200, x) - undetermined[x] for x in xs},
    }
    found = verdicts(
        table("random_features", "dataset.num_features", values, 1, **{"dataset.draws": "published"}),
        PUBLISHED_FEATURES,
    )
    assert found.pop("N_eff itself peaks inside the range") == "does not hold"
    follows = found.pop("min(n, d) - N_eff follows test error")
    assert follows in ("holds", "cannot be judged")
    assert set(found.values()) == {"holds"}


@pytest.mark.parametrize(("share", "verdict"), [(0.999, "holds"), (0.5, "does not hold")])
def test_the_artefact_of_a_tiny_z_is_told_from_a_finding(share: float, verdict: str) -> None:
    xs = (20, 50, 100, 200, 500)
    names = ("published_parameter_dimensionality", "parameter_dimensionality", "published_function_dimensionality")
    values = {f"posterior/{name}": {x: 1000.0 / x for x in xs} for name in names}
    values["posterior/share_of_ceiling"] = dict.fromkeys(xs, share)
    values["posterior/function_dimensionality"] = dict.fromkeys(xs, 3.0)
    values["posterior/largest_split_rhat"] = dict.fromkeys(xs, 1.01)
    values |= {"train/relative_error": dict.fromkeys(xs, 0.1), "test/relative_error": dict.fromkeys(xs, 0.1)}
    found = verdicts(table("growing_wave", "dataset.num_train", values, 3), NETWORK)
    assert found["share of its ceiling that the published N_eff of the function reaches is above 0.98"] == verdict
    assert found["N_eff of the function, as published rises with x"] == "does not hold"
    assert found["N_eff of the parameters, as published falls with x"] == "holds"


@pytest.mark.skipif(importlib.util.find_spec("numpyro") is None, reason="numpyro: of the extra `posterior`")
@pytest.mark.timeout(180)
def test_a_chain_of_the_study_runs(runtime: Runtime) -> None:
    trial = posterior_contraction(network_posterior=True, network_points=(20,), draws=40).trials[-1]
    session = MemorySession(frozenset())
    short = replace(trial, fit=Component("nuts", num_warmup=4, num_samples=40))
    train(short, runtime, session)
    quantities = {series.quantity for panel in NETWORK.panels for series in panel.series}
    assert quantities <= {name for name, step in session.points if step == 44}
