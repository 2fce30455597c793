"""Measures of trained networks: pure functions of a snapshot, and the numerical tools they are made of."""

from measures.garbage import garbage_kept

with garbage_kept(for_good=True):  # half of the time that it takes to import torch
    from measures.ablation import AblationCurve, ablation, ablation_curve
    from measures.activation_noise import activation_noise
    from measures.activation_patterns import activation_patterns
    from measures.activation_regions import activation_regions
    from measures.activations import layer_activations
    from measures.bias_gradient import bias_gradient
    from measures.block_lanczos import block_top_eigenvalues
    from measures.cca import CanonicalCorrelation, mean_cca, pwcca, pwcca_as_released, r2_cca, svcca
    from measures.cka import KernelAlignment, linear_cka, minibatch_cka, rbf_cka
    from measures.classifier_change import classifier_change
    from measures.correlation_dimension import CorrelationDimension, correlation_dimension
    from measures.dimension_estimates import DimensionEstimates, dimension_estimates
    from measures.distance_to_initialisation import distance_to_initialisation
    from measures.dropout_bound import DropoutBoundTerms, dropout_bound, dropout_bound_terms
    from measures.eigenspaces import Eigenspaces, eigenspaces
    from measures.far_lipschitz_bound import FarBounds, far_bounds, far_lipschitz_bound
    from measures.first_bias import first_bias
    from measures.function_space_dimensionality import (
        FunctionSpaceDimensionality,
        function_space_dimensionality,
        predictive_dimensionality,
    )
    from measures.gram_matrices import gram_matrices
    from measures.gride import ScaleCurve, ScaleEstimate, gride
    from measures.hessian_spectrum import hessian_spectrum
    from measures.homogeneity import PerturbationCurve, homogeneity, perturbation_curve
    from measures.inputs import Estimate, Measurement, Snapshot, SnapshotPair, Split
    from measures.intrinsic_dimension import intrinsic_dimension
    from measures.lanczos import Eigenpairs, Tridiagonalization, lanczos, lanczos_quadrature, top_eigenvalues
    from measures.levina_bickel import LikelihoodDimension, levina_bickel
    from measures.linear_posterior import linear_posterior, parameter_derivatives
    from measures.lipschitz import lipschitz
    from measures.lipschitz_bound import lipschitz_bound
    from measures.local_lipschitz import LocalLipschitz, local_lipschitz
    from measures.loss_surface import LossSurface, loss_on_plane, loss_surface
    from measures.margins import margins
    from measures.neighbors import Neighbors, nearest_neighbors, neighbors_among
    from measures.norms import norms
    from measures.operators import CurvatureOperator, LinearOperator, fisher_operator, ggn_operator, hessian_operator
    from measures.pac_bayes_sigma import pac_bayes_sigma
    from measures.participation_ratio import ParticipationRatio, participation_ratio
    from measures.path_norm import path_norm
    from measures.pca_dimension import LocalPcaDimension, PcaDimension, local_pca_dimension, pca_dimension
    from measures.perturbation_svd import PerturbationSpectrum, perturbation_spectra, perturbation_svd
    from measures.posterior_contraction import PosteriorContraction, effective_dimensionality, posterior_contraction
    from measures.procrustes import ProcrustesDistance, procrustes_distance
    from measures.random_feature_regression import (
        RandomFeatureRegression,
        draw_random_features,
        random_feature_regression,
    )
    from measures.region_map import region_map
    from measures.registry import Component, Entry, Registry, canonical_json, registry
    from measures.representation_similarity import representation_similarity
    from measures.representations import flattened, positions_as_examples, spatial_average
    from measures.scale_curve import Plateau
    from measures.selectivity import selectivity
    from measures.single_units import class_information, class_selectivity
    from measures.spectral_norm import SpectralNorm, spectral_norm
    from measures.spectrum import Spectrum, dense_spectrum
    from measures.subsampling import SubsampledDimension, subsampled_twonn
    from measures.twonn import IntrinsicDimension, twonn

measures = registry(
    "measure",
    [
        ablation,
        activation_noise,
        activation_regions,
        bias_gradient,
        classifier_change,
        dropout_bound,
        far_lipschitz_bound,
        gram_matrices,
        hessian_spectrum,
        homogeneity,
        intrinsic_dimension,
        linear_posterior,
        lipschitz,
        loss_surface,
        margins,
        norms,
        pac_bayes_sigma,
        perturbation_svd,
        region_map,
        representation_similarity,
        selectivity,
    ],
    versions={"hessian_spectrum": 2, "homogeneity": 2, "loss_surface": 2, "perturbation_svd": 2},
)


def compares_pairs(measure: Component) -> bool:
    """Whether a measure compares two networks; the others are of one."""
    return measures[measure.name].input_types == (SnapshotPair,)


__all__ = [
    "AblationCurve",
    "CanonicalCorrelation",
    "Component",
    "CorrelationDimension",
    "CurvatureOperator",
    "DimensionEstimates",
    "DropoutBoundTerms",
    "Eigenpairs",
    "Eigenspaces",
    "Entry",
    "Estimate",
    "FarBounds",
    "FunctionSpaceDimensionality",
    "IntrinsicDimension",
    "KernelAlignment",
    "LikelihoodDimension",
    "LinearOperator",
    "LocalLipschitz",
    "LocalPcaDimension",
    "LossSurface",
    "Measurement",
    "Neighbors",
    "ParticipationRatio",
    "PcaDimension",
    "PerturbationCurve",
    "PerturbationSpectrum",
    "Plateau",
    "PosteriorContraction",
    "ProcrustesDistance",
    "RandomFeatureRegression",
    "Registry",
    "ScaleCurve",
    "ScaleEstimate",
    "Snapshot",
    "SnapshotPair",
    "SpectralNorm",
    "Spectrum",
    "Split",
    "SubsampledDimension",
    "Tridiagonalization",
    "ablation",
    "ablation_curve",
    "activation_noise",
    "activation_patterns",
    "activation_regions",
    "bias_gradient",
    "block_top_eigenvalues",
    "canonical_json",
    "class_information",
    "class_selectivity",
    "classifier_change",
    "compares_pairs",
    "correlation_dimension",
    "dense_spectrum",
    "dimension_estimates",
    "distance_to_initialisation",
    "draw_random_features",
    "dropout_bound",
    "dropout_bound_terms",
    "effective_dimensionality",
    "eigenspaces",
    "far_bounds",
    "far_lipschitz_bound",
    "first_bias",
    "fisher_operator",
    "flattened",
    "function_space_dimensionality",
    "ggn_operator",
    "gram_matrices",
    "gride",
    "hessian_operator",
    "hessian_spectrum",
    "homogeneity",
    "intrinsic_dimension",
    "lanczos",
    "lanczos_quadrature",
    "layer_activations",
    "levina_bickel",
    "linear_cka",
    "linear_posterior",
    "lipschitz",
    "lipschitz_bound",
    "local_lipschitz",
    "local_pca_dimension",
    "loss_on_plane",
    "loss_surface",
    "margins",
    "mean_cca",
    "measures",
    "minibatch_cka",
    "nearest_neighbors",
    "neighbors_among",
    "norms",
    "pac_bayes_sigma",
    "parameter_derivatives",
    "participation_ratio",
    "path_norm",
    "pca_dimension",
    "perturbation_curve",
    "perturbation_spectra",
    "perturbation_svd",
    "positions_as_examples",
    "posterior_contraction",
    "predictive_dimensionality",
    "procrustes_distance",
    "pwcca",
    "pwcca_as_released",
    "r2_cca",
    "random_feature_regression",
    "rbf_cka",
    "region_map",
    "registry",
    "representation_similarity",
    "selectivity",
    "spatial_average",
    "spectral_norm",
    "subsampled_twonn",
    "svcca",
    "top_eigenvalues",
    "twonn",
]
