"""How long does it take to fit images whose labels or pixels are random?

Source: Zhang, Bengio, Hardt, Recht & Vinyals, "Understanding deep learning requires rethinking generalization", ICLR
2017, arXiv 1611.03530, figure 1a: the small inception on CIFAR-10 fits all five. Its text has gaussian and random
pixels before random labels; the whole order, true labels, shuffled, gaussian, random pixels, random labels, is that of
two public reproductions of one seed each: 5.7, 6.7, 9.9, 13.0 and 17.7 thousand steps to a loss of 0.01; and 6.6, 7.0,
7.4, 11.7 and 24.6 thousand to the running rule.

`--preset paper` is the paper's protocol: central 28 x 28 pixels, each image whitened by itself, SGD with
momentum 0.9, learning rate 0.1 times 0.95 per epoch, no augmentation; the batch size, which the paper does not
state, is that of both reproductions. The second one differs: it normalises each channel by the whole data set, its
gaussian pixels not at all, corrupts the test labels, too, and trains scale and shift of the batch norm.

`--preset quick` is a narrower inception (width 4 of 16) on the central 16 x 16 pixels of 4,000 images; about two
core-minutes a trial. Not a perceptron, for which shuffled pixels are the same problem as true ones.

Measured by hand on 5,085 original CIFAR-10 images, November 2026: ONE replicate, so no standard errors. Steps to the
threshold, exact rule / running rule; "-" was not trained. Batch 32, 0.97 per epoch with 500 images; else 64, 0.95.

    inception, width 4, 16 x 16     true        shuffled    gaussian    random pixels   random labels
    500 images, rate 0.05           400/448     416/416     272/272     400/400         320/320
    2,000 images, rate 0.02         704/768     -           512/544     -               -
    2,000 images, rate 0.1          896/960     -           672/672     -               960/992
    2,000, rate 0.05, width 2       1280/1216   -           928/960     -               -
    4,000 images, rate 0.05         1575/1638   -           1386/1323   -               >1134
    perceptron of 512 units on 2,000 images of 28 x 28 pixels, batch 128, rate 0.01:
                                    none/512    none/528    96/96       352/192         896/512

So the published order is NOT shown at this scale. Random labels fall behind true ones as images are added (4,000,
step 1134: loss 1.83 against 0.38). Gaussian pixels start later than true labels (4,000 images, step 756: loss 1.30
against 0.89) but end sooner; that gap closes, to a ratio (exact rule) of 0.68, 0.73 to 0.75, and 0.88. Shuffled and
random pixels were fitted with 500 images only, and `--preset paper` has not been run. To go on: `--num-train`.
"""

from typing import Annotated, Literal

from pydantic import Field

from measures.registry import Component
from orchestrator.presentation import Axis, Panel, Presentation, Rises, Series
from orchestrator.study import Study
from workers.spec import TrialSpec

Corruption = Literal["none", "shuffled_pixels", "gaussian_pixels", "random_pixels", "random_labels"]

# In the order of the published numbers of steps.
CORRUPTIONS: dict[Corruption, Component] = {
    "none": Component("none"),
    "shuffled_pixels": Component("shuffled_pixels"),
    "gaussian_pixels": Component("gaussian_pixels"),
    "random_pixels": Component("random_pixels"),
    "random_labels": Component("random_labels", fraction=1.0),
}
PUBLISHED = "true labels < shuffled < gaussian < random pixels < random labels"
EXACT, RUNNING = "interpolation_threshold/step", "interpolation_threshold_running/step"


def fitting_corrupted_data(
    *,
    preset: Annotated[
        Literal["quick", "paper"], Field(description="small version, or the published protocol")
    ] = "quick",
    corruptions: Annotated[tuple[Corruption, ...], Field(description="what is done to the data")] = tuple(CORRUPTIONS),
    replicates: Annotated[int, Field(ge=1, description="networks per corruption, each with its own seeds")] = 3,
    epochs: Annotated[int | None, Field(ge=1, description="epochs at most; the preset's if none")] = None,
    num_train: Annotated[
        int | None, Field(ge=1, description="training images, drawn at random; the preset's if none")
    ] = None,
    images: Annotated[
        str,
        Field(description="CIFAR-10 in another form: an .npz file of (n, h, w, channels), or a folder of image files"),
    ] = "",
) -> Study:
    """How long does it take to fit images whose labels or pixels are random?"""
    trial = quick_trial if preset == "quick" else paper_trial
    small = {"size": 16, "num_train": num_train or 12_000, "num_test": 1000}
    data = dataset(images, **(small if preset == "quick" else {"crop": 28, "num_train": num_train}))
    return Study(
        name="fitting_corrupted_data" if preset == "quick" else "fitting_corrupted_data_paper",
        question="How long does it take to fit images whose labels or pixels are random?",
        expected=EXPECTED[preset],
        trials=tuple(trial(name, replicate, epochs, data) for replicate in range(replicates) for name in corruptions),
        axes=("corruption",),
        presentation=PRESENTATION,
    )


def quick_trial(corruption: Corruption, replicate: int, epochs: int | None, data: Component) -> TrialSpec:
    """A quarter of the width, on some of the images, of half the size."""
    return TrialSpec(
        dataset=data,
        corruption=CORRUPTIONS[corruption],
        model=Component("inception", width=4),
        optimizer=Component("sgd", learning_rate=0.05, momentum=0.9),
        schedule=Component("exponential", factor=0.95),
        fit=Component("sgd", epochs=epochs or 60, batch_size=64, stop_at="both"),
        data_seed=replicate,
        init_seed=replicate,
        order_seed=replicate,
    )


def paper_trial(corruption: Corruption, replicate: int, epochs: int | None, data: Component) -> TrialSpec:
    """The small inception of the paper, on the central 28 x 28 pixels of all images."""
    return TrialSpec(
        dataset=data,
        corruption=CORRUPTIONS[corruption],
        model=Component("inception"),
        optimizer=Component("sgd", learning_rate=0.1, momentum=0.9),
        schedule=Component("exponential", factor=0.95),
        fit=Component("sgd", epochs=epochs or 100, batch_size=128, stop_at="both"),
        data_seed=replicate,
        init_seed=replicate,
        order_seed=replicate,
    )


def dataset(images: str, **settings: int | None) -> Component:
    """CIFAR-10, or the images of an .npz file or a folder in its place; each image whitened by itself."""
    if not images:
        return Component("cifar10", normalization="per_image", **settings)
    if images.endswith(".npz"):
        return Component("arrays", path=images, channels_last=True, normalization="per_image", **settings)
    return Component("image_folder", path=images, normalization="per_image", **settings)


EXPECTED = {
    "quick": (
        "Random labels take far more steps than true ones. The whole order of figure 1a is that of 50,000 images and "
        "was not seen with 4,000 or fewer, where gaussian pixels are fitted in somewhat fewer steps than true labels."
    ),
    "paper": (
        "Zhang et al. figure 1a: all five are fitted; true labels in the fewest steps, then shuffled pixels, gaussian "
        "pixels, random pixels, and random labels in the most. A public reproduction of one seed needed 5.7, 6.7, 9.9, "
        "13.0 and 17.7 thousand steps to a loss of 0.01, a second one 6.6, 7.0, 7.4, 11.7 and 24.6 thousand to the "
        "running rule."
    ),
}

PRESENTATION = Presentation(
    x=Axis("corruption", "corruption", names=tuple(CORRUPTIONS)),
    panels=(
        Panel(
            "steps to fit the training set",
            (Series(EXACT, "exact: no error"), Series(RUNNING, "running: loss < 0.01 or error < 0.003")),
        ),
        Panel("error at the end", (Series("train/error", "train"), Series("test/error", "test"))),
    ),
    claims=(
        Rises(EXACT, "number of steps to the exact threshold", published=PUBLISHED),
        Rises(RUNNING, "number of steps to the running threshold", published=PUBLISHED),
    ),
)


if __name__ == "__main__":
    from sweeps.__main__ import main

    main(fitting_corrupted_data)
