"""Over width and depth, does effective dimensionality tell apart what the number of parameters cannot?

Source: Maddox, Benton & Wilson, "Rethinking parameter counting in deep models: effective dimensionality revisited",
arXiv 2003.02139, figure 2: 144 convolutional networks on CIFAR-100, as maps of effective dimensionality, test loss and
train loss over width and depth. Published: along lines of equal parameter count the networks of smaller effective
dimensionality generalise better, once train loss is near 0 (below 0.2, which widths 32, 28, 24 reach at depths 3-4, 5,
6-8, and no network of depth 2 or less). Test loss peaks at widths 36, 32, 28, 24, 24, 24 for depths 3 to 8, at 1.73 to
1.79, and falls to 1.18. In their figure the labels are not those of the ticks (width 24 is labelled 16, depth 4 is
labelled 2) and the lines of equal count lie 4 channels too far to the right; here both are where they belong.

The numbers that its authors saved decide the claim. Of pairs of fitted networks whose counts differ by at most 5 %,
their effective dimensionality orders 0.87 (95 % interval 0.70 to 0.98) as test loss does, the count 0.58 (0.51 to
0.76): it holds. It rests on those narrow lines, and on the fitted networks: within 20 % it is 0.76 against 0.70, of
all networks within 5 % 0.75 against 0.60, and neither difference can be told from 0. Their effective dimensionality is
the number of non-negative Ritz values among 100, less a few, which is no estimate of the sum over the spectrum; the
report has both.

`--preset quick` asks the same of 80 perceptrons on 1,000 examples of MNIST-1D with 15 % random labels. Run in November
2026, one replicate: 3.3 minutes on two idle cores. Expected: test loss peaks about where train error first reaches 0,
at a smaller width for deeper networks; and N_eff orders it along lines of equal count. Came: it peaks at widths 32, 40,
28, 20, 24 for depths 1 to 5 (8.1, 14.3, 11.4, 10.4, 9.9); train error is first 0 at widths 32, 24, 28, 24, 32. N_eff
does not order it: of 100 pairs of fitted networks within 10 % it orders 0.28 (0.14 to 0.45) as test loss does, rather
the other way round, and the count 0.56 (0.50 to 0.71); nor does the published recipe (0.30, 0.15 to 0.48). These
networks have no weight decay and go on to a train loss of 0.00004, where the curvature of the cross-entropy vanishes
with the loss: N_eff falls from 74-96 to 0.2-10 and, over the 61 fitted networks, has a rank correlation of 0.95 with
train loss. The same networks in arithmetic that rounds otherwise (`RECIPE` 2) had their peaks at 32, 40, 24, 24, 20 and
gave 0.35 (0.20 to 0.53) and, of the recipe, 0.42 (0.25 to 0.59), which could not be judged: so much is chance.

`--preset paper` has not been run: 144 trials; by count 0.8 EFLOP of training, 5.7 of measuring, 13 GB of checkpoints.
"""

from typing import Annotated, Literal

from pydantic import Field

from measures.registry import Component
from orchestrator.report.axis import Axis
from orchestrator.report.claim_kinds import AtMost, Concordance, Peak
from orchestrator.report.presentation import Contours, Map, Maps, Presentation
from orchestrator.study import Measured, Study
from workers.spec import TrialSpec

QUICK_WIDTHS, QUICK_DEPTHS = tuple(range(4, 65, 4)), (1, 2, 3, 4, 5)
PAPER_WIDTHS, PAPER_DEPTHS = tuple(range(4, 65, 4)), tuple(range(9))

N_EFF = "hessian_spectrum/effective_dimensionality_z1"
PUBLISHED_N_EFF = "hessian_spectrum/published_effective_dimensionality"
PARAMETERS = "hessian_spectrum/num_parameters"


def width_depth(
    *,
    preset: Annotated[
        Literal["quick", "paper"], Field(description="small version, or the published protocol")
    ] = "quick",
    widths: Annotated[
        tuple[Annotated[int, Field(ge=1)], ...] | None, Field(description="widths; the preset's if none")
    ] = None,
    depths: Annotated[
        tuple[Annotated[int, Field(ge=0)], ...] | None, Field(description="depths; the preset's if none")
    ] = None,
    replicates: Annotated[int, Field(ge=1, description="networks per cell, each with its own seeds")] = 1,
    epochs: Annotated[int | None, Field(ge=1, description="epochs of training; the preset's if none")] = None,
) -> Study:
    """Over width and depth, does effective dimensionality tell apart what the number of parameters cannot?"""
    trial = quick_trial if preset == "quick" else paper_trial
    default_widths, default_depths = (QUICK_WIDTHS, QUICK_DEPTHS) if preset == "quick" else (PAPER_WIDTHS, PAPER_DEPTHS)
    return Study(
        name="width_depth" if preset == "quick" else "width_depth_paper",
        question="Over width and depth, does effective dimensionality tell apart what the number of parameters cannot?",
        expected=EXPECTED[preset],
        trials=tuple(
            trial(width, depth, replicate, epochs)
            for depth in sorted(default_depths if depths is None else depths)
            for width in (default_widths if widths is None else widths)
            for replicate in range(replicates)
        ),
        axes=("model.width", "model.depth"),
        measured=(Measured(SPECTRUM[preset]),),
        presentation=PRESENTATION[preset],
    )


def quick_trial(width: int, depth: int, replicate: int, epochs: int | None) -> TrialSpec:
    """A perceptron on 1,000 examples of MNIST-1D, 15 % of their labels random."""
    return TrialSpec(
        dataset=Component("mnist1d", num_examples=4000),
        corruption=Component("random_labels", fraction=0.15),
        model=Component("mlp", width=width, depth=depth),
        optimizer=Component("sgd", learning_rate=0.05, momentum=0.9),
        schedule=Component("half_constant_linear"),
        fit=Component("sgd", epochs=epochs or 300, batch_size=50),
        data_seed=42,
        init_seed=replicate,
        order_seed=replicate,
    )


def paper_trial(width: int, depth: int, replicate: int, epochs: int | None) -> TrialSpec:
    """A convolutional network of `depth` + 1 layers on CIFAR-100, as in figure 2 (all 50,000 training images)."""
    return TrialSpec(
        dataset=Component("cifar100", augmentation="crop_flip"),
        model=Component("convnet", width=width, depth=depth),
        optimizer=Component("sgd", learning_rate=0.01, momentum=0.9, weight_decay=1e-4),
        schedule=Component("half_constant_linear"),
        fit=Component("sgd", epochs=epochs or 200, batch_size=128),
        init_seed=replicate,
        order_seed=replicate,
    )


SPECTRUM = {"quick": Component("hessian_spectrum", num_steps=30, num_probes=4), "paper": Component("hessian_spectrum")}

EXPECTED = {
    "quick": (
        "Test loss peaks about where train error first reaches 0, at a smaller width for deeper networks. Among "
        "fitted networks of about equal parameter count N_eff orders test loss, as published of convolutional "
        "networks; of these perceptrons it has been measured not to."
    ),
    "paper": (
        "Maddox et al. figure 2: for depths 3 to 8 test loss peaks at widths 36, 32, 28, 24, 24, 24 (1.73 to 1.79) "
        "and falls to 1.18; train loss is below 0.2 from widths 32, 32, 28, 24, 24, 24, at no width for depths below "
        "3. Their N_eff (at most 100) is 86 to 89.5 near that ridge and 69 to 76 at width 64. Along lines of equal "
        "parameter count the fitted networks of smaller N_eff generalise better."
    ),
}


def concordance(quantity: str, label: str, factor: float, among: AtMost | None, published: str = "") -> Concordance:
    """Of networks with about as many parameters, does the quantity order test loss better than their number?"""
    return Concordance(
        quantity=quantity,
        other="test/loss",
        given=PARAMETERS,
        label=label,
        other_label="test loss",
        given_label="number of parameters",
        factor=factor,
        among=among,
        published=published,
    )


FITTED = AtMost("train/loss", "train loss at most 0.2", 0.2)
FITTED_AS_PUBLISHED = AtMost("train/running_loss", "train loss at most 0.2", 0.2)  # over the last epoch, augmented
ON_THEIR_NUMBERS = "yes; on their numbers 0.87 against 0.58"

PRESENTATION = {
    "quick": Presentation(
        x=Axis("model.width", "width"),
        columns=Axis("model.depth", "depth"),
        maps=Maps(
            (
                Map(N_EFF, "effective dimensionality (full sum, z = 1)", log=True),
                Map("test/loss", "test loss", log=True),
                Map("train/loss", "train loss", log=True),
            ),
            Contours(PARAMETERS, "equal number of parameters", (300, 1000, 3000, 1e4)),
            (AtMost("train/error", "train error 0"), FITTED),
        ),
        claims=(
            Peak("test/loss", "test loss"),
            concordance(N_EFF, "N_eff (z = 1)", 1.1, FITTED, "yes, of convolutional networks"),
            concordance(PUBLISHED_N_EFF, "N_eff (published recipe)", 1.1, FITTED, "yes, of convolutional networks"),
            concordance(N_EFF, "N_eff (z = 1)", 1.1, None),
        ),
    ),
    "paper": Presentation(
        x=Axis("model.width", "width"),
        columns=Axis("model.depth", "depth"),
        maps=Maps(
            (
                Map(PUBLISHED_N_EFF, "effective dimensionality (published recipe, at most 100)"),
                Map("test/loss", "test loss", most=2.2),
                Map("train/running_loss", "train loss (mean over the last epoch)", log=True),
                Map(N_EFF, "effective dimensionality (full sum, z = 1)", log=True),
            ),
            Contours(PARAMETERS, "equal number of parameters", (1e5, 2e5, 4e5, 8e5, 1.6e6)),
            (AtMost("train/error", "train error 0"), FITTED_AS_PUBLISHED),
        ),
        claims=(
            Peak("test/loss", "test loss", published="at widths 36, 32, 28, 24, 24, 24 for depths 3 to 8"),
            concordance(PUBLISHED_N_EFF, "N_eff (published recipe)", 1.05, FITTED_AS_PUBLISHED, ON_THEIR_NUMBERS),
            concordance(N_EFF, "N_eff (z = 1)", 1.05, FITTED_AS_PUBLISHED),
            concordance(PUBLISHED_N_EFF, "N_eff (published recipe)", 1.05, None),
        ),
    ),
}


if __name__ == "__main__":
    from sweeps.__main__ import main

    main(width_depth)
