"""The figures of the pages in docs/measures, each computed by the measure that it is about.

A figure is a module named after its page, with a function `draw`, and one line in the table here.

    make figures                        # all of them, into docs/images/measures
    python -m docs.figures twonn gride  # these, from the root of the repository
"""

from collections.abc import Callable, Mapping

from matplotlib.figure import Figure

from docs.figures import (
    ablation,
    activation_noise,
    activation_regions,
    bias_gradient,
    canonical_correlation,
    classifier_change,
    correlation_dimension,
    distance_to_initialisation,
    dropout_bound,
    far_lipschitz_bound,
    function_space_dimensionality,
    gram_matrices,
    gride,
    hessian_spectrum,
    homogeneity,
    intrinsic_dimension,
    kernel_alignment,
    levina_bickel,
    linear_posterior,
    lipschitz,
    loss_surface,
    margins,
    norms,
    operators,
    pac_bayes_sigma,
    participation_ratio,
    pca_dimension,
    perturbation_svd,
    posterior_contraction,
    procrustes_distance,
    random_feature_regression,
    region_map,
    representation_similarity,
    selectivity,
    twonn,
)
from docs.figures.drawing import house_style

FIGURES: Mapping[str, Callable[[], Figure]] = {
    "ablation": ablation.draw,
    "activation_noise": activation_noise.draw,
    "activation_regions": activation_regions.draw,
    "bias_gradient": bias_gradient.draw,
    "canonical_correlation": canonical_correlation.draw,
    "classifier_change": classifier_change.draw,
    "correlation_dimension": correlation_dimension.draw,
    "distance_to_initialisation": distance_to_initialisation.draw,
    "dropout_bound": dropout_bound.draw,
    "far_lipschitz_bound": far_lipschitz_bound.draw,
    "function_space_dimensionality": function_space_dimensionality.draw,
    "gram_matrices": gram_matrices.draw,
    "gride": gride.draw,
    "hessian_spectrum": hessian_spectrum.draw,
    "homogeneity": homogeneity.draw,
    "intrinsic_dimension": intrinsic_dimension.draw,
    "kernel_alignment": kernel_alignment.draw,
    "levina_bickel": levina_bickel.draw,
    "linear_posterior": linear_posterior.draw,
    "lipschitz": lipschitz.draw,
    "loss_surface": loss_surface.draw,
    "margins": margins.draw,
    "norms": norms.draw,
    "operators": operators.draw,
    "pac_bayes_sigma": pac_bayes_sigma.draw,
    "participation_ratio": participation_ratio.draw,
    "pca_dimension": pca_dimension.draw,
    "perturbation_svd": perturbation_svd.draw,
    "posterior_contraction": posterior_contraction.draw,
    "procrustes_distance": procrustes_distance.draw,
    "random_feature_regression": random_feature_regression.draw,
    "region_map": region_map.draw,
    "representation_similarity": representation_similarity.draw,
    "selectivity": selectivity.draw,
    "twonn": twonn.draw,
}


def figure_of(page: str) -> Figure:
    """The figure of a page, in the style of all."""
    with house_style():
        return FIGURES[page]()
