"""How long does it take to fit random labels and pixels, and how does the error grow with the share of random labels?

Source: Zhang, Bengio, Hardt, Recht & Vinyals, "Understanding deep learning requires rethinking generalization", ICLR
2017, arXiv 1611.03530, figure 1: (a) learning curves of the small inception on CIFAR-10 as it is and corrupted in four
ways; (b) steps to fit, relative to true labels, and (c) test error, over the fraction of random labels, of inception,
AlexNet and a perceptron. Published: all are fitted, random labels only by a small constant factor more slowly, and
test error grows to 0.9. Gaussian and random pixels come before random labels; the whole order, true labels, shuffled,
gaussian, random pixels, random labels, is that of two public reproductions of one seed each: 5.7, 6.7, 9.9, 13.0 and
17.7 thousand steps to a loss of 0.01; and 6.6, 7.0, 7.4, 11.7 and 24.6 thousand to the running rule.

Of the second one, also for (b) and (c), two results are artefacts. It plots minutes on a shared machine: of inception
6.87 times as many for random labels as for true ones, but 3.71 times the epochs. And it corrupts the test labels, too,
so that the error at fraction p is 0.9 p + (1 - p) that on true labels, and 0.9 p at the least; here both are shown.
(It also normalises each channel by the whole data set, its gaussian pixels not at all, trains scale and shift of the
batch norm, and trains its perceptron by another schedule, with a cut at epoch 100, after which all its fractions are
fitted.)

`--preset paper` is the paper's protocol: central 28 x 28 pixels, each image whitened by itself, SGD with momentum 0.9,
learning rate 0.1 (inception) or 0.01 times 0.95 per epoch, no augmentation; the batch size, which the paper does not
state, is that of both reproductions. It has not been run: 126 trials, about 40 PFLOP a replicate by the published
numbers of epochs.

`--preset small` is a narrower inception (width 4 of 16) on 12,000 images resized to 16 x 16 pixels: an estimated 45
minutes a replicate on 2 cores. ONE replicate of its full corruptions was measured on real CIFAR-10 images (as JPEG),
November 2026. Steps until no training example is wrong (188 an epoch), running error after 22 epochs, test error at
the end:

                          true     shuffled   gaussian   random pixels   random labels
    steps                 5,640    6,016      6,580      9,400           11,092
    running error         0.040    0.123      0.357      0.494           0.696
    test error            0.386    0.590      0.900      0.786           0.908

which is the published order. It takes this network that many images. With fewer, it fits gaussian pixels sooner than
true labels, by a ratio of steps of 0.68 with 500 images, 0.75 with 2,000, 0.88 with 4,000 (central 16 x 16 pixels),
0.89 with 5,000, against 1.17 here; random labels took longer than either from 2,000 images on.

`--preset quick` is a LeNet, which has no batch norm, on the central 28 x 28 pixels of 2,000 images, its learning rate
0.02 times 0.99 per epoch. Measured on the same images in November 2026, three replicates, means ± 1 standard error;
the last 12 of the 24 trials took 19 to 30 s each on one core. Expected: the published order, slowdown and errors, but
for gaussian pixels, which might come before true labels. Came, for the five corruptions:

                          true         shuffled     gaussian     random pixels   random labels
    steps, exact          1397 ± 130   1547 ± 21    1771 ± 11    2037 ± 65       1728 ± 98
    steps, running        1259 ± 65    1504 ± 32    1760 ± 18    2027 ± 56       1717 ± 87

and over fractions 0, 0.25, 0.5, 0.75, 1 of random labels:

    slowdown, exact       1            1.08 ± 0.15  1.31 ± 0.21  1.145 ± 0.014   1.27 ± 0.18
    slowdown, running     1            1.17 ± 0.12  1.41 ± 0.12  1.31 ± 0.12     1.38 ± 0.14
    test error, true      0.629 ± 9    0.716 ± 7    0.784 ± 1    0.850 ± 8       0.897 ± 7
    test error, random    0.629 ± 9    0.763 ± 9    0.840 ± 1    0.882 ± 8       0.897 ± 12

(± of test errors in thousandths). Pixels come in the published order, gaussian ones after true labels; random labels
come before random pixels, so the order as a whole does not hold. The error on true test labels rises to 0.9, as
published, and the error on random ones is 0.9 p + (1 - p) that on true ones within 0.006. The slowdown is 1.3 to 1.4,
not 3.7: of so few images even the true labels have to be learned mostly by heart. By the running rule all four
corruptions slow the fit down, as published (1.20 ± 0.07, 1.41 ± 0.08, 1.62 ± 0.12, 1.38 ± 0.14); by the exact one this
cannot be judged with three replicates, as the steps to the very last true label go from 1,184 to 1,632 between seeds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from measures.registry import Component
from orchestrator.report.axis import Axis
from orchestrator.report.claim_kinds import Exceeds, Rises
from orchestrator.report.derived_kinds import Ratio
from orchestrator.report.presentation import Courses, Panel, Presentation, Series
from orchestrator.study import Study
from sweeps.images import Images, in_place_of
from workers.spec import TrialSpec

Network = Literal["inception", "alexnet", "mlp", "lenet"]
PIXELS = ("shuffled_pixels", "gaussian_pixels", "random_pixels")
EXACT, RUNNING = "interpolation_threshold/step", "interpolation_threshold_running/step"
TRUE_LABELS = {"corruption": "random_labels", "corruption.fraction": 0.0}


@dataclass(frozen=True)
class Protocol:
    """What a preset trains: networks with their learning rates, the images, the training, the fractions."""

    networks: Mapping[Network, tuple[Component, float]]
    images: Mapping[str, int | None]
    factor: float  # of the learning rate, each epoch
    batch_size: int
    epochs: int
    fractions: tuple[float, ...]
    replicates: int


PROTOCOLS = {
    "quick": Protocol(
        networks={"lenet": (Component("lenet"), 0.02)},
        images={"crop": 28, "num_train": 2000, "num_test": 1000},
        factor=0.99,
        batch_size=64,
        epochs=150,
        fractions=(0.0, 0.25, 0.5, 0.75, 1.0),
        replicates=3,
    ),
    "small": Protocol(
        networks={"inception": (Component("inception", width=4), 0.05)},
        images={"size": 16, "num_train": 12_000, "num_test": 1000},
        factor=0.95,
        batch_size=64,
        epochs=100,
        fractions=(0.0, 0.5, 1.0),
        replicates=3,
    ),
    "paper": Protocol(
        networks={
            "inception": (Component("inception"), 0.1),
            "alexnet": (Component("alexnet"), 0.01),
            "mlp": (Component("mlp", width=512, depth=1), 0.01),
        },
        images={"crop": 28, "num_train": None},
        factor=0.95,
        batch_size=128,
        epochs=150,
        fractions=tuple(tenths / 10 for tenths in range(11)),
        replicates=3,
    ),
}


def random_labels(
    *,
    preset: Annotated[
        Literal["quick", "small", "paper"],
        Field(description="minutes, hours, or the published protocol"),
    ] = "quick",
    networks: Annotated[tuple[Network, ...] | None, Field(description="of the preset's networks; all if none")] = None,
    fractions: Annotated[
        tuple[Annotated[float, Field(ge=0, le=1)], ...] | None,
        Field(description="of random labels, with 0 for true labels; the preset's if none"),
    ] = None,
    replicates: Annotated[
        int | None, Field(ge=1, description="networks per corruption, each with its own seeds; the preset's if none")
    ] = None,
    epochs: Annotated[int | None, Field(ge=1, description="epochs at most; the preset's if none")] = None,
    num_train: Annotated[
        int | None, Field(ge=1, description="training images, drawn at random; the preset's if none")
    ] = None,
    images: Images = "",
) -> Study:
    """How long does it take to fit random labels and pixels, and how does the error grow with random labels?"""
    protocol = PROTOCOLS[preset]
    unknown = [network for network in networks or () if network not in protocol.networks]
    if unknown:
        raise ValueError(f"networks={unknown[0]!r} is not one of preset {preset}: {', '.join(protocol.networks)}")
    chosen = {**protocol.images, **({} if num_train is None else {"num_train": num_train})}
    data = in_place_of(Component("cifar10", normalization="per_image", **chosen), images)
    return Study(
        name="random_labels" if preset == "quick" else f"random_labels_{preset}",
        question="How long does it take to fit random labels and pixels, and how does the error grow with them?",
        expected=EXPECTED[preset],
        trials=tuple(
            trial(protocol, network, corruption, data, epochs, replicate)
            for replicate in range(replicates or protocol.replicates)
            for network in networks or protocol.networks
            for corruption in corruptions(protocol.fractions if fractions is None else fractions)
        ),
        axes=("model", "corruption", "corruption.fraction"),
        presentation=PRESENTATION,
    )


def corruptions(fractions: tuple[float, ...]) -> list[Component]:
    """Random labels, and pixels corrupted in each way. Test labels are corrupted, too, and their true ones kept."""
    labels = [Component("random_labels", fraction=fraction, corrupt_test=True) for fraction in fractions]
    return [*labels, *(Component(name) for name in PIXELS)]


def trial(
    protocol: Protocol, network: Network, corruption: Component, data: Component, epochs: int | None, replicate: int
) -> TrialSpec:
    """One training, until the training set is fitted by both rules."""
    model, learning_rate = protocol.networks[network]
    return TrialSpec(
        dataset=data,
        corruption=corruption,
        model=model,
        optimizer=Component("sgd", learning_rate=learning_rate, momentum=0.9),
        schedule=Component("exponential", factor=protocol.factor),
        fit=Component("sgd", epochs=epochs or protocol.epochs, batch_size=protocol.batch_size, stop_at="both"),
        data_seed=replicate,
        init_seed=replicate,
        order_seed=replicate,
    )


EXPECTED = {
    "quick": (
        "Zhang et al. figure 1, on 2,000 images: all are fitted, pixels in the published order (shuffled, gaussian, "
        "random); test error on true labels grows from 0.63 to 0.9; slowdown is 1.3 to 1.4. Random labels, published "
        "as the last to be fitted, were measured to come before random pixels."
    ),
    "small": (
        "The order of figure 1a, as one replicate gave it: 5,640 steps for true labels, 6,016 for shuffled, 6,580 for"
        " gaussian, 9,400 for random pixels, 11,092 for random labels. Slowdown and test error rise with the "
        "fraction."
    ),
    "paper": (
        "Zhang et al. figure 1: all are fitted; true labels in the fewest steps, then shuffled pixels, gaussian "
        "pixels, random pixels, and random labels in the most. A public reproduction of one seed needed 5.7, 6.7, "
        "9.9, 13.0 and 17.7 thousand steps to a loss of 0.01, a second one 6.6, 7.0, 7.4, 11.7 and 24.6 thousand to "
        "the running rule. Random labels take about 4 times the epochs of true ones (inception 3.7, AlexNet 4.2, of "
        "one seed). Test error grows from 0.14 (inception), 0.23 (AlexNet), 0.48 (perceptron) to 0.9."
    ),
}

SLOWDOWN = "yes; of inception 3.7 times the epochs for random labels"
GROWTH = "yes, by a small constant factor in all"
ORDER = "true labels < shuffled < gaussian < random pixels < random labels"

PRESENTATION = Presentation(
    x=Axis(
        "corruption",
        "corruption",
        names={
            "true labels": TRUE_LABELS,
            "shuffled pixels": {"corruption": "shuffled_pixels"},
            "gaussian pixels": {"corruption": "gaussian_pixels"},
            "random pixels": {"corruption": "random_pixels"},
            "random labels": {"corruption": "random_labels", "corruption.fraction": 1.0},
        },
    ),
    columns=Axis("model", "network"),
    courses=Courses(
        (
            Panel("train loss", (Series("train/loss", "train"),)),
            Panel("train error", (Series("train/error", "train"),)),
            Panel("test error", (Series("test/error", "test"),)),
        ),
        mark=Series(EXACT, "first step without a training error"),
    ),
    panels=(
        Panel(
            "steps to fit the training set",
            (Series(EXACT, "exact: no error"), Series(RUNNING, "running: loss < 0.01 or error < 0.003")),
        ),
    ),
    claims=(
        Rises(EXACT, "number of steps to the exact threshold", published=ORDER),
        Rises(RUNNING, "number of steps to the running threshold", published=ORDER),
        Exceeds("slowdown/exact", "slowdown to the exact threshold", 1.0, published=SLOWDOWN),
        Exceeds("slowdown/running", "slowdown to the running threshold", 1.0, published=SLOWDOWN),
    ),
    derived=(
        Ratio("slowdown/exact", EXACT, TRUE_LABELS),
        Ratio("slowdown/running", RUNNING, TRUE_LABELS),
    ),
    also=(
        Presentation(
            x=Axis("corruption.fraction", "fraction of random labels"),
            columns=Axis("model", "network"),
            panels=(
                Panel(
                    "steps to fit, relative to true labels",
                    (Series("slowdown/exact", "exact threshold"), Series("slowdown/running", "running threshold")),
                ),
                Panel(
                    "test error when fitted",
                    (
                        Series("test/clean_label_error", "true test labels"),
                        Series("test/error", "test labels as random as those of training"),
                    ),
                ),
            ),
            claims=(
                Rises("slowdown/exact", "slowdown to the exact threshold", published=GROWTH),
                Rises("slowdown/running", "slowdown to the running threshold", published=GROWTH),
                Rises("test/clean_label_error", "test error on true labels", published="yes, to 0.9"),
                Rises("test/error", "test error on equally random labels", published="yes, to 0.9"),
            ),
        ),
    ),
)


if __name__ == "__main__":
    from sweeps.__main__ import main

    main(random_labels)
