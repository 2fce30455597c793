"""How does the intrinsic dimension of activations change with weight decay and with dropout?

Source: Brown, Juravsky, Caterini & Loaiza-Ganem, "Relating regularization and generalization through the intrinsic
dimension of activations", arXiv 2211.13239, figures 1 to 3: ResNet18 on CIFAR-100 and CIFAR-10, 21 weight decays
without dropout and 17 dropouts without weight decay, one seed each. LLID is the TwoNN dimension of the last hidden
layer on test images, PID the largest over the layers. Published:

1. LLID falls with regularisation: Pearson's r is -0.88 and -0.87 (CIFAR-100, weight decay and dropout), -0.77 and -0.99
   (CIFAR-10); from 22 to 10 and from 19 to 7.
2. Test accuracy goes with PID / LLID: r 0.92 and 0.96, of networks with a weight decay of at most 8e-4 or a dropout of
   at most 0.3. LLID alone is nearly as good on the same networks, r -0.90 and -0.90.
3. Over-regularised networks lose PID, too (CIFAR-100: 110 to 41). That begins, by lines in their figure, at weight
   decays 1e-3 and 5e-4, dropouts 0.25 and 0.35. No rule is given; ours is the least test error, the largest such x, and
   it gives all four.

By our rules, on the numbers read off their figures, all of this holds (up to the least test error r of PID / LLID with
it is -0.94 and -0.94, of LLID alone 0.92 and 0.85), but for the fall of PID with weight decay on CIFAR-10, which 9
networks of one seed cannot tell.

The README of the released code has the formulas of LLID and PID the wrong way round, and says that regularisation
increases LLID. Its code estimates anew after every batch of the test set and leaves the network in training mode
between them; and the deviation over overlapping subsets that it calls an error is half the true one. Here a finished
network is measured once, in evaluation mode, on the first 9,000 test images, as many as in each of its subsets; errors
are those of TwoNN. A dimension of 100 from so many points is far too low (docs/measures/intrinsic_dimension.md):
compare networks, not numbers.

Of the released CIFAR-10 runs two forms exist: a configuration of its own (crops and mirrored images, cosine schedule),
the default here, and one that inherits normalisation, rotation and steps of the learning rate from CIFAR-100,
`--data-sets cifar10_released`. Which one made the figures is unknown.

`--preset paper` has not been run: 76 trainings of 33 PFLOP each, by count 2.5 EFLOP and 143 GB of checkpoints; a
measurement holds 7 GB of activations. CIFAR-100 is downloaded.

`--preset quick` is the same network with 8 channels instead of 64, on 2,000 images of CIFAR-10 resized to 16 x 16
pixels and not augmented, for 20 epochs, measured on 1,000 test images: 12 networks. Run once, November 2026, on real
images (as JPEG): 6.6 minutes on two idle cores. One network each, ± the error of TwoNN:

    weight decay    0.0001         0.001          0.003          0.006          0.01           0.02
    LLID            13.2 ± 0.4     11.8 ± 0.4     10.4 ± 0.4     6.8 ± 0.2      5.2 ± 0.2      3.41 ± 0.12
    PID             25.8 ± 0.9     27.8 ± 0.9     29.3 ± 1.0     30.3 ± 1.0     29.9 ± 1.0     20.6 ± 0.7
    test error      0.606          0.604          0.588          0.576          0.590          0.771
    train error     0.002          0.006          0.025          0.229          0.463          0.764

    dropout         0              0.1            0.2            0.3            0.4            0.5
    LLID            12.8 ± 0.4     10.6 ± 0.4     6.8 ± 0.2      5.7 ± 0.2      4.9 ± 0.2      4.21 ± 0.14
    PID             23.7 ± 0.8     26.0 ± 0.9     25.6 ± 0.9     24.6 ± 0.8     21.7 ± 0.7     23.4 ± 0.8
    test error      0.592          0.593          0.611          0.647          0.740          0.762
    train error     0.024          0.263          0.521          0.598          0.726          0.767

(1) holds: r -0.92 and -0.95. Test error turns, at 0.006 and at 0. Of (2), LLID goes with it up to there (rank
correlation 0.90, 0.11 to 1); PID / LLID, -0.70 (-1 to 0.71), cannot be judged from 5 networks. Nor can (3): 3 networks
lie from the turn in weight decay on, of which the last has lost PID, and over dropout PID has no trend (-0.60, -1 to
0.60). An earlier form, with augmented images, was fitted by no network and had no overfitting to prevent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field

from measures.registry import Component
from orchestrator.report.axis import Axis
from orchestrator.report.claim_kinds import AtLeast, AtMost, Correlates, Turns
from orchestrator.report.derived_kinds import Side
from orchestrator.report.presentation import Panel, Presentation, Scatter, Series
from orchestrator.study import Measured, Study
from sweeps.images import Images, in_place_of
from workers.spec import TrialSpec

DataSet = Literal["cifar100", "cifar10", "cifar10_released"]
LLID, PID, RATIO = (f"intrinsic_dimension/{name}" for name in ("last_layer", "peak", "peak_over_last"))
SIDE = "over_regularised"
LLID_LABEL, PID_LABEL, RATIO_LABEL = "LLID", "PID", "PID / LLID"
UP_TO_TURN = AtMost(SIDE, "up to the least test error")
FROM_TURN = AtLeast(SIDE, "from the least test error on")
QUESTION = "How does the intrinsic dimension of activations change with weight decay and with dropout?"


@dataclass(frozen=True)
class Protocol:
    """What a preset trains: network, images, training, and both sweeps."""

    data_sets: tuple[DataSet, ...]
    images: Mapping[str, int | str]
    model: Component
    batch_size: int
    epochs: int
    num_examples: int
    weight_decays: tuple[float, ...]
    dropouts: tuple[float, ...]


PROTOCOLS = {
    "quick": Protocol(
        data_sets=("cifar10",),
        images={"size": 16, "num_train": 2000, "num_test": 1000, "augmentation": "none"},  # so that it can be fitted
        model=Component("resnet18", width=8),
        batch_size=32,
        epochs=20,
        num_examples=1000,
        weight_decays=(1e-4, 1e-3, 3e-3, 6e-3, 1e-2, 2e-2),
        dropouts=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
    ),
    "paper": Protocol(
        data_sets=("cifar100", "cifar10"),
        images={},
        model=Component("resnet18"),
        batch_size=128,
        epochs=200,
        num_examples=9000,
        weight_decays=(*(float(f"{i}e-{k}") for k in (6, 5, 4, 3) for i in (1, 2, 5, 6, 8)), 1e-2),
        dropouts=tuple(i / 20 for i in range(17)),
    ),
}
COSINE, STEPS = Component("cosine"), Component("multi_step", milestones=(60, 120, 160), factor=0.2)
OF_CIFAR100 = {"normalization": "activation_id", "augmentation": "crop_flip_rotation"}
DATA_SETS: Mapping[DataSet, tuple[Component, Component]] = {
    "cifar100": (Component("cifar100", **OF_CIFAR100), STEPS),
    "cifar10": (Component("cifar10", augmentation="crop_flip"), COSINE),
    "cifar10_released": (Component("cifar10", **OF_CIFAR100), STEPS),
}


def weight_decay_dimension(
    *,
    preset: Annotated[
        Literal["quick", "paper"], Field(description="small version, or the published protocol")
    ] = "quick",
    data_sets: Annotated[tuple[DataSet, ...] | None, Field(description="data sets; the preset's if none")] = None,
    weight_decays: Annotated[
        tuple[Annotated[float, Field(gt=0)], ...] | None, Field(description="without dropout; the preset's if none")
    ] = None,
    dropouts: Annotated[
        tuple[Annotated[float, Field(ge=0, lt=1)], ...] | None,
        Field(description="without weight decay; the preset's if none"),
    ] = None,
    replicates: Annotated[int, Field(ge=1, description="networks per setting, each with its own seeds")] = 1,
    epochs: Annotated[int | None, Field(ge=1, description="epochs of training; the preset's if none")] = None,
    images: Images = "",
) -> Study:
    """How does the intrinsic dimension of activations change with weight decay and with dropout?"""
    protocol = PROTOCOLS[preset]
    decays = protocol.weight_decays if weight_decays is None else weight_decays
    rates = protocol.dropouts if dropouts is None else dropouts
    settings = [*((weight_decay, 0.0) for weight_decay in decays), *((0.0, dropout) for dropout in rates)]
    return Study(
        name="weight_decay_dimension" if preset == "quick" else "weight_decay_dimension_paper",
        question=QUESTION,
        expected=EXPECTED,
        trials=tuple(
            trial(protocol, data_set(name, protocol, images), weight_decay, dropout, epochs, replicate)
            for name in (protocol.data_sets if data_sets is None else data_sets)
            for weight_decay, dropout in settings
            for replicate in range(replicates)
        ),
        axes=("dataset", "optimizer.weight_decay", "model.dropout"),
        measured=(Measured(Component("intrinsic_dimension", num_examples=protocol.num_examples)),),
        presentation=presentation(decays, rates),
    )


def data_set(name: DataSet, protocol: Protocol, images: str) -> tuple[Component, Component]:
    """The images, or those of an .npz file or a folder in place of CIFAR-10, and the schedule."""
    published, schedule = DATA_SETS[name]
    chosen = Component(published.name, **{**dict(published.settings), **protocol.images})
    return in_place_of(chosen, images, normalization="dataset"), schedule


def trial(
    protocol: Protocol,
    data: tuple[Component, Component],
    weight_decay: float,
    dropout: float,
    epochs: int | None,
    replicate: int,
) -> TrialSpec:
    """A post-activation ResNet18; weight decay is on every parameter, dropout after every hidden layer."""
    dataset, schedule = data
    return TrialSpec(
        dataset=dataset,
        model=Component(protocol.model.name, **{**dict(protocol.model.settings), "dropout": dropout}),
        optimizer=Component("sgd", learning_rate=0.1, momentum=0.9, weight_decay=weight_decay),
        schedule=schedule,
        fit=Component("sgd", epochs=epochs or protocol.epochs, batch_size=protocol.batch_size),
        init_seed=replicate,
        order_seed=replicate,
    )


EXPECTED = (
    "Brown et al. figures 1 to 3, ResNet18 on CIFAR-100 and CIFAR-10: LLID falls with weight decay and dropout (r of "
    "-0.88, -0.87; -0.77, -0.99), from 22 to 10 and from 19 to 7. Until test accuracy is best it goes with PID / LLID "
    "(0.92, 0.96). It is best at weight decays 1e-3 and 5e-4, dropouts 0.25 and 0.35; beyond, PID falls, too."
)
# The first match decides, so that CIFAR-100 is told from CIFAR-10 trained in the same way.
COLUMNS = Axis(
    "dataset",
    "data set",
    names={
        "cifar100": {"dataset": "cifar100"},
        "cifar10": {"schedule": "cosine"},
        "cifar10_released": {"schedule": "multi_step"},
    },
)
PANELS = (
    Panel("intrinsic dimension", (Series(PID, PID_LABEL), Series(LLID, LLID_LABEL))),
    Panel("error", (Series("test/error", "test"), Series("train/error", "train"))),
)


def presentation(weight_decays: tuple[float, ...], dropouts: tuple[float, ...]) -> Presentation:
    """Dimensions and errors over weight decay, over dropout, and test error against PID / LLID of all networks."""
    without_dropout = {"model.dropout": (0.0,), "optimizer.weight_decay": weight_decays}
    decay = Axis("optimizer.weight_decay", "weight decay", log=True, among=without_dropout)
    dropout = Axis("model.dropout", "dropout", among={"optimizer.weight_decay": (0.0,)})
    parts = [
        *([over(decay, "r -0.88 and -0.77", "at 1e-3 and 5e-4")] if weight_decays else []),
        *([over(dropout, "r -0.87 and -0.99", "at 0.25 and 0.35")] if dropouts else []),
        against(weight_decays, dropouts),
    ]
    sides = tuple(Side(SIDE, axis, "test/error") for axis in (decay, dropout))
    return replace(parts[0], derived=sides, also=tuple(parts[1:]))


def over(x: Axis, falls: str, turns: str) -> Presentation:
    """Figures 1 and 3, over one regulariser."""
    return Presentation(
        x=x,
        columns=COLUMNS,
        panels=PANELS,
        claims=(
            Correlates(LLID, LLID_LABEL, rises=False, other_label=x.label, published=f"yes, {falls}"),
            Turns("test/error", "test error", published=turns),
            Correlates(PID, PID_LABEL, rises=False, other_label=x.label, among=FROM_TURN, published="yes"),
        ),
    )


def against(weight_decays: tuple[float, ...], dropouts: tuple[float, ...]) -> Presentation:
    """Figure 2: test error against PID / LLID, of networks that are not over-regularised; and against each alone."""
    decay_names = {
        f"weight decay {value:g}": {"optimizer.weight_decay": value, "model.dropout": 0.0} for value in weight_decays
    }
    dropout_names = {
        f"dropout {value:g}": {"model.dropout": value, "optimizer.weight_decay": 0.0} for value in dropouts
    }
    groups = {"weight decay": tuple(decay_names), "dropout": tuple(dropout_names)}
    return Presentation(
        x=Axis("optimizer.weight_decay", "regularisation", names={**decay_names, **dropout_names}),
        columns=COLUMNS,
        scatter=Scatter(
            Series(RATIO, RATIO_LABEL),
            Series("test/error", "test error"),
            groups={label: names for label, names in groups.items() if names},
            among=UP_TO_TURN,
        ),
        claims=(
            with_test_error(RATIO, RATIO_LABEL, rises=False, published="yes, r -0.92 and -0.96"),
            with_test_error(LLID, LLID_LABEL, rises=True, published="r 0.90 and 0.90"),
            with_test_error(PID, PID_LABEL, rises=False, published="r -0.83 and -0.87"),
        ),
    )


def with_test_error(quantity: str, label: str, rises: bool, published: str) -> Correlates:
    """Of networks up to the least test error, does the quantity go along with it?"""
    return Correlates(quantity, label, rises, "test/error", "test error", UP_TO_TURN, published)


if __name__ == "__main__":
    from sweeps.__main__ import main

    main(weight_decay_dimension)
