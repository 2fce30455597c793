"""What does a network look like on the plane of its training data, region by region, and how steep can it be off them?

Source: Loukas, Poiitis & Jegelka, "What training reveals about neural network complexity", NeurIPS 2021, arXiv
2106.04186, theorem 2 and the figure of linear regions (camera-ready and released code; its caption could not be read):
a network of one hidden layer of 32 units behind a trained input bias learns cos(2 pi w u) cos(2 pi w v), w = 0.5, from
200 points of a plane in ten dimensions, 1,000 epochs of one example a step. On a grid of 200 x 200 points over that
plane four pictures: target and training points; output with the borders of regions; local Lipschitz constant; and,
where no training point lies, the bound of theorem 2, which from the slopes at training points follows for those regions
whose activation pattern is a combination of trained ones ("inf" for the others). No number is published: neither a
count of regions nor a share of the plane.

So the claims here are: that no slope exceeds its bound (with the slopes of the trained network itself in place of the
steps of training, as in the released code, it is a fact of algebra, and tests the computation); that part of the plane
has no bound, and that elsewhere off the trained regions it is above the slope, as the pictures show; and one that the
paper does not make, that the number of regions grows in training. All counts are of distinct patterns on the grid and
grow with its resolution, which belongs to them.

The plane is not told to the measure: `region_map` finds it as the one that the training inputs span, and the square as
the smallest rectangle around them, here a little smaller than the published one, and turned or mirrored at random.

`--preset paper` is the published protocol with 10 replicates; the paper shows one network. It has not been run.

`--preset quick` takes a quarter of the epochs at four times the rate, a grid of 100 x 100 and 3 replicates. Run once,
November 2026: 5.5 minutes on two cores, a tenth of which went to other work; 9.7 core-minutes. The four claims hold.
Means ± 1 standard error over 3 networks, train loss 0.002, 0.002 and 0.011:

                                     before training    after
    regions                          407 ± 60           546 ± 56       1.36 ± 0.09 times as many within a network
    share with training points       0.763 ± 0.024      0.634 ± 0.032  107 ± 9 patterns
    share with a bound               0.056 ± 0.012      0.088 ± 0.028
    share without a bound            0.182 ± 0.012      0.278 ± 0.038
    mean local Lipschitz constant    0.163 ± 0.017      0.755 ± 0.086  0.749 ± 0.089 at training points

Every bound held; off the trained regions it is 3.8 ± 0.8 times the slope on average, and it says nothing of three
quarters of the plane that is there. Of the growth, 95 % comes after step 1,000 of 50,000, when the slope grows, too; it
is 1.18, 1.42 and 1.49 in the three networks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from measures.registry import Component
from orchestrator.report.axis import Axis
from orchestrator.report.claim_kinds import Exceeds
from orchestrator.report.derived_kinds import Moment
from orchestrator.report.presentation import ArrayMap, ArrayMaps, Courses, Panel, Presentation, Series
from orchestrator.study import Checkpoints, Measured, Study
from workers.spec import TrialSpec


@dataclass(frozen=True)
class Protocol:
    """How a preset trains, how fine it looks, and how often."""

    learning_rate: float
    epochs: int
    resolution: int
    replicates: int


PROTOCOLS: Mapping[str, Protocol] = {
    "quick": Protocol(learning_rate=0.004, epochs=250, resolution=100, replicates=3),
    "paper": Protocol(learning_rate=0.001, epochs=1000, resolution=200, replicates=10),
}


def linear_regions(
    *,
    preset: Annotated[
        Literal["quick", "paper"], Field(description="small version, or the published protocol")
    ] = "quick",
    frequencies: Annotated[
        tuple[Annotated[float, Field(gt=0)], ...], Field(description="of the function to learn, in periods a unit")
    ] = (0.5,),
    num_train: Annotated[int, Field(ge=3, description="training points")] = 200,
    resolution: Annotated[
        int | None, Field(ge=2, description="grid points on a side of the plane; the preset's if none")
    ] = None,
    replicates: Annotated[
        int | None, Field(ge=1, description="networks per frequency, each with its own seeds; the preset's if none")
    ] = None,
    epochs: Annotated[int | None, Field(ge=1, description="epochs of training; the preset's if none")] = None,
) -> Study:
    """What does a network look like on the plane of its data, region by region, and how steep can it be off them?"""
    protocol = PROTOCOLS[preset]
    side = resolution or protocol.resolution
    return Study(
        name="linear_regions" if preset == "quick" else "linear_regions_paper",
        question="What does a network look like on the plane of its data, region by region, and how steep can it be "
        "off them?",
        expected=EXPECTED,
        trials=tuple(
            trial(protocol, frequency, num_train, epochs or protocol.epochs, replicate)
            for frequency in frequencies
            for replicate in range(replicates or protocol.replicates)
        ),
        axes=("dataset.omega",),
        measured=(Measured(Component("region_map", resolution=side), at="checkpoints"),),
        checkpoints=Checkpoints(per_decade=1, fraction=0.5),
        presentation=presentation(side, frequencies),
    )


def trial(protocol: Protocol, frequency: float, num_train: int, epochs: int, replicate: int) -> TrialSpec:
    """The network of one hidden layer, an example a step."""
    return TrialSpec(
        dataset=Component("sinusoid", omega=frequency, num_train=num_train),
        model=Component("sinusoid_net", depth=1),
        loss=Component("half_mean_squared_error"),
        optimizer=Component("sgd", learning_rate=protocol.learning_rate),
        fit=Component("sgd", epochs=epochs, batch_size=1),
        data_seed=replicate,
        init_seed=replicate,
        order_seed=replicate,
    )


EXPECTED = (
    "Loukas et al., theorem 2: where the activation pattern of a point is a combination of trained ones, the slope is "
    "at most the bound. Their figure shows regions with training points, regions with a finite bound and regions "
    "without one; no count and no share is published."
)

GROWTH, START = "regions/growth", "regions/start"


def presentation(resolution: int, frequencies: tuple[float, ...]) -> Presentation:
    """The map of one network, and what the regions come to over the training and at its end."""
    grid = f"{resolution} x {resolution} grid"
    names = {f"w={frequency:g}": {"dataset.omega": frequency} for frequency in frequencies}
    return Presentation(
        x=Axis("dataset.omega", "frequency", names=names),
        courses=Courses(
            (
                Panel(f"regions ({grid})", (Series("region_map/regions", "distinct patterns"),)),
                Panel(
                    "share of the plane",
                    (
                        Series("region_map/trained", "with training points"),
                        Series("region_map/bounded", "bounded"),
                        Series("region_map/unbounded", "no bound"),
                    ),
                ),
                Panel("mean local Lipschitz constant", (Series("region_map/lipschitz.mean", "grid"),)),
            ),
            log=True,
        ),
        array_maps=(
            ArrayMaps(
                (
                    array_map("output, and training points", "outputs", points="region_map/train_points"),
                    array_map("borders of linear regions", "borders"),
                ),
                horizontal="first side of the plane",
                vertical="second side",
            ),
            ArrayMaps(
                (
                    array_map("local Lipschitz constant", "lipschitz"),
                    array_map("bound of theorem 2, where there is one", "bounds"),
                    array_map("0: training points, 1: bounded, 2: no bound", "kinds"),
                ),
                horizontal="first side of the plane",
                vertical="second side",
            ),
        ),
        panels=(
            Panel(
                f"regions ({grid})",
                (
                    Series(START, "before training"),
                    Series("region_map/regions", "after"),
                    Series("region_map/training_patterns", "of them with training points, after"),
                ),
            ),
            Panel(
                "share of the plane",
                (
                    Series("region_map/trained", "with training points"),
                    Series("region_map/bounded", "bounded"),
                    Series("region_map/unbounded", "no bound"),
                ),
            ),
            Panel(
                "bound / slope, where not trained",
                (Series("region_map/bound_over_actual", "bound / slope"),),
            ),
            Panel(
                "mean local Lipschitz constant",
                (
                    Series("region_map/lipschitz.mean", "grid"),
                    Series("region_map/train_lipschitz.mean", "training points"),
                ),
            ),
        ),
        derived=(
            Moment(START, "region_map/regions", begin=0.0, end=0.0),
            Moment(GROWTH, "region_map/regions", begin=1.0, end=1.0, over_first=True),
        ),
        claims=(
            Exceeds("region_map/bound_holds", "share of bounds that hold", 0.9999, published="1 (theorem 2)"),
            Exceeds("region_map/unbounded", "share of the plane without a bound", 0.0, published="yes, by eye"),
            Exceeds("region_map/bound_over_actual", "bound over slope, off the trained regions", 1.0, published="yes"),
            Exceeds(GROWTH, "regions after training over regions before", 1.0, published="not claimed"),
        ),
    )


def array_map(label: str, array: str, points: str = "") -> ArrayMap:
    """One picture of the plane."""
    return ArrayMap(label, f"region_map/{array}", rows="region_map/y", columns="region_map/x", points=points)


if __name__ == "__main__":
    from sweeps.__main__ import main

    main(linear_regions)
