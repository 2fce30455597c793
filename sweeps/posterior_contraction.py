"""As data arrive, does the posterior contract in parameters and grow in function space, and where does test error peak?

Source: Maddox, Benton & Wilson, "Rethinking parameter counting in deep models: effective dimensionality revisited",
arXiv 2003.02139, section 4 and its released notebooks. Three models:

1. A Bayesian linear model of 200 sines and cosines on up to 300 points in random order. Of the posterior covariance
   N_eff (z = 5) falls from 74.63 after one point to 56.26, 37.53 and 0.03 after 50, 100 and 300; that of the function
   at the points seen rises from 0.020 to 0.980, 1.96 and 3.921. The theorem: prior less posterior variance (599.867
   after 300 points) is the prior variance times N_eff of the Gram matrix with z = noise variance / prior variance, and
   along directions that the data do not determine the posterior is the prior and no output changes. Both are checked
   to so many digits. (The published code takes its noise of 0.1 once as a variance and once as a deviation; the prior
   variance is 3.) The points at which the function is looked at grow with the data; at 300 that stay the same it is
   shown, too.
2. Minimum-norm least squares on random features of 200 examples, by the notebook's own draws (seed 88) and by draws of
   ours. Test error peaks with 1.9625 at 199 features. What the figure calls effective dimensionality is min(n, d) -
   N_eff, with its peak of 6.419 at 201; N_eff itself only rises.
3. With `--network-posterior` the posterior of a network 3-20-20-1 without biases, by NUTS (numpyro, the extra
   `posterior`). N_eff of its weights falls from 207.6 at 20 points to 43.5 at 5,000, of second moments that are not
   centred. That of the function, 20 to 1,999, is the number of points or of draws less one, whichever is less: an
   artefact of z = 1e-10. A centred covariance and z = 0.01 are shown beside both.

`--preset quick` has 13, 26 and 16 settings of the first two, 113 least-squares fits, 3 replicates where something is
drawn. Run twice, November 2026, with the same numbers: 0.9 minutes. Expected: what is above. Came, of the first model,
after 1, 50, 100, 200 and 300 points (no error where the order of the points cannot matter):

    N_eff of the parameters          74.63    56.262 ± 0.0004   37.57 ± 0.04    3.68 ± 0.06    0.027
    of the function, points seen     0.0196   0.98001 ± 1e-5    1.959 ± 0.001   3.743 ± 0.003  3.921
    of the function, 300 others      178.1 ± 0.8   139.1 ± 0.6  98.3 ± 0.1      23.1 ± 0.1     3.874 ± 0.001

The theorem holds to 12 digits, unchanged directions change no output to 13 or more. So "function space grows" is a
matter of where one looks: each further point seen adds 0.1 / (0.1 + 5) = 0.0196, the share of the noise variance; at
points that stay the same the function contracts as the parameters do. (The rise itself cannot be judged between 250
and 275 points, where it is flat.) Of the second model all published numbers come again to the digits printed, N_eff
itself has no peak; with three draws of ours the test error at 200 features is 3.1 ± 0.9, and min(n, d) - N_eff peaks
there (6.51 ± 0.05) but cannot be said to be rank-correlated with it over all features (0.50, -0.11 to 0.92): with few
features the error is large and all directions are determined.

`--preset paper` has every number of points and features that was published, 5 replicates, and chains of 2,000 draws. It
has not been run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from measures.registry import Component
from orchestrator.report.axis import Axis
from orchestrator.report.claim_kinds import Agrees, Correlates, Exceeds, Follows, Peak, Rises
from orchestrator.report.presentation import Panel, Presentation, Series
from orchestrator.study import Measured, Study
from workers.spec import TrialSpec

PRIOR_VARIANCE, NOISE_VARIANCE, Z = 3.0, 0.1, 5.0  # of the Bayesian linear model
NUM_FEATURES, PUBLISHED_SEED = 200, 88  # of the random features: as many examples; the notebook's
GRAM_Z = 0.001 * NUM_FEATURES


@dataclass(frozen=True)
class Protocol:
    """How many points are seen, how many features there are, how many points a network is given; and how often."""

    seen: tuple[int, ...]
    published_features: tuple[int, ...]  # odd, from 5 on, as the notebook draws them
    nested_features: tuple[int, ...]
    network_points: tuple[int, ...]
    draws: int  # of the sampler, after as many to warm up
    replicates: int


PROTOCOLS: Mapping[str, Protocol] = {
    "quick": Protocol(
        seen=(1, 25, 50, 75, 100, 125, 150, 175, 200, 225, 250, 275, 300),
        published_features=(
            *(5, 25, 51, 75, 101, 125, 151, 175, 185, 191, 195, 197, 199),
            *(201, 203, 205, 209, 215, 225, 251, 275, 301, 325, 351, 375, 399),
        ),
        nested_features=(10, 25, 50, 75, 100, 125, 150, 175, 190, 200, 210, 225, 250, 300, 350, 400),
        network_points=(20, 50, 100, 200, 400),
        draws=250,
        replicates=3,
    ),
    "paper": Protocol(
        seen=tuple(range(1, 301)),
        published_features=tuple(range(5, 400, 2)),
        nested_features=tuple(range(10, 401, 10)),
        network_points=(20, 100, 200, 500, *range(600, 1601, 100), 1800, 2000, 2500, 3000, 4000, 5000),
        draws=2000,
        replicates=5,
    ),
}


def posterior_contraction(
    *,
    preset: Annotated[
        Literal["quick", "paper"], Field(description="small version, or the published protocol")
    ] = "quick",
    network_posterior: Annotated[
        bool, Field(description="also sample the posterior of a network, which takes the package numpyro")
    ] = False,
    network_points: Annotated[
        tuple[Annotated[int, Field(ge=2)], ...] | None,
        Field(description="numbers of points that the network is given; the preset's if none"),
    ] = None,
    draws: Annotated[
        int | None, Field(ge=40, description="draws of the network's posterior; the preset's if none")
    ] = None,
    replicates: Annotated[
        int | None, Field(ge=1, description="orders of points, draws of features, chains; the preset's if none")
    ] = None,
) -> Study:
    """As data arrive, does the posterior contract in parameters and grow in function space?"""
    protocol = PROTOCOLS[preset]
    seeds = range(replicates or protocol.replicates)
    points = (protocol.network_points if network_points is None else network_points) if network_posterior else ()
    return Study(
        name="posterior_contraction" if preset == "quick" else f"posterior_contraction_{preset}",
        question="As data arrive, does the posterior of a model contract in parameters and grow in function space, and "
        "does the test error peak where its directions are not determined?",
        expected=EXPECTED + (EXPECTED_OF_NETWORK if network_posterior else ""),
        trials=(
            *(linear_trial(count, seed) for count in protocol.seen for seed in seeds),
            *(features_trial(count, "published", PUBLISHED_SEED) for count in protocol.published_features),
            *(features_trial(count, "nested", seed) for count in protocol.nested_features for seed in seeds),
            *(network_trial(count, draws or protocol.draws, seed) for count in points for seed in seeds),
        ),
        axes=("dataset", "dataset.num_seen", "dataset.num_features", "dataset.draws", "dataset.num_train"),
        measured=(
            Measured(
                Component(
                    "linear_posterior",
                    prior_variance=PRIOR_VARIANCE,
                    noise_variance=NOISE_VARIANCE,
                    z=Z,
                    gram_z=GRAM_Z,
                )
            ),
        ),
        presentation=presentation(network_posterior),
    )


def linear_trial(num_seen: int, seed: int) -> TrialSpec:
    """The mean of the posterior of the Bayesian linear model after so many points, in a random order."""
    return regression(
        Component("bayesian_linear", num_seen=num_seen),
        Component("linear"),
        Component("least_squares", ridge=NOISE_VARIANCE / PRIOR_VARIANCE),
        seed,
    )


def features_trial(num_features: int, draws: str, seed: int) -> TrialSpec:
    """Least squares of minimum norm on so many random features."""
    return regression(
        Component("random_features", num_features=num_features, draws=draws),
        Component("linear"),
        Component("least_squares"),
        seed,
    )


def network_trial(num_points: int, draws: int, seed: int) -> TrialSpec:
    """A chain on the posterior of the network 3-20-20-1 without biases."""
    return regression(
        Component("growing_wave", num_train=num_points),
        Component("spirals_net", width=20, depth=1, bias=False),
        Component("nuts", num_warmup=draws, num_samples=draws),
        seed,
    )


def regression(dataset: Component, model: Component, fit: Component, seed: int) -> TrialSpec:
    """A trial of regression, with all its seeds alike."""
    return TrialSpec(
        dataset=dataset,
        model=model,
        loss=Component("half_mean_squared_error"),
        optimizer=Component("sgd"),  # neither fit uses one
        fit=fit,
        data_seed=seed,
        init_seed=seed,
        order_seed=seed,
    )


EXPECTED = (
    "Maddox et al. section 4. Linear model: N_eff of the parameters falls from 74.6 to 0.03 (z = 5), of the function "
    "at the points seen it rises from 0.02 to 3.92; the contraction, 599.867 after 300 points, is prior variance times "
    "N_eff of the Gram matrix. Random features: test error peaks with 1.9625 at 199 features of 200 examples, "
    "min(n, d) - N_eff with 6.419 at 201; N_eff itself only rises."
)
EXPECTED_OF_NETWORK = (
    " Network: N_eff of the parameters falls from 207.6 (20 points) to 43.5 (5,000); of the function, at z = 1e-10, it "
    "is the number of points, or of draws less one, whichever is less."
)

PARAMETERS = "linear_posterior/parameter_dimensionality"
FUNCTION = "linear_posterior/function_dimensionality"
ELSEWHERE = "linear_posterior/test_function_dimensionality"
GRAM, UNDETERMINED = "linear_posterior/gram_dimensionality", "linear_posterior/undetermined"
TEST, TRAIN = "test/relative_error", "train/relative_error"

LINEAR = Presentation(
    x=Axis("dataset.num_seen", "points seen"),
    panels=(
        Panel("N_eff of the posterior covariance, z = 5", (Series(PARAMETERS, "parameters"),)),
        Panel("N_eff of the function, z = 5", (Series(FUNCTION, "at the points seen"),)),
        Panel("N_eff of the function, z = 5", (Series(ELSEWHERE, "at 300 other points"),)),
        Panel("prior less posterior variance", (Series("linear_posterior/contraction", "sum (prior: 600)"),)),
        Panel(
            "decimal digits that agree",
            (
                Series("linear_posterior/identity_digits", "contraction identity"),
                Series("linear_posterior/unchanged_digits", "outputs along unchanged directions"),
            ),
        ),
        Panel("relative error of the posterior mean", (Series(TRAIN, "points seen"), Series(TEST, "other points"))),
    ),
    claims=(
        Correlates(PARAMETERS, "N_eff of the parameters", rises=False, published="falls"),
        Agrees(
            PARAMETERS,
            "N_eff of the parameters",
            {1: 74.63, 50: 56.26, 100: 37.53, 175: 10.5, 200: 3.3, 225: 0.5, 300: 0.03},
            1.0,
            published="74.63 after 1 point, 0.03 after 300; in the middle it depends on their order",
        ),
        Rises(FUNCTION, "N_eff of the function at the points seen", published="rises"),
        Agrees(
            FUNCTION,
            "N_eff of the function at the points seen",
            {1: 0.020, 50: 0.980, 100: 1.96, 300: 3.921},
            0.01,
            published="0.020, 0.980, 1.96, 3.921 after 1, 50, 100, 300 points",
        ),
        Rises(
            ELSEWHERE, "N_eff of the function at 300 points that stay the same", published="rises, at the points seen"
        ),
        Agrees(
            "linear_posterior/contraction",
            "prior less posterior variance",
            {1: 2.999, 300: 599.867},
            0.001,
            published="2.999 after 1 point, 599.867 after 300",
        ),
        Exceeds(
            "linear_posterior/identity_digits",
            "number of digits to which the contraction is prior variance times N_eff",
            10.0,
            published="exact (theorem)",
        ),
        Exceeds(
            "linear_posterior/unchanged_digits",
            "number of digits to which unchanged directions leave the outputs as they are",
            10.0,
            published="exact (theorem)",
        ),
    ),
)

FEATURE_PANELS = (
    Panel("relative error", (Series(TEST, "test"), Series(TRAIN, "train"))),
    Panel("min(n, d) - N_eff, z = 0.2", (Series(UNDETERMINED, "published curve"),)),
    Panel("N_eff of the Gram matrix, z = 0.2", (Series(GRAM, "N_eff"),)),
)
PUBLISHED_FEATURES = Presentation(
    x=Axis("dataset.num_features", "features (published draws)", among={"dataset.draws": ("published",)}),
    panels=FEATURE_PANELS,
    claims=(
        Agrees(
            TEST,
            "test error of the published draws",
            {75: 0.1339, 175: 0.1742, 199: 1.9625, 201: 1.3401, 225: 0.2251, 399: 0.0628},
            5.1e-5,
            published="1.9625 at 199 features",
        ),
        Agrees(
            TRAIN,
            "train error of the published draws",
            {75: 0.0878, 175: 0.0207, 199: 0.0033, 201: 0.0, 225: 0.0, 399: 0.0},
            5.1e-5,
            published="0 from 201 features on",
        ),
        Agrees(
            UNDETERMINED,
            "min(n, d) - N_eff of the published draws",
            {75: 0.1165, 175: 1.4229, 199: 5.9328, 201: 6.4193, 225: 1.5364, 399: 0.2042},
            5.1e-5,
            published="6.419 at 201 features, labelled effective dimensionality",
        ),
        Peak(TEST, "test error", published="at 199 features"),
        Peak(UNDETERMINED, "min(n, d) - N_eff", published="at 201 features"),
        Peak(GRAM, "N_eff itself", published="at 201 features, by the label of the curve"),
        Correlates(GRAM, "N_eff itself", rises=True, published="falls beyond 201 features, by the label of the curve"),
        Follows(UNDETERMINED, TEST, "min(n, d) - N_eff", "test error", published="yes"),
    ),
)
NESTED_FEATURES = Presentation(
    x=Axis("dataset.num_features", "features (our draws)", among={"dataset.draws": ("nested",)}),
    panels=FEATURE_PANELS,
    claims=(
        Peak(TEST, "test error", published="at 199 features"),
        Peak(UNDETERMINED, "min(n, d) - N_eff", published="at 201 features"),
        Follows(UNDETERMINED, TEST, "min(n, d) - N_eff", "test error", published="yes"),
    ),
)

NETWORK = Presentation(
    x=Axis("dataset.num_train", "points given to the network", log=True, among={"dataset": ("growing_wave",)}),
    panels=(
        Panel(
            "N_eff of the parameters, z = 1",
            (
                Series("posterior/published_parameter_dimensionality", "as published, not centred"),
                Series("posterior/parameter_dimensionality", "covariance of the weights"),
            ),
        ),
        Panel(
            "N_eff of the function",
            (
                Series("posterior/published_function_dimensionality", "as published, z = 1e-10"),
                Series("posterior/function_dimensionality", "z = 0.01, without noise"),
            ),
            log=True,
        ),
        Panel("relative error of the mean over draws", (Series(TRAIN, "train"), Series(TEST, "test"))),
        Panel("largest split R-hat of the function", (Series("posterior/largest_split_rhat", "one chain"),)),
    ),
    claims=(
        Correlates(
            "posterior/published_parameter_dimensionality",
            "N_eff of the parameters, as published",
            rises=False,
            published="falls from 207.6 to 43.5",
        ),
        Correlates(
            "posterior/parameter_dimensionality", "N_eff of the weights, centred", rises=False, published="not shown"
        ),
        Correlates(
            "posterior/published_function_dimensionality",
            "N_eff of the function, as published",
            rises=True,
            published="rises from 20 to 1,999",
        ),
        Exceeds(
            "posterior/share_of_ceiling",
            "share of its ceiling that the published N_eff of the function reaches",
            0.98,
            published="0.99 to 1, but for 0.92 at 2,000 points: an artefact of z = 1e-10",
        ),
        Rises("posterior/function_dimensionality", "N_eff of the function, z = 0.01", published="not shown"),
    ),
)


def presentation(network_posterior: bool) -> Presentation:
    """The linear model first, the random features and the network beside it."""
    also = (PUBLISHED_FEATURES, NESTED_FEATURES, *((NETWORK,) if network_posterior else ()))
    return Presentation(x=LINEAR.x, panels=LINEAR.panels, claims=LINEAR.claims, also=also)


if __name__ == "__main__":
    from sweeps.__main__ import main

    main(posterior_contraction)
