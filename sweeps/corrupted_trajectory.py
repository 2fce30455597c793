"""Does the first bias of a network travel farther, the more of its labels are corrupted, and in an MLP than in a CNN?

Source: Loukas, Poiitis & Jegelka, "What training reveals about neural network complexity", NeurIPS 2021, arXiv
2106.04186. Task `cifar` (figures 1d-f, 2c): airplanes against dogs of CIFAR-10, of which a share c of the training
labels is drawn anew, so that c / 2 are wrong; a convolutional network behind an identity layer of which only the bias
is trained. Published, for c = 0, 0.2, 0.4, 0.6: train loss falls the more slowly, the trajectory of that bias is the
longer and test loss the higher, the larger c; so is the variance of the bias near convergence. Task `mnist` (released
code, digits 3 and 6): a perceptron and a convolutional network both fit, and the bias of the latter moves less, with a
lower test loss.

The step of the bias is divided by learning rate and loss derivative, which for half the binary cross-entropy is half of
1 / |1 - y - f|. The released code takes the reciprocal, without the half, which is 50 times too much at a confidently
wrong example, and more of those there are with corrupted labels; what it plots is therefore not a check of the text,
which is followed here. In these units the trajectory is the slope of the sigmoid: a confident network has none, however
steep its logits. So the slope of the logits is beside it (`bias_gradient`), for which nothing is claimed. Replicates
are paired: those of one seed share images, first weights and order over c, and corrupted labels are nested. Each
replicate ranks its own (`paired_trends`).

`--preset paper --task cifar`: all 10,000 images, 2,000 for testing, 100 epochs of one image a step at a learning rate
of 0.0025 that falls to a tenth in 50 epochs, 8 replicates that share images and corrupted labels. It has not been run:
32 million steps of about 90 million multiplications and additions. `--preset paper --task mnist`: the first 100
training images of both digits, 900 for testing, 100 epochs at 0.002; 8 replicates, as the code states no number. Not
run either: it needs the training set of MNIST.

`--preset quick --task cifar`: the same network on 200 images resized to 25 x 25 pixels, the smallest that it takes, 300
for testing, 22 epochs at a rate from 0.02 to a tenth of that, c = 0, 0.3, 0.6, 5 replicates, each with images of its
own. Run in November 2026 on real images (as JPEG): 8.8 minutes on two idle cores. Five replicates, the fewest of which
`paired_trends` judges; means ± 1 standard error, and the mean rank correlation with c within replicates (its 95 %
interval):

    c                            0                0.3              0.6
    train loss                   0.036 ± 0.004    0.157 ± 0.021    0.228 ± 0.016     1    (1 to 1)
    test loss                    0.185 ± 0.008    0.225 ± 0.014    0.300 ± 0.027     1    (1 to 1)
    trajectory, last tenth       0.088 ± 0.007    0.121 ± 0.006    0.106 ± 0.007     0.4  (-0.1 to 0.8)
    total trajectory             1.93 ± 0.08      1.86 ± 0.13      1.49 ± 0.16      -0.6  (-1 to 0)
    variance / rate^2, late      0.45 ± 0.05      0.51 ± 0.07      0.34 ± 0.05      -0.5  (-0.9 to 0)
    distance, last tenth         0.187 ± 0.007    0.127 ± 0.013    0.095 ± 0.013    -1    (-1 to -1)
    slope of the logits          1.86 ± 0.08      0.91 ± 0.12      0.60 ± 0.07      -1    (-1 to -1)

So the losses go as published; of the trajectory, its total and its variance nothing can be said, and the distance
falls. But so short a training fits only the true labels (train error 0.014, 0.112 and 0.206) and hardly begins to
memorise corrupted ones; where train loss is still high, this is what figures 1d-f show long before their end.

`--preset quick --task mnist`: 30 epochs and 3 replicates. Run once, November 2026, on the first 100 threes and sixes of
the test file of MNIST, 500 more for testing: 3.6 minutes on two cores, nearly idle; 6.1 core-minutes. Over the
convolutional network, the perceptron has 1.39 ± 0.04 times the trajectory of the last epochs (0.0421 against 0.0303 ±
0.0008), 1.20 ± 0.02 times the distance and 3.63 ± 0.06 times the test loss (0.0487 against 0.0134), as published; of
the total, 1.04 ± 0.02, nothing can be said. But the order belongs to the end: the bias of the convolutional network
moves faster from epoch 9 to 19, up to 0.085 an epoch against 0.059 at any time, and more slowly before and after, when
it is the surer of its labels (train loss 0.008 against 0.028). The slope of its logits is the greater, 1.61 ± 0.03 to
1.00.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from measures.registry import Component
from orchestrator.report.axis import Axis
from orchestrator.report.claim_kinds import Exceeds, PairedTrend
from orchestrator.report.derived_kinds import Moment, Ratio
from orchestrator.report.presentation import Courses, Panel, Presentation, Series
from orchestrator.study import Measured, Study
from sweeps.images import Images, in_place_of
from workers.spec import TrialSpec

Task = Literal["cifar", "mnist"]
AIRPLANE_DOG, THREE_SIX = (0, 5), (3, 6)
ONLINE = ("bias_trajectory", "bias_variance", "distance_to_initialisation")
LAST = 0.9  # of the training is over when its last part begins: the last ten of a hundred epochs


@dataclass(frozen=True)
class Protocol:
    """What a preset trains on, how, and how often."""

    images: Mapping[str, int | None]
    learning_rate: float
    factor: float  # of the learning rate, each epoch
    epochs: int
    replicates: int
    redrawn: bool  # images and corrupted labels, for each replicate
    fractions: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6)  # of corrupted labels


SMALL = {"size": 25, "num_train": 200, "num_test": 300}  # the smallest images that this network takes
PROTOCOLS: Mapping[tuple[Task, str], Protocol] = {
    ("cifar", "quick"): Protocol(SMALL, 0.02, 10 ** (-1 / 22), 22, 5, redrawn=True, fractions=(0.0, 0.3, 0.6)),
    ("cifar", "paper"): Protocol({}, 0.0025, 10 ** (-1 / 50), 100, 8, redrawn=False),
    ("mnist", "quick"): Protocol({}, 0.002, 1.0, 30, 3, redrawn=False),
    ("mnist", "paper"): Protocol({}, 0.002, 1.0, 100, 8, redrawn=False),
}


def corrupted_trajectory(
    *,
    preset: Annotated[
        Literal["quick", "paper"], Field(description="small version, or the published protocol")
    ] = "quick",
    task: Annotated[
        Task, Field(description="airplanes and dogs with corrupted labels, or the digits 3 and 6 by two networks")
    ] = "cifar",
    fractions: Annotated[
        tuple[Annotated[float, Field(ge=0, le=1)], ...] | None,
        Field(description="of corrupted labels, for task cifar; the preset's if none"),
    ] = None,
    replicates: Annotated[
        int | None, Field(ge=1, description="networks per setting, each with its own seeds; the preset's if none")
    ] = None,
    epochs: Annotated[int | None, Field(ge=1, description="epochs of training; the preset's if none")] = None,
    images: Images = "",
) -> Study:
    """Does the first bias travel farther, the more labels are corrupted, and in an MLP than in a CNN?"""
    protocol = PROTOCOLS[task, preset]
    if task == "mnist" and fractions is not None:
        raise ValueError(f"fractions={fractions} is not valid for task mnist, which has true labels")
    data = cifar(images, protocol) if task == "cifar" else mnist(images, protocol)
    cases = corruptions(protocol.fractions if fractions is None else fractions) if task == "cifar" else NETWORKS
    return Study(
        name="_".join(["corrupted_trajectory", *(["mnist"] * (task == "mnist")), *(["paper"] * (preset == "paper"))]),
        question="Does the first bias of a network travel farther, the more of its labels are corrupted?"
        if task == "cifar"
        else "Does the first bias of a perceptron travel farther than that of a convolutional network?",
        expected=EXPECTED[task],
        trials=tuple(
            trial(protocol, data, model, corruption, epochs or protocol.epochs, replicate)
            for replicate in range(replicates or protocol.replicates)
            for model, corruption in cases
        ),
        axes=("corruption.fraction",) if task == "cifar" else ("model",),
        measured=(
            Measured(Component("lipschitz", num_examples=200, sigmoid=True)),
            Measured(Component("bias_gradient", num_examples=200)),
        ),
        presentation=CORRUPTION if task == "cifar" else DIGITS,
    )


def corruptions(fractions: tuple[float, ...]) -> list[tuple[Component, Component]]:
    """The convolutional network with each share of corrupted labels."""
    return [(Component("binary_cnn"), Component("random_labels", fraction=fraction)) for fraction in fractions]


NETWORKS = [(Component(name), Component("none")) for name in ("binary_mlp", "binary_cnn")]


def trial(
    protocol: Protocol, data: Component, model: Component, corruption: Component, epochs: int, replicate: int
) -> TrialSpec:
    """One training, an image a step."""
    return TrialSpec(
        dataset=data,
        corruption=corruption,
        model=model,
        loss=Component("half_binary_cross_entropy"),
        optimizer=Component("sgd", learning_rate=protocol.learning_rate),
        schedule=Component("constant") if protocol.factor == 1 else Component("exponential", factor=protocol.factor),
        fit=Component("sgd", epochs=epochs, batch_size=1, online=ONLINE),
        data_seed=replicate if protocol.redrawn else 0,
        init_seed=replicate,
        order_seed=replicate,
    )


def cifar(images: str, protocol: Protocol) -> Component:
    """Airplanes and dogs of CIFAR-10, or of one's own copy of it, pixels from -1 to 1."""
    return in_place_of(
        Component("binary_cifar", **protocol.images), images, classes=AIRPLANE_DOG, normalization="symmetric"
    )


def mnist(images: str, protocol: Protocol) -> Component:
    """Threes and sixes of MNIST, or of one's own copy of it, pixels from -1 to 1."""
    return in_place_of(
        Component("binary_mnist", **protocol.images), images, grey=True, classes=THREE_SIX, normalization="symmetric"
    )


EXPECTED: Mapping[Task, str] = {
    "cifar": (
        "Loukas et al. figures 1d-f and 2c: the larger the share of corrupted labels, the higher train and test loss, "
        "the longer the trajectory of the bias (0 to 0.7 an epoch, by the axis), the larger its variance."
    ),
    "mnist": (
        "Loukas et al., released code: both networks fit the digits; the bias of the convolutional one moves less, and "
        "its test loss is lower."
    ),
}

TRAJECTORY = "bias_trajectory/mean"
LATE, VARIANCE, DISTANCE = "trajectory/late", "variance/late", "distance/late"
MOMENTS = (
    Moment(LATE, TRAJECTORY, begin=LAST, end=1.0),
    Moment(VARIANCE, "bias_variance/over_squared_rate", begin=LAST, end=1.0),
    Moment(DISTANCE, "distance_to_initialisation/mean", begin=LAST, end=1.0),
)
COURSES = Courses(
    (
        Panel("train loss", (Series("train/loss", "train"),), log=True),
        Panel("bias trajectory per epoch", (Series(TRAJECTORY, "mean step"),)),
        Panel("test loss", (Series("test/loss", "test"),)),
    )
)
PANELS = (
    Panel("loss", (Series("train/loss", "train"), Series("test/loss", "test"))),
    Panel("error", (Series("train/error", "train"), Series("test/error", "test"))),
    Panel(
        "bias trajectory per epoch, slope",
        (Series(LATE, "trajectory, last tenth"), Series("lipschitz/train.mean", "slope of the sigmoid, train")),
    ),
    Panel("slope of the logits", (Series("bias_gradient/mean", "training images"),)),
    Panel("total trajectory", (Series("bias_trajectory/total", "total"),)),
    Panel("variance of the bias / rate², last tenth", (Series(VARIANCE, "variance"),), log=True),
    Panel("distance of the bias from its start", (Series(DISTANCE, "distance"),)),
)

CORRUPTION = Presentation(
    x=Axis("corruption.fraction", "share of corrupted labels"),
    courses=COURSES,
    panels=PANELS,
    derived=MOMENTS,
    claims=(
        PairedTrend("train/loss", "train loss at the end", published="yes (figure 1d)"),
        PairedTrend(LATE, "bias trajectory over the last tenth", published="yes (figure 1e)"),
        PairedTrend("test/loss", "test loss at the end", published="yes (figure 1f)"),
        PairedTrend("bias_trajectory/total", "total trajectory", published="yes (integral of figure 1e)"),
        PairedTrend(VARIANCE, "variance of the bias over the last tenth", published="yes (figure 2c)"),
        PairedTrend(DISTANCE, "distance of the bias over the last tenth", published="shown, not claimed"),
        PairedTrend("bias_gradient/mean", "slope of the logits at training images", published="not claimed"),
    ),
)

RATIOS = {"trajectory": LATE, "total": "bias_trajectory/total", "distance": DISTANCE, "test loss": "test/loss"}
DIGITS = Presentation(
    x=Axis(
        "model",
        "network",
        names={"perceptron": {"model": "binary_mlp"}, "convolutional": {"model": "binary_cnn"}},
    ),
    courses=COURSES,
    panels=(*PANELS, Panel("relative to the convolutional network", (Series("over_cnn/trajectory", "trajectory"),))),
    derived=(
        *MOMENTS,
        *(Ratio(f"over_cnn/{name}", quantity, {"model": "binary_cnn"}) for name, quantity in RATIOS.items()),
    ),
    claims=tuple(
        Exceeds(f"over_cnn/{name}", f"{name}, relative to the convolutional network", 1.0, published="yes")
        for name in RATIOS
    ),
)


if __name__ == "__main__":
    from sweeps.__main__ import main

    main(corrupted_trajectory)
