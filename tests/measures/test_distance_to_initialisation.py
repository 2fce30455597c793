"""Distance between two sets of weights."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from measures import distance_to_initialisation


def test_networks_and_state_dicts() -> None:
    initial = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    model = copy.deepcopy(initial)
    model[0].weight.data += 2.0
    model[1].bias.data[0] -= 3.0
    model[1].running_mean += 1.0
    found = distance_to_initialisation(model, initial)
    assert list(found) == ["0.weight", "0.bias", "1.weight", "1.bias", "all"]
    assert found["0.weight"] == pytest.approx(math.sqrt(48)) and found["1.bias"] == pytest.approx(3.0)
    assert found["all"] == pytest.approx(math.sqrt(57))
    assert found["0.bias"] == found["1.weight"] == 0.0
    states = distance_to_initialisation(model.state_dict(), initial.state_dict())
    assert states["1.running_mean"] == pytest.approx(2.0) and states["all"] == pytest.approx(math.sqrt(61))


def test_is_the_norm_of_the_flattened_difference_in_float64() -> None:
    generator = torch.Generator().manual_seed(0)
    now, then = ({"a": torch.randn(9, generator=generator), "b": torch.randn(2, 3, generator=generator)} for _ in "12")
    difference = np.concatenate([(now[k].double() - then[k].double()).numpy().ravel() for k in now])
    assert distance_to_initialisation(now, then)["all"] == pytest.approx(np.linalg.norm(difference), rel=1e-15)
    assert distance_to_initialisation(then, now) == distance_to_initialisation(now, then)


@pytest.mark.parametrize(
    ("model", "initial", "message"),
    [
        ({"a": torch.ones(2)}, {"b": torch.ones(2)}, "only one of them holds a, b"),
        ({"a": torch.ones(2)}, {"a": torch.ones(1)}, r"'a' has shape \(2,\), and \(1,\) initially"),
        ({"a": torch.tensor([math.nan])}, {"a": torch.ones(1)}, "'a' holds NaN or infinity"),
        ({"a": torch.ones(2, dtype=torch.long)}, {"a": torch.ones(2, dtype=torch.long)}, "no floating-point weights"),
    ],
)
def test_refuses(model: dict[str, torch.Tensor], initial: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        distance_to_initialisation(model, initial)
