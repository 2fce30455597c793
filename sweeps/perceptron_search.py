"""Which learning rate and weight decay give a perceptron on noisy MNIST-1D the least test error?

With 15 % random training labels a wide perceptron that is trained to the end fits the noise. Points of the plane of
learning rate and weight decay are drawn by Optuna, each with what is known of those before. `--trade-off` asks for two
things at once, a small test loss and a small effective dimensionality of the Hessian (z = 1), and reports the points
of which neither can be improved without the other: are the flattest networks those that generalise best?

No publication is held against. Cost: about 4 s a trial of 100 epochs on one core of 2024, measurement included.
"""

from typing import Annotated, Literal

from pydantic import Field

from measures.registry import Component
from orchestrator.adaptive import Asha, LogUniform, Objective, Point, Search
from orchestrator.study import Measured, Study
from workers.spec import TrialSpec

N_EFF = "hessian_spectrum/effective_dimensionality_z1"


def perceptron_search(
    *,
    trade_off: Annotated[bool, Field(description="small test loss and small effective dimensionality at once")] = False,
    num_trials: Annotated[int, Field(ge=1, description="points to draw, those of earlier launches included")] = 40,
    sampler: Annotated[Literal["tpe", "random", "nsga2"], Field(description="how Optuna draws points")] = "tpe",
    prune_after: Annotated[
        int | None, Field(ge=1, description="stop trials that go badly after so many steps; biases correlations")
    ] = None,
    seed: Annotated[int, Field(ge=0, description="of the draws")] = 0,
    width: Annotated[int, Field(ge=1, description="of the perceptron's two hidden layers")] = 100,
    epochs: Annotated[int, Field(ge=1, description="of training")] = 100,
) -> Study:
    """Which learning rate and weight decay give a perceptron on noisy MNIST-1D the least test error?"""

    def trial(point: Point) -> TrialSpec:
        return TrialSpec(
            dataset=Component("mnist1d"),
            corruption=Component("random_labels", fraction=0.15),
            model=Component("mlp", width=width, depth=2),
            optimizer=Component("sgd", momentum=0.9, **point),
            fit=Component("sgd", epochs=epochs, batch_size=100),
            data_seed=42,
        )

    return Study(
        name="perceptron_trade_off" if trade_off else "perceptron_search",
        question=(
            "Is a small test loss at odds with a small effective dimensionality?"
            if trade_off
            else "Which learning rate and weight decay give the least test error?"
        ),
        expected="Nothing is published on this.",
        axes=("optimizer.learning_rate", "optimizer.weight_decay"),
        measured=(Measured(Component("hessian_spectrum")),),
        search=Search(
            space={"learning_rate": LogUniform(1e-3, 0.3), "weight_decay": LogUniform(1e-6, 1e-1)},
            objectives=(Objective("test/loss"), Objective(N_EFF)) if trade_off else (Objective("test/error"),),
            trial=trial,
            num_trials=num_trials,
            sampler=sampler,
            seed=seed,
            pruner=None if prune_after is None else Asha(prune_after),
        ),
    )


if __name__ == "__main__":
    from sweeps.__main__ import main

    main(perceptron_search)
