"""Every key this package reads from or writes to an AnnData, in one place."""

from __future__ import annotations

from typing import Final

PERTURBATION: Final = "perturbation"
"""Default ``obs`` column that names the perturbation of each cell."""
CONTROL: Final = "control"
"""Default category of untreated cells in that column."""
CELL_TYPE: Final = "cell_type"
"""``obs`` column that the report looks into groups by if it is there and no other is named."""
PATIENT: Final = "patient"
"""``obs`` column whose categories answer for their cells in the report if it is there and no other is named."""

SPLIT: Final = "split"
"""Default ``obs`` column that says what a cell may be used for."""
TRAIN: Final = "train"
VALID: Final = "valid"
TEST: Final = "test"
OOD: Final = "ood"
SPLITS: Final = (TRAIN, VALID, TEST, OOD)

REP: Final = "X_cellot"
"""Default ``obsm`` key of the representation; its decoder is kept under the same name in ``uns``."""
PCA: Final = "X_pca"
"""What scanpy calls its principal components in ``obsm``."""
EXPRESSION: Final = "X"
"""``use_rep`` name of the expression matrix itself."""

MODEL: Final = "cellot"
"""Default ``uns`` key of the fitted transport maps."""
COUNTERFACTUAL: Final = "counterfactual"
"""Prefix of the layers with the truth of :func:`cellot_sc.datasets.simulate`: ``counterfactual_<perturbation>``."""
SIMULATION: Final = "simulation"
"""``uns`` key of the parameters behind a simulated data set."""

ALL: Final = "all"
"""In tables, the group of all cells, and what stands for all of anything else."""
MEAN: Final = "mean"
"""The mean over groups, or over perturbations."""
WORST: Final = "worst"
"""The worst of the groups."""
OBSERVED: Final = "observed"
"""Cells that were measured; as a model, the ceiling: others of the same population stand in for a prediction."""
GAP_CLOSED: Final = "_frac_gap_closed"
"""What the name of a fraction of the gap ends in, after that of its distance."""
SELECTED: Final = "selected"
"""The metric of a history that marks the step at which a map was taken."""

TIME: Final = "time"
"""Default ``obs`` column with the time at which each cell was taken."""
TRAJECTORY: Final = "trajectory"
"""Default ``uns`` key of the maps between consecutive times."""
FATE: Final = "fate"
"""Default ``obsm`` key of fate probabilities, and what the columns and parameters beside it begin with."""
CLONE: Final = "X_clone"
"""Default ``obsm`` key of the matrix that says which cells belong to which clone."""
