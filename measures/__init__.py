"""Measures of trained networks: pure functions of a snapshot, and the numerical tools they are made of."""

from measures.activation_patterns import activation_patterns
from measures.activation_regions import activation_regions
from measures.activations import layer_activations
from measures.cca import CanonicalCorrelation, mean_cca, pwcca, pwcca_as_released, r2_cca, svcca
from measures.cka import KernelAlignment, linear_cka, minibatch_cka, rbf_cka
from measures.distance_to_initialisation import distance_to_initialisation
from measures.dropout_bound import DropoutBoundTerms, dropout_bound, dropout_bound_terms
from measures.far_lipschitz_bound import FarBounds, far_bounds, far_lipschitz_bound
from measures.hessian_spectrum import hessian_spectrum
from measures.inputs import Estimate, Measurement, Snapshot, Split
from measures.intrinsic_dimension import intrinsic_dimension
from measures.lanczos import Eigenpairs, Tridiagonalization, lanczos, lanczos_quadrature, top_eigenvalues
from measures.lipschitz import lipschitz
from measures.lipschitz_bound import lipschitz_bound
from measures.local_lipschitz import LocalLipschitz, local_lipschitz
from measures.margins import margins
from measures.neighbors import Neighbors, nearest_neighbors
from measures.norms import norms
from measures.operators import HessianOperator, LinearOperator, hessian_operator
from measures.pac_bayes_sigma import pac_bayes_sigma
from measures.path_norm import path_norm
from measures.procrustes import ProcrustesDistance, procrustes_distance
from measures.registry import Component, Entry, Registry, canonical_json, registry
from measures.representations import flattened, positions_as_examples, spatial_average
from measures.spectral_norm import SpectralNorm, spectral_norm
from measures.spectrum import Spectrum, dense_spectrum
from measures.twonn import IntrinsicDimension, twonn

measures = registry(
    "measure",
    [
        activation_regions,
        dropout_bound,
        far_lipschitz_bound,
        hessian_spectrum,
        intrinsic_dimension,
        lipschitz,
        margins,
        norms,
        pac_bayes_sigma,
    ],
)

__all__ = [
    "CanonicalCorrelation",
    "Component",
    "DropoutBoundTerms",
    "Eigenpairs",
    "Entry",
    "Estimate",
    "FarBounds",
    "HessianOperator",
    "IntrinsicDimension",
    "KernelAlignment",
    "LinearOperator",
    "LocalLipschitz",
    "Measurement",
    "Neighbors",
    "ProcrustesDistance",
    "Registry",
    "Snapshot",
    "SpectralNorm",
    "Spectrum",
    "Split",
    "Tridiagonalization",
    "activation_patterns",
    "activation_regions",
    "canonical_json",
    "dense_spectrum",
    "distance_to_initialisation",
    "dropout_bound",
    "dropout_bound_terms",
    "far_bounds",
    "far_lipschitz_bound",
    "flattened",
    "hessian_operator",
    "hessian_spectrum",
    "intrinsic_dimension",
    "lanczos",
    "lanczos_quadrature",
    "layer_activations",
    "linear_cka",
    "lipschitz",
    "lipschitz_bound",
    "local_lipschitz",
    "margins",
    "mean_cca",
    "measures",
    "minibatch_cka",
    "nearest_neighbors",
    "norms",
    "pac_bayes_sigma",
    "path_norm",
    "positions_as_examples",
    "procrustes_distance",
    "pwcca",
    "pwcca_as_released",
    "r2_cca",
    "rbf_cka",
    "registry",
    "spatial_average",
    "spectral_norm",
    "svcca",
    "top_eigenvalues",
    "twonn",
]
