"""What is used where a user names nothing."""

from __future__ import annotations

METRICS = ("energy_distance", "mmd", "legacy_mmd", "l2_means", "r_means", "pearson_delta", "variance_ratio")
"""Of the evaluation."""
MMD_METRICS = ("mmd", "legacy_mmd", "legacy_mmd_training")
"""Of the evaluation by the MMD alone."""
POPULATION_METRICS = ("energy_distance", "mmd")
"""Of the comparison of populations."""
FIGURE_METRICS = ("energy_distance", "mmd", "pearson_delta")
"""Of the report's figure; its table has all."""
SUMMARY_METRIC = "energy_distance"
"""Of the report's sentences."""
PUBLISHED_METRICS = (
    *("legacy_mmd", "l2_means", "l2_stds", "r_means", "r2_means", "correlation_distance"),
    *("knn_enrichment_50", "knn_enrichment_100"),
)
"""Of the CellOT paper."""
REPRODUCED_METRICS = {
    "features": ("legacy_mmd", "l2_means", "r_means"),
    "latent": ("energy_distance", "pearson_delta"),
}
"""Of the printed table of a task of the paper, by the space in which cells are compared."""
