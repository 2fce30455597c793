"""Components, settings and identity."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from measures.registry import Component, Registry, canonical_json, registry
from workers.spec import FAMILIES, RECIPE, TrialSpec

GOLDEN = Path(__file__).parent / "golden" / "trial_ids.json"


def spec(**changes: object) -> TrialSpec:
    parts = {
        "dataset": Component("mnist1d"),
        "model": Component("mlp", width=47),
        "optimizer": Component("sgd", learning_rate=0.01, momentum=0.9),
        "fit": Component("sgd", epochs=500, batch_size=100),
        "corruption": Component("random_labels", fraction=0.15),
    }
    return TrialSpec(**{**parts, **changes})


def example(_data: object, *, size: Annotated[int, Field(ge=1)] = 3, rate: float = 0.5, on: bool = False) -> object:
    """An example. With a second sentence."""
    return (size, rate, on)


@pytest.fixture
def family() -> Registry:
    return registry("example", [example])


def test_an_entry_is_described_by_its_signature(family: Registry) -> None:
    entry = family["example"]
    assert (entry.name, entry.summary) == ("example", "An example. With a second sentence")
    assert list(entry.settings_model.model_fields) == ["size", "rate", "on"]
    assert entry.input_types == (object,)
    assert family.call(Component("example", size=4), None) == (4, 0.5, False)


@pytest.mark.parametrize(
    ("component", "message"),
    [
        (Component("exmaple"), "unknown example 'exmaple'; known: example"),
        (Component("example", sise=1), "unknown setting 'sise' of example example; settings: size, rate, on"),
        (Component("example", size=0), r"size=0 is not valid: input should be greater than or equal to 1"),
        (Component("example", rate=float("nan")), r"rate=nan is not valid"),
        (Component("example", size="many"), r"size='many' is not valid"),
    ],
)
def test_bad_components_are_refused_by_value(family: Registry, component: Component, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        family.resolve(component)


def test_a_setting_needs_an_annotation_and_a_default() -> None:
    def careless(*, size=3):  # type: ignore[no-untyped-def]  # the fault under test
        return size

    with pytest.raises(TypeError, match="'size' of example careless needs an annotation and a default"):
        registry("example", [careless])["careless"].validate({})


def test_a_version_for_a_stranger_is_refused() -> None:
    with pytest.raises(ValueError, match="other"):
        registry("example", [example], versions={"other": 2})


@given(width=st.sampled_from([1, 1.0, True, "1"]))
def test_coercion_comes_before_identity(width: object) -> None:
    assert spec(model=Component("mlp", width=width)).trial_id == spec(model=Component("mlp", width=1)).trial_id


def test_defaults_are_left_out_of_identity() -> None:
    assert spec(model=Component("mlp", width=47, depth=2)) == spec()
    assert spec(schedule=Component("constant"), data_seed=0).trial_id == spec().trial_id


@given(st.permutations(["width", "depth"]))
def test_order_of_settings_does_not_matter(order: list[str]) -> None:
    values = {"width": 5, "depth": 3}
    assert Component("mlp", **{name: values[name] for name in order}) == Component("mlp", **values)


def test_every_part_of_a_spec_is_part_of_its_identity() -> None:
    changed = [
        spec(dataset=Component("mnist1d", num_examples=100)),
        spec(model=Component("mlp", width=48)),
        spec(optimizer=Component("sgd", learning_rate=0.02, momentum=0.9)),
        spec(fit=Component("sgd", epochs=501, batch_size=100)),
        spec(corruption=Component("none")),
        spec(schedule=Component("half_constant_linear")),
        spec(data_seed=1),
        spec(init_seed=1),
        spec(order_seed=1),
    ]
    assert len({trial.trial_id for trial in [spec(), *changed]}) == len(changed) + 1
    fields = {field.name for field in dataclasses.fields(TrialSpec)}
    assert fields == {*FAMILIES, "data_seed", "init_seed", "order_seed"}, "a new field needs a line above"


def test_ids_are_those_of_the_golden_file() -> None:
    """A changed default changes ids without a word: bump RECIPE, then this file."""
    golden = json.loads(GOLDEN.read_text())
    assert golden["recipe"] == RECIPE
    assert {name: TrialSpec.from_json(each["spec"]).trial_id for name, each in golden["trials"].items()} == {
        name: each["trial_id"] for name, each in golden["trials"].items()
    }


def test_a_spec_survives_json() -> None:
    assert TrialSpec.from_json(json.loads(json.dumps(spec().to_json()))) == spec()


def test_online_measures_are_named_or_have_settings() -> None:
    def taking(*online: object) -> TrialSpec:
        return spec(fit=Component("sgd", epochs=500, batch_size=100, online=online))

    assert taking().trial_id == spec().trial_id
    named = taking("gradient_norm")
    assert named == taking(Component("gradient_norm")) and named.trial_id != spec().trial_id
    assert named.parameters["fit.online"] == ("gradient_norm",)
    elsewhere = taking("gradient_norm", Component("bias_variance", layer="hidden2"))
    assert elsewhere.trial_id != taking("gradient_norm", "bias_variance").trial_id
    assert elsewhere.parameters["fit.online"] == ("gradient_norm", ["bias_variance", {"layer": "hidden2"}])
    assert TrialSpec.from_json(json.loads(json.dumps(elsewhere.to_json()))) == elsewhere


@pytest.mark.parametrize(
    ("online", "message"),
    [
        (("sharpness",), "unknown online measure 'sharpness'; known: bias_trajectory, "),
        ((Component("bias_variance", layers=1),), "unknown setting 'layers' of online measure bias_variance"),
        ((3,), "named, or given as a Component"),
        (("gradient_norm", "gradient_norm"), "gradient_norm can be taken once"),
    ],
)
def test_bad_online_measures_are_refused(online: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spec(fit=Component("sgd", online=online))


def test_a_stray_field_in_json_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown field 'colour' of a trial"):
        TrialSpec.from_json({**spec().to_json(), "colour": "red"})


@pytest.mark.parametrize("seed", [-1, 1.5, True, 2**32])
def test_bad_seeds_are_refused(seed: object) -> None:
    with pytest.raises(ValueError, match="init_seed="):
        spec(init_seed=seed)


def test_the_canonical_encoder_refuses_what_json_cannot_hold() -> None:
    with pytest.raises(ValueError, match="cannot be written deterministically"):
        canonical_json({"x": float("inf")})
    with pytest.raises(ValueError, match="cannot be written deterministically"):
        canonical_json({"x": object()})
    assert canonical_json({"b": -0.0, "a": [1]}) == '{"a":[1],"b":0.0}'
