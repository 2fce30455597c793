"""WHAT to study: one file a study, values only. This is the table of studies."""

from measures.registry import registry
from sweeps.double_descent import double_descent
from sweeps.grokking import grokking
from sweeps.measure_race import measure_race
from sweeps.perceptron_search import perceptron_search
from sweeps.random_labels import random_labels
from sweeps.representation_dynamics import representation_dynamics
from sweeps.single_directions import single_directions
from sweeps.weight_decay_dimension import weight_decay_dimension
from sweeps.width_depth import width_depth

studies = registry(
    "study",
    [
        double_descent,
        width_depth,
        random_labels,
        weight_decay_dimension,
        grokking,
        measure_race,
        perceptron_search,
        representation_dynamics,
        single_directions,
    ],
)
