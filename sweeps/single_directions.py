"""Does a network that memorises lean on more of its units than one that generalises, and does that show in time?

Source: Morcos, Barrett, Rabinowitz & Botvinick, "On the importance of single directions for generalization", ICLR 2018,
arXiv 1803.06959. Units are held at 0 one after another, in random orders, or noise is added to all of them; AUC is the
area under the accuracy on the training set. Published: (1) the larger the fraction of labels drawn at random, the
sooner accuracy falls (figures 1 to 3); (2) of 200 networks on clean labels those that generalise better have the larger
AUC; (3) AUC drops when test loss turns up, so that it could stop a training without test data (rank correlation with
test loss -0.73; over a sweep of 96 settings 0.91 with test accuracy); (4) how selective a unit is for a class does not
tell how important it is, early in the network less than not.

Rules, written down before any run that they judge. A network that has not fitted its labels makes (1) and (2) void: a
claim says whether all have, to 0.99, and those with a train error above 0.01 are left out. (3) is two claims: AUC is
largest where test loss is least, against places drawn evenly (`orchestrator.turnings`), which says that both change at
one time, as much else does; and AUC is lower at the end than at that step. Corruption is drawn by the same replicate
seeds at each fraction. Of our own: AUC and test error network by network, replicates and fractions together.

`--preset paper` is the published grid as far as it is known: perceptrons of 2 layers of 128 (for selectivity), 512 (for
generalisation) and 2048 units (for early stopping) on all of MNIST, all three measured for all; or, with `--network
conv11`, the CNN of 11 layers, ablated in its last three. Not known to us, and ours: the optimiser (SGD with momentum
0.9), learning rates, batch size, the epochs of the perceptrons, that of the 200 networks' hyperparameters only the rate
is varied, and at 12 values. Not run: 165 trainings of perceptrons, 90 of the CNN, each of these about 10 PFLOP.

`--preset quick` is a perceptron of 2 x 128 units on 2,000 MNIST images, 100 epochs at learning rate 0.02, and clean
ones at three other rates; 27 networks, each with 13 checkpoints.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field

from measures.registry import Component
from orchestrator.claim_kinds import AtMost, Claim, Correlates, Exceeds, TurnsWith
from orchestrator.derived_kinds import Turning
from orchestrator.presentation import Axis, Courses, Panel, Presentation, Profile, Profiles, Scatter, Series
from orchestrator.study import Checkpoints, Measured, Study
from workers.spec import TrialSpec

Preset = Literal["quick", "paper"]
Network = Literal["mlp", "conv11"]
ABLATION, NOISE = "ablation/auc", "activation_noise/auc"
TRAIN_ACCURACY = "ablation/start_accuracy"
EARLY = "early_stopping"
FITTED = AtMost("train/error", "train error at most 0.01", 0.01)


@dataclass(frozen=True)
class Protocol:
    """What is trained: widths, images, training, corrupted fractions; and learning rates of clean nets."""

    widths: tuple[int, ...]
    images: Mapping[str, int | str | None]
    batch_size: int
    epochs: int
    learning_rate: float
    fractions: tuple[float, ...]
    learning_rates: tuple[float, ...]
    layers: tuple[str, ...]  # to ablate; all if none
    hidden: tuple[str, ...]  # whose single units are looked at
    num_fractions: int  # of the units, at which ablation stops
    replicates: int


LAST = ("conv9", "conv10", "conv11")
PERCEPTRON = Protocol(
    widths=(128,),
    images={"num_train": 2000, "num_test": 2000},
    batch_size=64,
    epochs=100,
    learning_rate=0.02,
    fractions=(0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
    learning_rates=(0.005, 0.01, 0.05),
    layers=(),
    hidden=("hidden1", "hidden2"),
    num_fractions=11,
    replicates=3,
)
OF_PAPER = replace(PERCEPTRON, images={}, batch_size=128, learning_rate=0.05, num_fractions=41, replicates=5)
PROTOCOLS: Mapping[tuple[Preset, Network], Protocol] = {
    ("quick", "mlp"): PERCEPTRON,
    ("quick", "conv11"): replace(
        PERCEPTRON,
        widths=(8,),
        epochs=60,
        learning_rate=0.05,
        learning_rates=(),
        layers=LAST,
        hidden=LAST,
        replicates=1,
    ),
    ("paper", "mlp"): replace(OF_PAPER, widths=(128, 512, 2048), learning_rates=(0.005, 0.01, 0.02, 0.1, 0.2)),
    ("paper", "conv11"): replace(
        OF_PAPER,
        widths=(64,),
        learning_rates=tuple(0.05 * 2 ** (k / 4) for k in (-8, -7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4)),
        layers=LAST,
        hidden=tuple(f"conv{number}" for number in range(1, 12)),
    ),
}


def single_directions(
    *,
    preset: Annotated[Preset, Field(description="minutes, or the published protocol")] = "quick",
    network: Annotated[Network, Field(description="perceptron on MNIST, or 11 convolutions on CIFAR-10")] = "mlp",
    fractions: Annotated[
        tuple[Annotated[float, Field(ge=0, le=1)], ...] | None,
        Field(description="of labels drawn at random; the preset's if none"),
    ] = None,
    replicates: Annotated[
        int | None, Field(ge=1, description="networks per setting, each with its own seeds; the preset's if none")
    ] = None,
    epochs: Annotated[int | None, Field(ge=1, description="epochs of training; the preset's if none")] = None,
    images: Annotated[
        str, Field(description="the images in another form: an .npz file, or a folder of image files")
    ] = "",
) -> Study:
    """Does a network that memorises lean on more of its units than one that generalises, and does that show in time?"""
    protocol = PROTOCOLS[preset, network]
    cells = list(_cells(protocol, fractions, replicates or protocol.replicates))
    suffix = ("" if network == "mlp" else f"_{network}") + ("" if preset == "quick" else f"_{preset}")
    return Study(
        name=f"single_directions{suffix}",
        question="Does a network that memorises lean on more of its units than one that generalises, and does that "
        "show in time?",
        expected=EXPECTED[preset],
        trials=tuple(
            _trial(protocol, network, width, images, epochs or protocol.epochs, *cell)
            for width in protocol.widths
            for cell in cells
        ),
        axes=("model.width", "corruption.fraction", "optimizer.learning_rate"),
        measured=(
            Measured(
                Component("ablation", layers=protocol.layers, num_fractions=protocol.num_fractions), at="checkpoints"
            ),
            Measured(Component("activation_noise", layers=protocol.layers)),
            Measured(Component("selectivity", layers=protocol.hidden)),
        ),
        checkpoints=Checkpoints(per_decade=3, fraction=1.0),
        presentation=presentation(protocol, cells),
    )


def _cells(
    protocol: Protocol, fractions: tuple[float, ...] | None, replicates: int
) -> Iterator[tuple[float, float, int]]:
    """Fraction, learning rate and replicate of every network: of the grid, then of clean ones that learn otherwise."""
    chosen = protocol.fractions if fractions is None else fractions
    for fraction in chosen:
        yield from ((fraction, protocol.learning_rate, replicate) for replicate in range(replicates))
    if 0.0 in chosen:
        for rate in protocol.learning_rates:
            yield from ((0.0, rate, replicate) for replicate in range(replicates))


def _trial(
    protocol: Protocol,
    network: Network,
    width: int,
    images: str,
    epochs: int,
    fraction: float,
    learning_rate: float,
    replicate: int,
) -> TrialSpec:
    """One training to its end, not to its fit: early stopping is about what comes after."""
    return TrialSpec(
        dataset=_dataset(network, images, protocol.images),
        corruption=Component("random_labels", fraction=fraction),
        model=Component(network, width=width),
        optimizer=Component("sgd", learning_rate=learning_rate, momentum=0.9),
        fit=Component("sgd", epochs=epochs, batch_size=protocol.batch_size),
        data_seed=replicate,
        init_seed=replicate,
        order_seed=replicate,
    )


def _dataset(network: Network, images: str, settings: Mapping[str, int | str | None]) -> Component:
    """MNIST or CIFAR-10, or the images of an .npz file or a folder in their place."""
    if not images:
        return Component("mnist" if network == "mlp" else "cifar10", **settings)
    if images.endswith(".npz"):
        return Component("arrays", path=images, channels_last=network != "mlp", normalization="dataset", **settings)
    return Component("image_folder", path=images, normalization="dataset", **settings)


EXPECTED: Mapping[Preset, str] = {
    "quick": (
        "Morcos et al. 2018: AUC of ablation and of noise fall with the corrupted fraction of labels, all of them "
        "fitted; test error falls as AUC rises; AUC is largest where test loss is least, and falls from there; "
        "selectivity does not predict importance."
    ),
    "paper": (
        "Morcos et al. 2018: the same, over six corrupted fractions; among 200 clean networks generalisation goes with "
        "AUC; AUC drops at the step where test loss turns up (rank correlation of the two -0.73); over a sweep of 96 "
        "settings AUC and test accuracy correlate with 0.91. The last two numbers are from memory of the paper."
    ),
}


def presentation(protocol: Protocol, cells: list[tuple[float, float, int]]) -> Presentation:
    """Curves and areas over the corrupted fraction and over steps; areas against test error, network by network."""
    base = {"optimizer.learning_rate": (protocol.learning_rate,)}
    columns = Axis("model.width", "width")
    return Presentation(
        x=Axis("corruption.fraction", "corrupted fraction", among=base),
        columns=columns,
        courses=Courses(
            (
                Panel("area under the ablation curve", (Series(ABLATION, "AUC"),)),
                Panel("test loss", (Series("test/loss", "test"),), log=True),
                Panel("error", (Series("train/error", "train"), Series("test/error", "test"))),
            ),
            log=True,
            mark=Series(f"{EARLY}/step", "test loss is least"),
        ),
        profiles=(
            Profiles(
                "share of the units ablated",
                (
                    Profile("train accuracy", (Series("ablation/accuracy", "train"),), "ablation/fractions"),
                    Profile("train loss", (Series("ablation/loss", "train"),), "ablation/fractions", log=True),
                ),
            ),
            Profiles(
                "noise over the deviation of a unit",
                (
                    Profile(
                        "train accuracy", (Series("activation_noise/accuracy", "train"),), "activation_noise/levels"
                    ),
                ),
                log=True,
            ),
        ),
        panels=(
            Panel("area under the curve", (Series(ABLATION, "units ablated"), Series(NOISE, "noise added"))),
            Panel("error", (Series("train/error", "train"), Series("test/error", "test"))),
            Panel(
                "rank correlation of selectivity and importance",
                tuple(Series(f"selectivity/layer.{name}.rank_correlation", name) for name in protocol.hidden),
            ),
        ),
        claims=(*_memorisers(), *_early_stopping(), *_selectivity(protocol.hidden)),
        turnings=(Turning(EARLY, least="test/loss", largest=ABLATION),),
        also=tuple(_networks(cells, columns, protocol)),
    )


def _memorisers() -> tuple[Claim, ...]:
    return (
        Exceeds(TRAIN_ACCURACY, "train accuracy before anything is ablated", 0.99, published="about 1 at each"),
        Correlates(ABLATION, "AUC of ablation", rises=False, among=FITTED, published="yes"),
        Correlates(NOISE, "AUC of noise", rises=False, among=FITTED, published="yes"),
    )


def _early_stopping() -> tuple[Claim, ...]:
    return (
        TurnsWith(EARLY, "AUC of ablation", "test loss", published="yes, by eye; rho -0.73 with test loss"),
        Exceeds(f"{EARLY}/fall", "fall of AUC from the turn of test loss to the end", 0.0, published="yes"),
    )


def _selectivity(hidden: tuple[str, ...]) -> tuple[Claim, ...]:
    """Published is that these do not hold."""
    return tuple(
        Exceeds(
            f"selectivity/layer.{name}.rank_correlation",
            f"rank correlation of selectivity and importance in {name}",
            0.0,
            published="no: about 0, or negative in early layers",
        )
        for name in (hidden[0], hidden[-1])
    )


def _networks(cells: list[tuple[float, float, int]], columns: Axis, protocol: Protocol) -> Iterator[Presentation]:
    """Network by network: all of them, then the clean ones alone."""
    clean = [cell for cell in cells if cell[0] == 0]
    groups = {f"{fraction:g} of labels random": [c for c in cells if c[0] == fraction] for fraction, _, _ in cells}
    yield _against(groups, "all networks", FITTED, columns, published="yes")
    rates = {f"learning rate {rate:g}": [c for c in clean if c[1] == rate] for _, rate, _ in clean}
    if len(rates) > 1:
        yield _against(rates, "clean networks", FITTED, columns, published="yes, over 200 networks")


def _against(
    groups: Mapping[str, list[tuple[float, float, int]]], label: str, among: AtMost, columns: Axis, published: str
) -> Presentation:
    names = {
        _name(cell): {"corruption.fraction": cell[0], "optimizer.learning_rate": cell[1], "init_seed": cell[2]}
        for group in groups.values()
        for cell in group
    }
    x, y = Series(ABLATION, "area under the ablation curve"), Series("test/error", "test error")
    return Presentation(
        x=Axis("network", label, names=names),
        columns=columns,
        scatter=Scatter(
            x, y, {group: tuple(_name(cell) for cell in members) for group, members in groups.items()}, among
        ),
        claims=(
            Correlates(
                "test/error",
                f"test error of {label}",
                rises=False,
                other=ABLATION,
                other_label="AUC of ablation",
                among=among,
                published=published,
            ),
        ),
    )


def _name(cell: tuple[float, float, int]) -> str:
    return f"fraction {cell[0]:g}, learning rate {cell[1]:g}, replicate {cell[2]}"


if __name__ == "__main__":
    from sweeps.__main__ import main

    main(single_directions)
