"""Does effective dimensionality follow test loss through double descent?

Source: Maddox, Benton & Wilson, "Rethinking parameter counting in deep models: effective dimensionality revisited",
arXiv 2003.02139, figure 1. Published, for ResNet18 on CIFAR-100 without label noise: test loss falls to 1.62 at width
7, peaks at 2.31 at width 19, where the training set is first fitted, and falls to 1.44 at width 65; their effective
dimensionality, which their recipe bounds by 100, peaks at 93.7 at width 14 and falls to 84.5 at width 64.

`--preset quick` asks the same of multi-layer perceptrons on MNIST-1D, as that data set's authors do in their
double-descent notebook. `--widths 2 5 12 30 75 190 --refine 1.1` starts from a coarse grid and adds the widths that
locate the peak of test loss and the first fitted width to a factor of 1.1.
"""

from typing import Annotated, Literal

from pydantic import Field

from measures.registry import Component
from orchestrator.adaptive import Refine
from orchestrator.report.axis import Axis
from orchestrator.report.claim_kinds import FirstZero, Follows, Peak
from orchestrator.report.presentation import Panel, Presentation, Series
from orchestrator.study import Checkpoints, Measured, Study
from workers.spec import TrialSpec

QUICK_WIDTHS = (2, 3, 4, 5, 7, 9, 12, 16, 21, 27, 36, 47, 61, 80, 104, 135, 177, 230, 300)  # geomspace(2, 300, 20)
PAPER_WIDTHS = tuple(range(1, 65))

Width = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Epochs = Annotated[int, Field(ge=1)]
N_EFF = "hessian_spectrum/effective_dimensionality_z1"
# Half of the default's probes, for two thirds of the products: at width 300 N_eff is 25.8 ± 0.9 and was 25.8 ± 0.6.
# Networks of the quick preset train for half a minute, and only their ends are measured.
CHECKPOINTS = {"quick": Checkpoints(per_decade=1, fraction=0.2), "paper": Checkpoints()}
HESSIAN = {"quick": Component("hessian_spectrum", num_probes=4), "paper": Component("hessian_spectrum")}


def double_descent(
    *,
    preset: Annotated[
        Literal["quick", "paper"], Field(description="small version, or the published protocol")
    ] = "quick",
    widths: Annotated[
        tuple[Width, ...] | None, Field(description="widths of the network; the preset's if none")
    ] = None,
    label_noise: Annotated[
        tuple[Fraction, ...] | None, Field(description="fractions of random training labels")
    ] = None,
    replicates: Annotated[int, Field(ge=1, description="networks per width and noise, each with its own seeds")] = 1,
    epochs: Annotated[Epochs | None, Field(description="epochs of training; the preset's if none")] = None,
    refine: Annotated[
        float | None, Field(gt=1, description="add widths until peak and threshold are known to this factor")
    ] = None,
) -> Study:
    """Does effective dimensionality follow test loss through double descent?"""
    trial = quick_trial if preset == "quick" else paper_trial
    default_widths, default_noise = (QUICK_WIDTHS, (0.0, 0.15)) if preset == "quick" else (PAPER_WIDTHS, (0.0,))
    return Study(
        name="double_descent" if preset == "quick" else "double_descent_paper",
        question="Does effective dimensionality follow test loss through double descent?",
        expected=EXPECTED[preset],
        trials=tuple(
            trial(width, fraction, replicate, epochs)
            for fraction in (default_noise if label_noise is None else label_noise)
            for width in (default_widths if widths is None else widths)
            for replicate in range(replicates)
        ),
        axes=("model.width", "corruption.fraction"),
        measured=(Measured(HESSIAN[preset]), Measured(Component("intrinsic_dimension"))),
        checkpoints=CHECKPOINTS[preset],
        presentation=presentation(preset),
        refine=None if refine is None else Refine(axis="model.width", quantity="test/loss", factor=refine),
    )


def quick_trial(width: int, fraction: float, replicate: int, epochs: int | None) -> TrialSpec:
    """A two-layer perceptron on MNIST-1D: 4,000 training examples, 500 epochs of SGD."""
    return TrialSpec(
        dataset=Component("mnist1d"),
        corruption=Component("random_labels", fraction=fraction),
        model=Component("mlp", width=width, depth=2),
        optimizer=Component("sgd", learning_rate=0.01, momentum=0.9),
        fit=Component("sgd", epochs=epochs or 500, batch_size=100),
        data_seed=42,  # the one of the data set's authors
        init_seed=replicate,
        order_seed=replicate,
    )


def paper_trial(width: int, fraction: float, replicate: int, epochs: int | None) -> TrialSpec:
    """A pre-activation ResNet18 on CIFAR-100, as in figure 1 (all 50,000 training images)."""
    return TrialSpec(
        dataset=Component("cifar100", augmentation="crop_flip"),
        corruption=Component("random_labels", fraction=fraction),
        model=Component("preact_resnet18", width=width),
        optimizer=Component("sgd", learning_rate=0.01, momentum=0.9, weight_decay=1e-4),
        schedule=Component("half_constant_linear"),
        fit=Component("sgd", epochs=epochs or 200, batch_size=128),
        init_seed=replicate,
        order_seed=replicate,
    )


EXPECTED = {
    "quick": (
        "Without label noise test error falls to a plateau. With 15 % label noise the training error reaches 0 near "
        "width 50-60, where test error and test loss peak (test loss 1.34 at width 12, 5.7-6.0 at 47, 4.5-4.7 at 80) "
        "before they fall again; N_eff at z = 1, as a full sum, peaks at that same width."
    ),
    "paper": (
        "Maddox et al. figure 1: test loss has its minimum 1.62 at width 7, peaks at 2.31 at width 19 and falls to "
        "1.44 at width 65; training loss is below 0.1 from width 16. Their N_eff (at most 100) peaks at 93.7 at width "
        "14 and falls to 84.5 at width 64. Test accuracy shows no double descent."
    ),
}


def presentation(preset: str) -> Presentation:
    """Errors, test loss, effective dimensionality and intrinsic dimension over width, a column per label noise."""
    first_fitted, peaks_at, follows = PUBLISHED[preset]
    return Presentation(
        x=Axis("model.width", "width", log=True),
        columns=Axis("corruption.fraction", "label noise"),
        panels=(
            Panel("error", (Series("train/error", "train"), Series("test/error", "test"))),
            Panel("test loss", (Series("test/loss", "test"),)),
            Panel(
                "effective dimensionality",
                (
                    Series(N_EFF, "N_eff, full sum, z = 1"),
                    Series("hessian_spectrum/published_effective_dimensionality", "published recipe (at most 100)"),
                ),
                log=True,
            ),
            Panel("intrinsic dimension", (Series("intrinsic_dimension/last_layer", "last layer"),)),
        ),
        claims=(
            FirstZero("train/error", "train error", published=first_fitted),
            Peak("test/loss", "test loss", published=peaks_at),
            Peak("test/error", "test error"),
            Peak(N_EFF, "N_eff (z = 1)"),
            Follows(N_EFF, "test/loss", "N_eff (z = 1)", "test loss", published=follows),
        ),
    )


# Of the first fitted width, the peak of test loss, and N_eff against test loss; the quick preset has no publication.
PUBLISHED = {
    "quick": ("near width 50-60 with 15 % label noise", "near the first fitted width with 15 % label noise", "yes"),
    "paper": ("train loss < 0.01 from width 25", "2.31 at width 19, 1.44 at width 65", "N_eff peaks at width 14"),
}


if __name__ == "__main__":
    from sweeps.__main__ import main

    main(double_descent)
