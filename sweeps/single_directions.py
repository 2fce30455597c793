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
largest where test loss is least, against places drawn evenly (`orchestrator.report.turnings`); and it is lower at the
end.

`--preset paper` is the published grid as far as it is known: perceptrons of 2 layers of 128 (for selectivity), 512 (for
generalisation) and 2048 units (for early stopping) on all of MNIST, all measured alike; or, with `--network conv11`,
the CNN of 11 layers, ablated in its last three. Ours, as not known to us: SGD with momentum 0.9, learning rates, batch
size, the perceptrons' epochs; 60 clean CNNs for 200. Not run: 165 perceptrons; 90 CNNs of about 10 PFLOP each.

`--preset quick` is a perceptron of 2 x 128 units on 2,000 MNIST images, 100 epochs at learning rate 0.02, and clean
ones at three other rates; 27 networks, each ablated at 13 checkpoints. Run in November 2026 on images of the official
test set (5,000 to draw from, 5,000 to test on). All networks fit. Means over three replicates, ± of the areas in
thousandths:

    fraction of random labels    0          0.2        0.4        0.6        0.8        1
    AUC, ablation                0.670±11   0.550±9    0.503±7    0.483±7    0.464±6    0.456±6
    AUC, noise                   0.773±2    0.705±1    0.673±1    0.659±3    0.648±1    0.643±2
    test error                   0.080      0.178      0.337      0.500      0.711      0.894

(1) holds, and (2): rank correlation of test error and AUC -0.66 (-0.87 to -0.19) over 12 clean networks, of which those
that learned faster are better in both; -0.97 over all 27. (3) does not hold as it is written: AUC rises for 0.9 decades
of steps after test loss has turned, because train accuracy does. Divided by that accuracy, which was added when this
had been seen, it is about 0.65 in all networks when test loss turns; from there it falls, by 0.09 to 0.31, where labels
are random, and does not (-0.006 ± 0.004) where none is; but it is largest at the first steps, by chance. (4) as
published: selectivity and importance correlate with -0.50 ± 0.11 in layer 2 of clean networks, and with 0.20 ± 0.09
where all labels are random.

A second run, 3.2 minutes on two idle cores, in arithmetic that rounds otherwise (`RECIPE` 3): areas of ablation 0.670,
0.552, 0.517, 0.483, 0.462, 0.463, and the same verdicts but for (2), which cannot be judged of the clean networks
(-0.57, -0.95 to 0.06; -0.95 over all): what 12 of them say is not firm.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field

from measures.registry import Component
from orchestrator.report.axis import Axis
from orchestrator.report.claim_kinds import AtMost, Claim, Correlates, Exceeds, TurnsWith
from orchestrator.report.derived_kinds import Turning
from orchestrator.report.presentation import Courses, Panel, Presentation, Profile, Profiles, Scatter, Series
from orchestrator.study import Checkpoints, Measured, Study
from sweeps.images import Images, in_place_of
from workers.spec import TrialSpec

Preset = Literal["quick", "paper"]
Network = Literal["mlp", "conv11"]
Cell = tuple[float, float, int]  # fraction of random labels, learning rate, replicate
ABLATION, NOISE = "ablation/auc", "activation_noise/auc"
TRAIN_ACCURACY = "ablation/start_accuracy"
EARLY = {"early_stopping": ABLATION, "early_stopping_relative": "ablation/auc_over_start"}
PUBLISHED = "yes, by eye; rank correlation with test loss -0.73"
RELATIVE = "AUC over the accuracy before ablation"
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
    images: Images = "",
) -> Study:
    """Does a network that memorises lean on more of its units than one that generalises, and does that show in time?"""
    protocol = PROTOCOLS[preset, network]
    cells = list(_cells(protocol, fractions, replicates or protocol.replicates))
    suffix = ("" if network == "mlp" else f"_{network}") + ("" if preset == "quick" else f"_{preset}")
    return Study(
        name=f"single_directions{suffix}",
        question="Does a network that memorises lean on more of its units than one that generalises, and does that "
        "show in time?",
        expected=EXPECTED,
        trials=tuple(
            _trial(protocol, Component(network, width=width), images, epochs or protocol.epochs, cell)
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


def _cells(protocol: Protocol, fractions: tuple[float, ...] | None, replicates: int) -> Iterator[Cell]:
    """Every network: those of the grid, then clean ones that learn at other rates."""
    chosen = protocol.fractions if fractions is None else fractions
    others = protocol.learning_rates if 0.0 in chosen else ()
    settings = [*((fraction, protocol.learning_rate) for fraction in chosen), *((0.0, rate) for rate in others)]
    yield from ((fraction, rate, replicate) for fraction, rate in settings for replicate in range(replicates))


def _trial(protocol: Protocol, model: Component, images: str, epochs: int, cell: Cell) -> TrialSpec:
    """One training to its end, not to its fit: early stopping is about what comes after."""
    fraction, learning_rate, replicate = cell
    return TrialSpec(
        dataset=dataset(model.name == "mlp", images, protocol.images),
        corruption=Component("random_labels", fraction=fraction),
        model=model,
        optimizer=Component("sgd", learning_rate=learning_rate, momentum=0.9),
        fit=Component("sgd", epochs=epochs, batch_size=protocol.batch_size),
        data_seed=replicate,
        init_seed=replicate,
        order_seed=replicate,
    )


def dataset(digits: bool, images: str, settings: Mapping[str, int | str | None]) -> Component:
    """MNIST or CIFAR-10, or images in their place."""
    published = Component("mnist" if digits else "cifar10", **settings)
    return in_place_of(published, images, grey=digits, normalization="dataset")


EXPECTED = (
    "Morcos et al. 2018: AUC of ablation and of noise fall with the corrupted fraction, all labels fitted; test error "
    "falls as AUC rises; AUC is largest where test loss is least, and falls from there; selectivity does not predict "
    "importance. Rank correlation of AUC with test loss -0.73, with test accuracy over 96 settings 0.91."
)


def presentation(protocol: Protocol, cells: list[Cell]) -> Presentation:
    """Curves and areas over the corrupted fraction and over steps; areas against test error, network by network."""
    base = {"optimizer.learning_rate": (protocol.learning_rate,)}
    columns, noise = Axis("model.width", "width"), "activation_noise"
    return Presentation(
        x=Axis("corruption.fraction", "corrupted fraction", among=base),
        columns=columns,
        courses=Courses(
            (
                Panel("area under the ablation curve", (Series(ABLATION, "AUC"),)),
                Panel(RELATIVE, (Series("ablation/auc_over_start", "AUC over accuracy"),)),
                Panel("test loss", (Series("test/loss", "test"),), log=True),
                Panel("error", (Series("train/error", "train"), Series("test/error", "test"))),
            ),
            log=True,
            mark=Series("early_stopping/step", "test loss is least"),
        ),
        profiles=(
            Profiles(
                "share of the units ablated",
                (Profile("train accuracy", (Series("ablation/accuracy", "train"),), "ablation/fractions"),),
            ),
            Profiles(
                "noise over the deviation of a unit",
                (Profile("train accuracy", (Series(f"{noise}/accuracy", "train"),), f"{noise}/levels"),),
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
        claims=_claims((protocol.hidden[0], protocol.hidden[-1])),
        derived=tuple(Turning(name, least="test/loss", largest=area) for name, area in EARLY.items()),
        also=tuple(_networks(cells, columns)),
    )


def _claims(hidden: tuple[str, ...]) -> tuple[Claim, ...]:
    """On memorisers, on early stopping by either area, and on selectivity, of which the opposite is published."""
    early = zip(EARLY, ("AUC", RELATIVE), (PUBLISHED, ""), strict=True)
    return (
        Exceeds(TRAIN_ACCURACY, "train accuracy before anything is ablated", 0.99, published="about 1 at each"),
        Correlates(ABLATION, "AUC of ablation", rises=False, among=FITTED, published="yes"),
        Correlates(NOISE, "AUC of noise", rises=False, among=FITTED, published="yes"),
        *(
            claim
            for name, label, published in early
            for claim in (
                TurnsWith(name, label, "test loss", published),
                Exceeds(f"{name}/fall", f"fall of {label} from the turn of test loss to the end", 0.0, published),
            )
        ),
        *(
            Exceeds(
                f"selectivity/layer.{name}.rank_correlation",
                f"rank correlation of selectivity and importance in {name}",
                0.0,
                published="no: about 0, or negative in early layers",
            )
            for name in hidden
        ),
    )


def _networks(cells: list[Cell], columns: Axis) -> Iterator[Presentation]:
    """Network by network: all of them, then the clean ones alone."""
    fractions, rates = ({cell[i]: None for cell in cells if i == 0 or cell[0] == 0} for i in (0, 1))
    groups = {f"{fraction:g} of labels random": [c for c in cells if c[0] == fraction] for fraction in fractions}
    yield _against(groups, "all networks", columns, published="yes")
    clean = {f"learning rate {rate:g}": [c for c in cells if c[:2] == (0, rate)] for rate in rates}
    if len(clean) > 1:
        yield _against(clean, "clean networks", columns, published="yes, over 200 networks")


def _against(groups: Mapping[str, list[Cell]], label: str, columns: Axis, published: str) -> Presentation:
    """Test error against AUC, a point for each network."""
    names = {
        _name((at, rate, seed)): {"corruption.fraction": at, "optimizer.learning_rate": rate, "init_seed": seed}
        for group in groups.values()
        for at, rate, seed in group
    }
    x, y = Series(ABLATION, "area under the ablation curve"), Series("test/error", "test error")
    shown = {group: tuple(map(_name, members)) for group, members in groups.items()}
    return Presentation(
        x=Axis("network", label, names=names),
        columns=columns,
        scatter=Scatter(x, y, shown, FITTED, shades=False),
        claims=(
            Correlates(
                "test/error", f"test error of {label}", False, ABLATION, "AUC of ablation", FITTED, published=published
            ),
        ),
    )


def _name(cell: Cell) -> str:
    return f"fraction {cell[0]:g}, learning rate {cell[1]:g}, replicate {cell[2]}"


if __name__ == "__main__":
    from sweeps.__main__ import main

    main(single_directions)
