"""The estimators of dimension against scikit-dimension, on points where both must agree."""

import numpy as np
import pytest
import skdim

from measures import correlation_dimension, gride, levina_bickel, participation_ratio, pca_dimension, twonn
from tests.measures.dimension_cases import sphere

rng = np.random.default_rng(0)
CASES = {
    "gaussian": rng.normal(size=(300, 6)),
    "sphere": sphere(200, 3, rng),
    "many features": rng.normal(size=(150, 3)) @ rng.normal(size=(3, 60)) + 0.1 * rng.normal(size=(150, 60)),
}
each_case = pytest.mark.parametrize("x", CASES.values(), ids=CASES)


@each_case
@pytest.mark.parametrize("discard_fraction", [0.05, 0.1])
def test_twonn(x: np.ndarray, discard_fraction: float) -> None:
    peer = skdim.id.TwoNN(discard_fraction=discard_fraction).fit(x).dimension_
    assert twonn(x, discard_fraction=discard_fraction).value == pytest.approx(peer, rel=1e-9)


@each_case
@pytest.mark.filterwarnings("ignore:divide by zero encountered in log:RuntimeWarning")  # its unused line, nothing cut
def test_twonn_maximum_likelihood(x: np.ndarray) -> None:
    peer = skdim.id.TwoNN(method="mle", discard_fraction=0.0).fit(x).dimension_
    assert twonn(x, method="mle").value == pytest.approx(peer, rel=1e-9)


@pytest.mark.parametrize("rank", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("name", ["gaussian", "many features"])
def test_gride(name: str, rank: int) -> None:
    """Where no ratio is beyond the peer's cut at 20 times the upper half."""
    peer = skdim.id.GRIDE(n1=rank, n2=2 * rank).fit(CASES[name])
    scale = gride(CASES[name], ranks=[rank]).scales[0]
    assert scale.value == pytest.approx(peer.dimension_, rel=1e-8)
    assert scale.information_error == pytest.approx(peer.error_, rel=1e-8)


@each_case
@pytest.mark.parametrize("num_neighbors", [5, 20])
def test_levina_bickel(x: np.ndarray, num_neighbors: int) -> None:
    result = levina_bickel(x, num_neighbors=num_neighbors)
    for average, value in (("mle", result.value), ("mean", result.arithmetic_mean)):
        peer = skdim.id.MLE().fit(x, n_neighbors=num_neighbors, comb=average).dimension_
        assert value == pytest.approx(peer, rel=1e-8)


@each_case
def test_correlation_dimension(x: np.ndarray) -> None:
    # The peer counts a pair at exactly a radius by the rounding of its distances: one pair of thousands.
    peer = skdim.id.CorrInt(k1=10, k2=20).fit(x).dimension_
    assert correlation_dimension(x, ranks=(10, 20)).value == pytest.approx(peer, rel=2e-3)


@each_case
def test_principal_components(x: np.ndarray) -> None:
    assert participation_ratio(x).value == pytest.approx(
        skdim.id.lPCA(ver="participation_ratio").fit(x).dimension_, rel=1e-9
    )
    for variance in (0.5, 0.9, 0.99):
        peer = skdim.id.lPCA(ver="ratio", alphaRatio=variance).fit(x).dimension_
        assert pca_dimension(x, variance=variance).value == peer
