"""Measures of trained networks: pure functions of a snapshot, and the numerical tools they are made of."""

from measures.activations import layer_activations
from measures.correlation_dimension import CorrelationDimension, correlation_dimension
from measures.dimension_estimates import DimensionEstimates, dimension_estimates
from measures.gride import ScaleCurve, ScaleEstimate, gride
from measures.hessian_spectrum import hessian_spectrum
from measures.inputs import Estimate, Measurement, Snapshot, Split
from measures.intrinsic_dimension import intrinsic_dimension
from measures.lanczos import Eigenpairs, Tridiagonalization, lanczos, lanczos_quadrature, top_eigenvalues
from measures.levina_bickel import LikelihoodDimension, levina_bickel
from measures.neighbors import Neighbors, nearest_neighbors, neighbors_among
from measures.operators import HessianOperator, LinearOperator, hessian_operator
from measures.participation_ratio import ParticipationRatio, participation_ratio
from measures.pca_dimension import LocalPcaDimension, PcaDimension, local_pca_dimension, pca_dimension
from measures.registry import Component, Entry, Registry, canonical_json, registry
from measures.scale_curve import Plateau
from measures.spectrum import Spectrum, dense_spectrum
from measures.subsampling import SubsampledDimension, subsampled_twonn
from measures.twonn import IntrinsicDimension, twonn

measures = registry("measure", [hessian_spectrum, intrinsic_dimension])

__all__ = [
    "Component",
    "CorrelationDimension",
    "DimensionEstimates",
    "Eigenpairs",
    "Entry",
    "Estimate",
    "HessianOperator",
    "IntrinsicDimension",
    "LikelihoodDimension",
    "LinearOperator",
    "LocalPcaDimension",
    "Measurement",
    "Neighbors",
    "ParticipationRatio",
    "PcaDimension",
    "Plateau",
    "Registry",
    "ScaleCurve",
    "ScaleEstimate",
    "Snapshot",
    "Spectrum",
    "Split",
    "SubsampledDimension",
    "Tridiagonalization",
    "canonical_json",
    "correlation_dimension",
    "dense_spectrum",
    "dimension_estimates",
    "gride",
    "hessian_operator",
    "hessian_spectrum",
    "intrinsic_dimension",
    "lanczos",
    "lanczos_quadrature",
    "layer_activations",
    "levina_bickel",
    "local_pca_dimension",
    "measures",
    "nearest_neighbors",
    "neighbors_among",
    "participation_ratio",
    "pca_dimension",
    "registry",
    "subsampled_twonn",
    "top_eigenvalues",
    "twonn",
]
