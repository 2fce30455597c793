"""WHAT to study: one file a study, values only. This is the table of studies."""

from measures.registry import registry
from sweeps.batch_norm import batch_norm
from sweeps.corrupted_trajectory import corrupted_trajectory
from sweeps.double_descent import double_descent
from sweeps.grokking import grokking
from sweeps.learned_frequency import learned_frequency
from sweeps.linear_regions import linear_regions
from sweeps.loss_surfaces import loss_surfaces
from sweeps.measure_race import measure_race
from sweeps.perceptron_search import perceptron_search
from sweeps.posterior_contraction import posterior_contraction
from sweeps.random_labels import random_labels
from sweeps.representation_dynamics import representation_dynamics
from sweeps.single_directions import single_directions
from sweeps.spirals_descent import spirals_descent
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
        learned_frequency,
        corrupted_trajectory,
        linear_regions,
        loss_surfaces,
        spirals_descent,
        measure_race,
        perceptron_search,
        posterior_contraction,
        batch_norm,
        representation_dynamics,
        single_directions,
    ],
)
