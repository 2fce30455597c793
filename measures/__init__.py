"""Measures of trained networks: pure functions of a snapshot, and the numerical tools they are made of."""

from measures.activations import layer_activations
from measures.cca import CanonicalCorrelation, mean_cca, pwcca, pwcca_as_released, r2_cca, svcca
from measures.cka import KernelAlignment, linear_cka, minibatch_cka, rbf_cka
from measures.hessian_spectrum import hessian_spectrum
from measures.inputs import Estimate, Measurement, Snapshot, Split
from measures.intrinsic_dimension import intrinsic_dimension
from measures.lanczos import Eigenpairs, Tridiagonalization, lanczos, lanczos_quadrature, top_eigenvalues
from measures.neighbors import Neighbors, nearest_neighbors
from measures.operators import HessianOperator, LinearOperator, hessian_operator
from measures.procrustes import ProcrustesDistance, procrustes_distance
from measures.registry import Component, Entry, Registry, canonical_json, registry
from measures.representations import flattened, positions_as_examples, spatial_average
from measures.spectrum import Spectrum, dense_spectrum
from measures.twonn import IntrinsicDimension, twonn

measures = registry("measure", [hessian_spectrum, intrinsic_dimension])

__all__ = [
    "CanonicalCorrelation",
    "Component",
    "Eigenpairs",
    "Entry",
    "Estimate",
    "HessianOperator",
    "IntrinsicDimension",
    "KernelAlignment",
    "LinearOperator",
    "Measurement",
    "Neighbors",
    "ProcrustesDistance",
    "Registry",
    "Snapshot",
    "Spectrum",
    "Split",
    "Tridiagonalization",
    "canonical_json",
    "dense_spectrum",
    "flattened",
    "hessian_operator",
    "hessian_spectrum",
    "intrinsic_dimension",
    "lanczos",
    "lanczos_quadrature",
    "layer_activations",
    "linear_cka",
    "mean_cca",
    "measures",
    "minibatch_cka",
    "nearest_neighbors",
    "positions_as_examples",
    "procrustes_distance",
    "pwcca",
    "pwcca_as_released",
    "r2_cca",
    "rbf_cka",
    "registry",
    "spatial_average",
    "svcca",
    "top_eigenvalues",
    "twonn",
]
