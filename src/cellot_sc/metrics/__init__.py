"""Distances between two clouds of cells: arrays in, floats out."""

from ._contract import check_metric
from ._deltas import (
    cosine_delta,
    deg_overlap,
    deg_scores,
    direction,
    pearson_delta,
    r2_delta,
    sign_accuracy,
    variance_ratio,
)
from ._discrimination import discrimination_score
from ._energy import energy_distance
from ._legacy import (
    LEGACY_GAMMAS,
    LEGACY_TRAINING_GAMMAS,
    correlation_distance,
    knn_enrichment,
    l2_means,
    l2_stds,
    legacy_mmd,
    r2_means,
    r_means,
)
from ._marginals import ks_marginals, wasserstein_marginals
from ._metric import METRICS, Metric, register
from ._mmd import MMDTest, median_gammas, mmd, mmd_test
from ._resampling import CellResampling, MomentResampling, NoResampling, ObservedCells, PairResampling, Resampling
from ._transport import entropic_wasserstein2, sinkhorn_divergence, wasserstein2

__all__ = [
    "LEGACY_GAMMAS",
    "LEGACY_TRAINING_GAMMAS",
    "METRICS",
    "CellResampling",
    "MMDTest",
    "Metric",
    "MomentResampling",
    "NoResampling",
    "ObservedCells",
    "PairResampling",
    "Resampling",
    "check_metric",
    "correlation_distance",
    "cosine_delta",
    "deg_overlap",
    "deg_scores",
    "direction",
    "discrimination_score",
    "energy_distance",
    "entropic_wasserstein2",
    "knn_enrichment",
    "ks_marginals",
    "l2_means",
    "l2_stds",
    "legacy_mmd",
    "median_gammas",
    "mmd",
    "mmd_test",
    "pearson_delta",
    "r2_delta",
    "r2_means",
    "r_means",
    "register",
    "sign_accuracy",
    "sinkhorn_divergence",
    "variance_ratio",
    "wasserstein2",
    "wasserstein_marginals",
]
