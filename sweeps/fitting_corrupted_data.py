"""How long does it take to fit images whose labels or pixels are random?"""

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
    small = {"crop": 16, "num_train": num_train or 4000, "num_test": 1000}
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
    """A quarter of the width, on the central 16 x 16 pixels of some images."""
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
    "quick": "",
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
        Panel("steps until the training set is fitted", (Series(EXACT, "exact rule"), Series(RUNNING, "running rule"))),
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
