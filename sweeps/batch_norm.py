"""Does batch norm steady the training of a network, and how much of its generalisation does it account for?

Source: Zhang, Bengio, Hardt, Recht & Vinyals, "Understanding deep learning requires rethinking generalization", ICLR
2017, arXiv 1611.03530, figure 2b and table 1: the small inception on CIFAR-10 with and without batch norm. Published,
of one network each: both fit their training images, test accuracy is 85.75 % with batch norm and 82.00 % without; batch
norm steadies the learning, and stopping early gains nothing. A public reproduction of 80 epochs gave 87.3 and 82.7 %,
at best 87.4 and 82.8 %; 24 and 47 epochs to its running rule; test loss rose from 0.587 to 0.66 with batch norm, and
from 0.672 to 1.85 without, so that of the loss early stopping would gain a good deal.

Networks are compared in pairs that share their seeds. "Steady" was judged by eye; here it is the mean size of the
change of test error from one evaluation to the next, and the sum of all its rises.

`--preset paper` is the protocol (central 28 x 28 pixels, each image whitened by itself, SGD with momentum 0.9, learning
rate 0.1 times 0.95 per epoch), 80 epochs, 5 pairs. It has not been run.

`--preset quick` is an inception of width 4 on 2,000 images resized to 16 x 16 pixels, 25 epochs, 3 pairs. With the
weights that torch draws by default so narrow a network does not learn at all without batch norm (in trials on 3,000
images it stayed at a training error of 0.9 for 14 epochs, at learning rates 0.05 and 0.1), so both are drawn as He et
al. do.

Run twice, November 2026, with the same numbers: 4.8 minutes. Expected: the published gap. Came: test error 0.553 ±
0.002 with batch norm and 0.644 ± 0.006 without, a gap of 0.092 ± 0.005 within pairs; but without it the images are not
fitted by the end (train error 0.29 ± 0.04), with it they are after 1,407 ± 56 steps, so this is not the published gap
of two fitted networks. The curve with batch norm is not the smoother one: test error changes by 0.035 from one
evaluation to the next against 0.027, because it falls further and faster. Stopping at the best evaluation would gain
0.007 ± 0.001 with and 0.023 ± 0.005 without, of the loss 0.91 and 0.56.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from measures.registry import Component
from orchestrator.report.axis import Axis
from orchestrator.report.claim_kinds import Agrees, Exceeds
from orchestrator.report.derived_kinds import Descent, Difference, Ratio
from orchestrator.report.presentation import Courses, Panel, Presentation, Series
from orchestrator.study import Study
from sweeps.images import Images, in_place_of
from workers.spec import TrialSpec

WITH = {"model.batch_norm": True}
WITHOUT = {"model.batch_norm": False}
RUNNING = "interpolation_threshold_running/step"


@dataclass(frozen=True)
class Protocol:
    """What a preset trains: the network, its learning rate, the images, the training."""

    model: Component
    learning_rate: float
    images: Mapping[str, int | None]
    batch_size: int
    epochs: int
    replicates: int


PROTOCOLS: Mapping[str, Protocol] = {
    "quick": Protocol(
        model=Component("inception", width=4, initialisation="he"),
        learning_rate=0.05,
        images={"size": 16, "num_train": 2000, "num_test": 1000},
        batch_size=32,
        epochs=25,
        replicates=3,
    ),
    "paper": Protocol(
        model=Component("inception"),
        learning_rate=0.1,
        images={"crop": 28, "num_train": None},
        batch_size=128,
        epochs=80,
        replicates=5,
    ),
}


def batch_norm(
    *,
    preset: Annotated[
        Literal["quick", "paper"], Field(description="small version, or the published protocol")
    ] = "quick",
    replicates: Annotated[
        int | None, Field(ge=1, description="pairs of networks, each with its own seeds; the preset's if none")
    ] = None,
    epochs: Annotated[int | None, Field(ge=1, description="epochs of training; the preset's if none")] = None,
    num_train: Annotated[
        int | None, Field(ge=1, description="training images, drawn at random; the preset's if none")
    ] = None,
    images: Images = "",
) -> Study:
    """Does batch norm steady the training of a network, and how much of its generalisation does it account for?"""
    protocol = PROTOCOLS[preset]
    chosen = {**protocol.images, **({} if num_train is None else {"num_train": num_train})}
    data = in_place_of(Component("cifar10", normalization="per_image", **chosen), images)
    return Study(
        name="batch_norm" if preset == "quick" else f"batch_norm_{preset}",
        question="Does batch norm steady the training of a network, and how much of its generalisation does it account "
        "for?",
        expected=EXPECTED[preset],
        trials=tuple(
            trial(protocol, normalised, data, epochs or protocol.epochs, replicate)
            for replicate in range(replicates or protocol.replicates)
            for normalised in (True, False)
        ),
        axes=("model.batch_norm",),
        presentation=PRESENTATION,
    )


def trial(protocol: Protocol, normalised: bool, data: Component, epochs: int, replicate: int) -> TrialSpec:
    """An inception trained to the end; a pair shares all its seeds."""
    return TrialSpec(
        dataset=data,
        model=Component("inception", **{**dict(protocol.model.settings), "batch_norm": normalised}),
        optimizer=Component("sgd", learning_rate=protocol.learning_rate, momentum=0.9),
        schedule=Component("exponential", factor=0.95),
        fit=Component("sgd", epochs=epochs, batch_size=protocol.batch_size),
        data_seed=replicate,
        init_seed=replicate,
        order_seed=replicate,
    )


PUBLISHED = (
    "Zhang et al. figure 2b and table 1: both networks fit their training images; test accuracy 85.75 % with batch "
    "norm, 82.00 % without, of one network each. Batch norm steadies the learning; stopping early gains nothing."
)

EXPECTED = {
    "quick": f"{PUBLISHED} A public reproduction needed 24 and 47 epochs to the running rule.",
    "paper": (
        f"{PUBLISHED} A public reproduction of 80 epochs: 87.3 and 82.7 %, at best 87.4 and 82.8 %; 24 and 47 epochs "
        "to the running rule; test loss rises from 0.587 to 0.66 with batch norm, from 0.672 to 1.85 without."
    ),
}

GAP = "gap/test_error"
PRESENTATION = Presentation(
    x=Axis("model.batch_norm", "batch norm", names={"with": WITH, "without": WITHOUT}),
    courses=Courses(
        (
            Panel("error", (Series("train/error", "train"), Series("test/error", "test"))),
            Panel("loss", (Series("train/loss", "train"), Series("test/loss", "test")), log=True),
        ),
        mark=Series(RUNNING, "running rule: loss < 0.01 or error < 0.003"),
    ),
    panels=(
        Panel("error at the end", (Series("train/error", "train"), Series("test/error", "test"))),
        Panel(
            "change of test error between evaluations",
            (Series("course/error/change", "mean size"), Series("course/error/rise", "sum of all rises")),
        ),
        Panel("last above best: test error", (Series("course/error/excess", "test error"),)),
        Panel("last above best: test loss", (Series("course/loss/excess", "test loss"),)),
        Panel("steps to the running rule", (Series(RUNNING, "running rule"),)),
    ),
    claims=(
        Exceeds(GAP, "test error less that of the same seeds with batch norm", 0.0, published="yes, by 0.0375"),
        Agrees(
            GAP,
            "test error less that of the same seeds with batch norm",
            {1: 0.0375},
            0.02,
            published="0.0375, of one network each; 0.046 in a public reproduction",
        ),
        Exceeds(
            "slowdown", "number of steps to fit, relative to batch norm", 1.0, published="yes; 2.0 in a reproduction"
        ),
        Exceeds(
            "roughness/change",
            "mean change of test error between evaluations, relative to batch norm",
            1.0,
            published="batch norm stabilises the dynamics, by eye",
        ),
        Exceeds(
            "gap/rise",
            "sum of all rises of test error, less that with batch norm",
            0.0,
            published="batch norm stabilises the dynamics, by eye",
        ),
        Agrees(
            "course/error/excess",
            "what stopping at the best evaluation gains in test error",
            {0: 0.0, 1: 0.0},
            0.01,
            published="nothing; 0.001 in a reproduction",
        ),
        Exceeds(
            "course/loss/excess",
            "what stopping at the best evaluation gains in test loss",
            0.0,
            published="0.07 with, 1.18 without, in a reproduction",
        ),
    ),
    derived=(
        Descent("course/error", "test/error"),
        Descent("course/loss", "test/loss"),
        Difference(GAP, "test/error", WITH),
        Ratio("slowdown", RUNNING, WITH),
        Ratio("roughness/change", "course/error/change", WITH),
        Difference("gap/rise", "course/error/rise", WITH),
    ),
)


if __name__ == "__main__":
    from sweeps.__main__ import main

    main(batch_norm)
