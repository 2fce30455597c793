"""Which measure of a trained network tells how well it generalises?

Source: question and statistics of Jiang, Neyshabur, Mobahi, Krishnan, Bengio, "Fantastic generalization measures and
where to find them", arXiv 1912.02178, section 2.2, and of Dziugaite et al., "In search of robust measures of
generalization", arXiv 2010.11924; docs/league.md says how they are computed here. What these found is quoted from
summaries, their tables were not checked: flatness in the sense of PAC-Bayes bounds tells best, products of spectral
norms go the wrong way, and the worst sign error of every measure is no better than a coin's.

`--preset quick`: 81 perceptrons on 1,000 examples of MNIST-1D, 21 contenders. All trials were done, all contenders
measured; 36 networks fit their training set, 45 do not. It came so, for the gap in loss (mean coefficient with its
interval over seeds, coefficients along width, weight decay and label noise, pairs of cells told wrong of 79):

    product of Frobenius norms    0.98 (0.95 to 1.00)     1.00    1.00    0.93    0
    parameter norm                0.98 (0.95 to 1.00)     1.00    1.00    0.93    0
    distance to initialisation    0.95 (0.92 to 0.97)     0.88    1.00    0.95    2
    path norm                     0.61 (0.58 to 0.64)    -0.03    1.00    0.87   16
    product of spectral norms     0.57 (0.51 to 0.62)     0.46    1.00    0.24   18
    - train loss                  0.43 (0.38 to 0.48)     0.56    0.95   -0.23   23
    1 / sigma^2, PAC-Bayes        0.21 (0.14 to 0.27)     0.57   -0.64    0.68   33
    N_eff (z = 1)                 0.21 (0.15 to 0.28)     0.37   -0.39    0.64   30
    number of parameters          0.19                    0.56    0.00    0.00    6
    largest Hessian eigenvalue   -0.18 (-0.26 to -0.10)  -0.02   -0.65    0.12   47

The same three are first for the gap in error (0.93, 0.92, 0.88) and for test loss (0.78, 0.78, 0.73). So norms tell,
and flatness does not, against what is quoted above. Why, as far as this grid shows: decay makes weights small, and then
the same noise on them is relatively more (a coefficient of -0.64 along decay), while the gap falls; noise in proportion
to the weights was not measured. And the gap in loss of a network that fits is mostly the scale of its outputs: test
loss is 11.2 at width 30 without decay and 40 % noise, at a test error of 0.76. Eight contenders have 0.56 or -0.56
along width, like the number of parameters: there they say no more than the width does. Hessian trace and N_eff are an
instance of Simpson's paradox: over all pairs their tau is -0.21 and -0.11, their mean coefficient 0.21. Networks are
not trained to one loss here, as with `--preset paper`, so how far they have fitted is part of every gap.

Not among the contenders: `selectivity` and `perturbation_svd` are of single layers, which differ between networks;
`dropout_bound` is of one output; `far_lipschitz_bound` of small networks; `loss_surface` and `homogeneity` are the
curvature again, at more cost; `representation_similarity` is of two networks.

Cost: quick, 5.9 minutes on two idle cores, in a second run with arithmetic that rounds otherwise (`RECIPE` 3): of the
coefficients above for the gap in loss, no mean came out more than 0.02 elsewhere. Paper: 243 trainings, 2,430
measurements; it has not been run, and neither its hours on a GPU nor its gigabytes were measured.
"""

from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from measures.registry import Component
from orchestrator.report.axis import Axis
from orchestrator.report.presentation import Contender, League, Presentation, Series, Target
from orchestrator.study import Measured, Study
from workers.spec import TrialSpec

Preset = Literal["quick", "paper"]
Width = Annotated[int, Field(ge=1)]
Depth = Annotated[int, Field(ge=1)]
Decay = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class Grid(NamedTuple):
    """What the networks of a preset differ in, besides their seeds."""

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    weight_decays: tuple[float, ...]
    label_noise: tuple[float, ...]


GRIDS: dict[Preset, Grid] = {
    "quick": Grid((10, 30, 90), (2,), (0.0, 1e-3, 1e-2), (0.0, 0.2, 0.4)),
    "paper": Grid((8, 16, 32), (3, 6, 9), (0.0, 1e-4, 5e-4), (0.0, 0.1, 0.2)),
}

MEASURED = (
    Component("hessian_spectrum"),
    Component("pac_bayes_sigma"),
    Component("intrinsic_dimension"),
    Component("lipschitz"),
    Component("bias_gradient"),
    Component("activation_regions", through="segment", resolution=1000),
    Component("norms"),
    Component("margins"),
    Component("ablation"),
    Component("activation_noise"),
)
ONLINE = (Component("distance_to_initialisation", all_parameters=True), Component("gradient_norm"))


def measure_race(
    *,
    preset: Annotated[Preset, Field(description="perceptrons on MNIST-1D, or convolutional networks on CIFAR-10")] = (
        "quick"
    ),
    widths: Annotated[
        tuple[Width, ...] | None, Field(description="widths of the network; the preset's if none")
    ] = None,
    depths: Annotated[
        tuple[Depth, ...] | None, Field(description="depths of the network; the preset's if none")
    ] = None,
    weight_decays: Annotated[tuple[Decay, ...] | None, Field(description="weight decays; the preset's if none")] = None,
    label_noise: Annotated[
        tuple[Fraction, ...] | None, Field(description="fractions of random training labels; the preset's if none")
    ] = None,
    replicates: Annotated[int, Field(ge=2, description="networks per cell of the grid, each with its own seeds")] = 3,
    epochs: Annotated[int | None, Field(ge=1, description="epochs of training; the preset's if none")] = None,
) -> Study:
    """Which measure of a trained network tells how well it generalises?"""
    trial = quick_trial if preset == "quick" else paper_trial
    grid = GRIDS[preset]
    return Study(
        name="measure_race" if preset == "quick" else "measure_race_paper",
        question="Which measure of a trained network tells how well it generalises?",
        expected=EXPECTED[preset],
        trials=tuple(
            trial(width, depth, decay, fraction, replicate, epochs)
            for width in (grid.widths if widths is None else widths)
            for depth in (grid.depths if depths is None else depths)
            for decay in (grid.weight_decays if weight_decays is None else weight_decays)
            for fraction in (grid.label_noise if label_noise is None else label_noise)
            for replicate in range(replicates)
        ),
        axes=tuple(axis.parameter for axis in AXES),
        measured=tuple(Measured(measure) for measure in MEASURED),
        presentation=Presentation(league=LEAGUE),
    )


def quick_trial(width: int, depth: int, decay: float, fraction: float, replicate: int, epochs: int | None) -> TrialSpec:
    """A perceptron on 1,000 training examples of MNIST-1D: 200 epochs of SGD."""
    return TrialSpec(
        dataset=Component("mnist1d", num_examples=4000),
        corruption=Component("random_labels", fraction=fraction),
        model=Component("mlp", width=width, depth=depth),
        optimizer=Component("sgd", learning_rate=0.05, momentum=0.9, weight_decay=decay),
        fit=Component("sgd", epochs=epochs or 200, batch_size=100, online=ONLINE),
        data_seed=42,
        init_seed=replicate,
        order_seed=replicate,
    )


def paper_trial(width: int, depth: int, decay: float, fraction: float, replicate: int, epochs: int | None) -> TrialSpec:
    """A convolutional network on CIFAR-10, trained until its mean loss over an epoch is below 0.01."""
    return TrialSpec(
        dataset=Component("cifar10"),
        corruption=Component("random_labels", fraction=fraction),
        model=Component("convnet", width=width, depth=depth),
        optimizer=Component("sgd", learning_rate=0.05, momentum=0.9, weight_decay=decay),
        fit=Component("sgd", epochs=epochs or 200, batch_size=128, stop_at="running", online=ONLINE),
        init_seed=replicate,
        order_seed=replicate,
    )


AXES = (
    Axis("model.width", "width"),
    Axis("model.depth", "depth"),
    Axis("optimizer.weight_decay", "weight decay"),
    Axis("corruption.fraction", "label noise"),
)

# The sign says what theory or earlier work expects: -1 where less goes with a larger gap.
CONTENDERS = (
    Contender("hessian_spectrum/num_parameters", "number of parameters"),
    Contender("train/loss", "− train loss", -1),
    Contender("hessian_spectrum/effective_dimensionality_z1", "N_eff (z = 1)"),
    Contender("hessian_spectrum/eigenvalue_1", "largest Hessian eigenvalue"),
    Contender("hessian_spectrum/trace", "Hessian trace"),
    Contender("pac_bayes_sigma/inverse_variance", "1 / σ², PAC-Bayes"),
    Contender("intrinsic_dimension/last_layer", "dimension, last layer"),
    Contender("intrinsic_dimension/peak", "dimension, peak"),
    Contender("lipschitz/train.mean", "local Lipschitz constant"),
    Contender("bias_gradient/mean", "slope in the first bias"),
    Contender("activation_regions/regions", "activation regions"),
    Contender("norms/parameter_norm", "parameter norm"),
    Contender("norms/frobenius_product", "product of Frobenius norms"),
    Contender("norms/spectral_product", "product of spectral norms"),
    Contender("norms/path_norm", "path norm"),
    Contender("distance_to_initialisation/all_parameters", "distance to initialisation"),
    Contender("gradient_norm/mean", "gradient norm, last epoch"),
    Contender("margins/spectral.median", "− normalised margin", -1),
    Contender("margins/distance.median", "− distance to the boundary", -1),
    Contender("ablation/auc", "− ablation AUC", -1),
    Contender("activation_noise/auc", "− activation noise AUC", -1),
)

LEAGUE = League(
    axes=AXES,
    contenders=CONTENDERS,
    targets=(
        Target("gap in loss", "test/loss", "train/loss"),
        Target("gap in error", "test/error", "train/error"),
        Target("test loss", "test/loss"),
    ),
    given=(Series("hessian_spectrum/num_parameters", "parameters"),),
)


EXPECTED = {
    "quick": (
        "Nothing is published on these networks. A measure that tells generalisation by itself has a coefficient near "
        "1 along every axis, a conditional information far above chance and no failed pair of cells. The number of "
        "parameters has 0 along weight decay and label noise by definition, and no conditional information."
    ),
    "paper": (
        "Jiang et al. find that flatness as PAC-Bayes bounds have it tells best, and that products of spectral norms "
        "go the wrong way; Dziugaite et al. that the worst sign error of every measure is no better than a coin's. "
        "Both are quoted from summaries, and were not checked against the papers' tables."
    ),
}


if __name__ == "__main__":
    from sweeps.__main__ import main

    main(measure_race)
