"""Which layers settle first, do networks that generalise end alike, and what do layers make of small noise?

Three questions, one set of networks: of true labels and of random ones, the same random ones for all, on the same
images; they differ in initial weights and in the order of the batches.

(1) Raghu, Gilmer, Yosinski & Sohl-Dickstein, "SVCCA", NIPS 2017, arXiv 1706.05806, figure 3: layers become like their
final selves from the bottom up. The rule here: Kendall's tau of depth and the step from which a layer's similarity to
its final self is at least 0.9 to the end is above 0. But an early layer is like its final self before anything has been
learned, because it keeps the geometry of the inputs; so the same is asked of half of the way from where a layer began
to 1, which is not published. Maps show every layer against every final layer.

(2) Morcos, Raghu & Bengio, "Insights on representational similarity", NeurIPS 2018, arXiv 1806.05759: networks that
generalise are alike in their deep layers, networks that memorise are neither like those nor like one another; in early
layers all are about as alike. By debiased CKA and by SVCCA, for the methods disagree; the paper has PWCCA, which needs
more than the Gram matrices that our trials store. Rules, with intervals over networks:
`orchestrator.report.group_findings`.

(3) A blog's experiment, without numbers and by its own words preliminary: activations of a layer on noisy copies of an
image, not centred. One expects the share of the first squared singular value, EVR_1, to rise as noise is filtered;
observed is that it falls in convolutional layers, less in later ones. Theory: for small noise 1 - EVR_1 is sigma
squared times the squared Jacobian over the squared activation (perpendicular part), so curves of several sigmas, over
sigma squared, are one curve. Networks of random labels are a control that the blog lacks.

`--preset paper` is the CIFAR-10 protocol of (1) and (2) as far as it is known: 5 + 5 networks, and the CNN of 11 layers
of Morcos et al. 2018, whose relatives they used. Not known to us, and ours: optimiser, learning rate, epochs, the share
of the training at which the maps were taken. `--preset blog` is what (3) has, completed: two convolutions and a hidden
layer, 50 images, 128 copies, sigma 0.2, 0.1 and 0.01, after every epoch of 30. Neither was run: 10 trainings of 100
epochs of 50,000 images, about 10 PFLOP each; 6 of 30 epochs of 60,000 small ones, and 186 measurements of 50 images.

`--preset quick` is a LeNet on the central 28 x 28 pixels of 2,000 CIFAR-10 images, 80 epochs, 4 + 4 networks. Run once,
November 2026, on original images: 7.5 minutes on two cores, of which other work took a third; 9.7 core-minutes. All
fit; test errors are 0.598 to 0.613 and 0.890 to 0.909.

(1) as published: tau at 0.9 is 0.92 ± 0.05 for true labels and 0.83 ± 0 for random ones, and at half of the way 0.83 ±
0.07 for random ones, but 0.13 ± 0.04 for true ones, where all layers have gone it at steps 316 or 640: nothing that one
would call an order, although it is above 0. Both hidden layers are settled only when training has stopped to move
anything; and of random labels two conv1 out of four are at 0.9 from the start, as said above.

(2) as published by debiased CKA: distances within networks of true labels, of random ones, and between are 0.10, 0.29
and 0.33 in conv1, 0.49 (0.45 to 0.54), 0.86 (0.85 to 0.87) and 0.89 (0.88 to 0.91) in hidden2, and the lead of the
first grows from 0.19 to 0.37, by 0.18 (0.10 to 0.27); but early layers are not "about as similar in all". By SVCCA
nothing can be judged: all three are 0.51 in hidden2, perhaps because 300 examples are too few for it.

(3) not reproduced: EVR_1 rises in conv1 (by 0.015 ± 0.002 and 0.017 ± 0.002), in hidden2 it does not change (-0.001 ±
0.002) or falls (0.005 ± 0.002 for random labels), and so the fall is the larger the later the layer (tau 0.75 ± 0.08
and 1). A reason may be where one begins: for true labels EVR_1 goes up to 0.993, 0.998, 0.999, 0.999 at step 100 in the
four layers, as noise is filtered, and then down to 0.992, 0.989, 0.987, 0.991; measured after every epoch of 938 steps,
as in the blog, only the second part is seen. The theory of small noise holds at sigma 0.01 (likeness 0.99 in all
layers); that three sigmas are one curve holds in conv1 (0.91), not in hidden2 (0.83 ± 0.01 and 0.85 ± 0.01).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from measures.registry import Component
from orchestrator.report.axis import Axis
from orchestrator.report.claim_kinds import Claim, Exceeds
from orchestrator.report.derived_kinds import DepthOrder, Derived, Fall, Likeness, Rescaled, Settled
from orchestrator.report.presentation import ArrayMap, ArrayMaps, Courses, Groups, Panel, Presentation, Series
from orchestrator.study import Checkpoints, Measured, Study
from sweeps.images import Images, in_place_of
from workers.spec import TrialSpec

Preset = Literal["quick", "paper", "blog"]
Method = Literal["debiased_cka", "svcca", "pwcca"]
SIMILARITY, GRAM, SPECTRA = "representation_similarity", "gram_matrices", "perturbation_svd"
SIGMAS = (0.2, 0.1, 0.01)  # the default of the measure
LARGEST, LEAST = max(SIGMAS), min(SIGMAS)
ACROSS, DEPTH = f"{SIMILARITY}/across", f"{SIMILARITY}/depth"
TRUE, RANDOM = "networks of true labels", "networks of random labels"
LABELS = {
    TRUE: {"corruption": "random_labels", "corruption.fraction": 0.0},
    RANDOM: {"corruption": "random_labels", "corruption.fraction": 1.0},
}


@dataclass(frozen=True)
class Protocol:
    """What a preset trains and on what, and how closely it looks."""

    model: Component
    dataset: str
    images: Mapping[str, int | str | None]
    optimizer: Component
    batch_size: int
    epochs: int
    layers: tuple[str, ...]
    perturbed: Component
    num_examples: int
    checkpoints: Checkpoints
    replicates: int
    schedule: Component = field(default_factory=lambda: Component("constant"))


PROTOCOLS: Mapping[Preset, Protocol] = {
    "quick": Protocol(
        model=Component("lenet"),
        dataset="cifar10",
        images={"crop": 28, "num_train": 2000, "num_test": 1000, "normalization": "per_image"},
        optimizer=Component("sgd", learning_rate=0.02, momentum=0.9),
        schedule=Component("exponential", factor=0.99),
        batch_size=64,
        epochs=80,
        layers=("conv1", "conv2", "hidden1", "hidden2"),
        perturbed=Component("perturbation_svd", num_examples=5, num_copies=64),
        num_examples=300,
        checkpoints=Checkpoints(per_decade=2, fraction=0.25),
        replicates=4,
    ),
    "paper": Protocol(
        model=Component("conv11"),
        dataset="cifar10",
        images={},
        optimizer=Component("sgd", learning_rate=0.05, momentum=0.9),
        batch_size=128,
        epochs=100,
        layers=tuple(f"conv{number}" for number in range(1, 12)),
        perturbed=Component("perturbation_svd"),
        num_examples=1000,
        checkpoints=Checkpoints(per_decade=4, fraction=0.05),
        replicates=5,
    ),
    "blog": Protocol(
        model=Component("mnist_cnn"),
        dataset="mnist",
        images={},
        optimizer=Component("sgd", learning_rate=0.05),
        batch_size=64,
        epochs=30,
        layers=("conv1", "conv2", "hidden1"),
        perturbed=Component("perturbation_svd", num_examples=50),
        num_examples=1000,
        checkpoints=Checkpoints(every_epochs=1),
        replicates=3,
    ),
}


def representation_dynamics(
    *,
    preset: Annotated[
        Preset, Field(description="minutes; the protocol of SVCCA and PWCCA; or that of the perturbations")
    ] = "quick",
    method: Annotated[Method, Field(description="how layers are compared over the training")] = "debiased_cka",
    replicates: Annotated[
        int | None, Field(ge=1, description="networks of true and of random labels each; the preset's if none")
    ] = None,
    epochs: Annotated[int | None, Field(ge=1, description="epochs of training; the preset's if none")] = None,
    images: Images = "",
) -> Study:
    """Which layers settle first, do networks that generalise end alike, and what do layers make of small noise?"""
    protocol = PROTOCOLS[preset]
    layers, num_examples = protocol.layers, protocol.num_examples
    # What correlates units needs many more examples than units, and has no use for a unit at every position.
    ways = {"num_examples": num_examples} if method == "debiased_cka" else {"num_examples": 5000, "positions": "mean"}
    similarity = Component(SIMILARITY, method=method, layers=(*layers, "output"), across=True, **ways)
    grams = Component(GRAM, positions="mean", layers=layers, num_examples=num_examples)
    return Study(
        name="representation_dynamics" if preset == "quick" else f"representation_dynamics_{preset}",
        question="Which layers settle first, do networks that generalise end alike, and what do layers make of small "
        "noise?",
        expected=EXPECTED,
        trials=tuple(
            _trial(protocol, fraction, images, epochs or protocol.epochs, replicate)
            for fraction in (0.0, 1.0)
            for replicate in range(replicates or protocol.replicates)
        ),
        axes=("corruption.fraction",),
        measured=(
            Measured(similarity, at="checkpoints"),
            Measured(protocol.perturbed, at="checkpoints"),
            Measured(grams),
        ),
        checkpoints=protocol.checkpoints,
        presentation=presentation(protocol),
    )


def _trial(protocol: Protocol, fraction: float, images: str, epochs: int, replicate: int) -> TrialSpec:
    """All on the same images and, if they are random, the same labels; only initial weights and order differ."""
    return TrialSpec(
        dataset=dataset(protocol, images),
        corruption=Component("random_labels", fraction=fraction),
        model=protocol.model,
        optimizer=protocol.optimizer,
        schedule=protocol.schedule,
        fit=Component("sgd", epochs=epochs, batch_size=protocol.batch_size),
        init_seed=replicate,
        order_seed=replicate,
    )


def dataset(protocol: Protocol, images: str) -> Component:
    """The published data set, or images in its place."""
    published = Component(protocol.dataset, **protocol.images)
    own = {"normalization": "dataset", **protocol.images}
    return in_place_of(published, images, grey=protocol.dataset == "mnist", **own)


EXPECTED = (
    "Raghu et al. 2017: layers settle from the bottom up. Morcos, Raghu & Bengio 2018: in deep layers networks that "
    "generalise are more alike than those that memorise, in early layers all are about as alike. A blog: EVR_1 falls "
    "in convolutional layers, less in later ones; for small noise 1 - EVR_1 over sigma squared is one curve."
)


def presentation(protocol: Protocol) -> Presentation:
    """First which layers settle, then the groups, then the perturbations."""
    labels = Axis("corruption.fraction", "labels", names={"true labels": LABELS[TRUE], "random labels": LABELS[RANDOM]})
    similar = [Series(f"{SIMILARITY}/layer.{layer}", layer) for layer in protocol.layers]
    return Presentation(
        x=labels,
        courses=Courses(
            (
                *(Panel(f"similarity to its final self, {each.label}", (each,)) for each in similar),
                Panel("error", (Series("train/error", "train"), Series("test/error", "test"))),
            ),
            log=True,
        ),
        array_maps=(
            ArrayMaps(
                tuple(
                    ArrayMap(f"after {share:.0%} of the training", ACROSS, DEPTH, DEPTH, least=0, most=1, when=share)
                    for share in (0.0, 0.35, 0.75, 1.0)
                ),
                f"layer of the final network ({len(protocol.layers) + 1}: output)",
                "layer",
                mean=True,
            ),
        ),
        groups=Groups(
            "Groups of networks",
            tuple(Series(f"{GRAM}/layer.{layer}", layer) for layer in protocol.layers),
            LABELS,
            published_deep="yes: within generalising < within memorising, about between",
            published_early="yes: early layers are about as similar in all",
        ),
        panels=(
            Panel("tau of depth and settling", (Series("settling/order", "at 0.9"), Series("way/order", "half way"))),
            Panel("train error", (Series("train/error", "train"),)),
        ),
        claims=(
            Exceeds("settling/order", "tau of depth and the step from which similarity is above 0.9", 0.0, "yes"),
            Exceeds("way/order", "tau of depth and the step from which half of the way is gone", 0.0),
        ),
        derived=(*_settling(protocol.layers), *_perturbed(protocol.layers)),
        also=(_perturbations(protocol.layers, labels),),
    )


def _settling(layers: tuple[str, ...]) -> tuple[Derived, ...]:
    """When each layer is like its final self, absolutely and from where it began; and the order of that."""
    quantities = [(layer, f"{SIMILARITY}/layer.{layer}") for layer in layers]
    return (
        *(Settled(f"settling/{layer}", quantity, 0.9) for layer, quantity in quantities),
        *(Settled(f"way/{layer}", quantity, 0.5, of_the_way=True) for layer, quantity in quantities),
        *(DepthOrder(f"{name}/order", tuple(f"{name}/{layer}" for layer in layers)) for name in ("settling", "way")),
    )


def _perturbed(layers: tuple[str, ...]) -> Iterator[Derived]:
    """What is beside the first singular value, over the variance of the noise; how the share of that value falls."""
    for layer in layers:
        shares = {f"{sigma}": (_share(layer, sigma), sigma) for sigma in SIGMAS}
        shares["linear"] = (_share(layer, LEAST, "linear_share_1"), LEAST)
        for name, (share, sigma) in shares.items():
            yield Rescaled(f"beside/{layer}/{name}", share, -1 / sigma**2, 1 / sigma**2)
        yield Likeness(f"likeness/{layer}", tuple(f"beside/{layer}/{sigma}" for sigma in SIGMAS))
        yield Likeness(f"theory/{layer}", (f"beside/{layer}/{LEAST}", f"beside/{layer}/linear"))
        yield Fall(f"fall/{layer}", _share(layer, LARGEST))
    yield DepthOrder("fall/order", tuple(f"fall/{layer}" for layer in layers))
    yield Rescaled("fall/shrinks", "fall/order", factor=-1)


def _share(layer: str, sigma: float, field: str = "share_1") -> str:
    return f"{SPECTRA}/layer.{layer}.sigma_{sigma}.{field}"


def _perturbations(layers: tuple[str, ...], labels: Axis) -> Presentation:
    """The share of the first singular value over the training, with the theory of small noise."""
    quantities = {"fall": "fall of EVR_1", "likeness": "likeness of three sigmas", "theory": "likeness to the theory"}
    return Presentation(
        x=labels,
        courses=Courses((*map(_first_share, layers), *map(_beside_first, layers)), log=True),
        panels=tuple(
            Panel(label, tuple(Series(f"{name}/{layer}", layer) for layer in layers))
            for name, label in quantities.items()
        ),
        claims=tuple(_claims(layers)),
    )


def _first_share(layer: str) -> Panel:
    series = {_share(layer, LARGEST): f"sigma {LARGEST}", _share(layer, LARGEST, "linear_share_1"): "linear theory"}
    return Panel(f"EVR_1 in {layer}", tuple(Series(*each) for each in series.items()))


def _beside_first(layer: str) -> Panel:
    series = tuple(Series(f"beside/{layer}/{sigma}", f"sigma {sigma}") for sigma in SIGMAS)
    return Panel(f"(1 - EVR_1) / sigma², {layer}", series)


def _claims(layers: tuple[str, ...]) -> Iterator[Claim]:
    for layer in layers:
        published = "yes" if layer.startswith("conv") else "less than in earlier layers"
        yield Exceeds(f"fall/{layer}", f"fall of EVR_1 in {layer}, sigma {LARGEST}", 0.0, published)
    yield Exceeds("fall/shrinks", "minus tau of depth and that fall", 0.0, "yes: it falls less in later layers")
    for layer in (layers[0], layers[-1]):
        one = f"least over largest (1 - EVR_1) / sigma² of three sigmas in {layer}"
        theory = f"likeness of 1 - EVR_1 at sigma {LEAST} to that of the linear theory in {layer}"
        yield Exceeds(f"likeness/{layer}", one, 0.9)
        yield Exceeds(f"theory/{layer}", theory, 0.98)


if __name__ == "__main__":
    from sweeps.__main__ import main

    main(representation_dynamics)
