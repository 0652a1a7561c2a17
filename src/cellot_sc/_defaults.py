"""The one list of names that are chosen for the user: everywhere else, a solver or a metric is known by its record."""

from __future__ import annotations

SOLVERS = (
    *("identity", "mean_shift", "gaussian", "group_shift", "group_gaussian", "icnn", "entropic", "popalign"),
    *("expectile", "monge_gap", "neural_dual", "scgen", "cae", "paper"),
)
"""Solvers, and the files that they are in: those of networks take seconds to import, and are when they are used."""
SOLVER = "icnn"
"""Solver of every fit that names none."""
IDENTITY, SHIFT, AFFINE = "identity", "mean_shift", "gaussian"
"""Solvers in closed form: of no effect, of one shift for all cells, and of the best affine map."""
BASELINES = (IDENTITY, SHIFT, AFFINE)
"""Solvers that predictions are compared with, from the simplest."""
GROUP_BASELINES = ("group_shift", "group_gaussian")
"""The same with what they know of groups of cells, where there are any."""
DISCRETE = "entropic"
"""Solver that makes the maps of discrete couplings."""
PUBLISHED = (*BASELINES, DISCRETE, "popalign", "scgen", "cae")
"""Solvers beside which the tasks of the CellOT publication are judged."""
PAPER = "paper"
"""Preset of the autoencoder of the CellOT publication."""

METRICS = ("energy_distance", "mmd", "legacy_mmd", "l2_means", "r_means", "pearson_delta", "variance_ratio")
"""Metrics of the evaluation."""
MMD_METRICS = ("mmd", "legacy_mmd", "legacy_mmd_training")
"""Metrics of the evaluation by the MMD alone."""
POPULATION_METRICS = ("energy_distance", "mmd")
"""Metrics of the comparison of populations."""
FIGURE_METRICS = ("energy_distance", "mmd", "pearson_delta")
"""Metrics of the report's figure; its table has all."""
SUMMARY_METRIC = "energy_distance"
"""Metric of the report's sentences."""
TESTED_METRIC = "energy_distance"
"""Metric that the evaluation tests by exchanges of whole units."""
PUBLISHED_METRICS = (
    *("legacy_mmd", "l2_means", "l2_stds", "r_means", "r2_means", "correlation_distance"),
    *("knn_enrichment_50", "knn_enrichment_100"),
)
"""Metrics of the CellOT publication."""
REPRODUCED_METRICS = {
    "features": ("legacy_mmd", "l2_means", "r_means"),
    "latent": ("energy_distance", "pearson_delta"),
}
"""Metrics of the printed table of a published task, by the space in which cells are compared."""
