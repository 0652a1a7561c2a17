"""Means of wells: of the train cells of one dose and replicate."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from ... import _validate
from .dose_scatter import Scatter

MOST_WEIGHT = 10.0
"""A cell of a kind that is rarer at a dose than in the source counts so much, at most."""


def well_codes(doses: np.ndarray, replicates: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the well of every cell, -1 where it is in none, and the dose and replicate of every well, as codes.

    Cells of wells with fewer cells than a fit needs are left out, unless a dose has no other: then they are one well.

    Parameters
    ----------
    doses
        Dose of every cell as a code from 0, -1 for other cells.
    replicates
        Name of the replicate of every cell, empty where there is none, or ``None`` for one per dose.
    """
    names = np.zeros(len(doses), dtype=np.int64)
    if replicates is not None:
        _, names = np.unique(replicates, return_inverse=True)
        names = np.where(replicates == "", -1, names)
    wells = np.full(len(doses), -1)
    of_dose: list[int] = []
    of_replicate: list[int] = []
    for dose in range(doses.max() + 1):
        here = doses == dose
        found, counts = np.unique(names[here & (names >= 0)], return_counts=True)
        large = found[counts >= _validate.MIN_TRAIN_CELLS]
        groups = [here & (names == name) for name in large] or [here]
        for mask, name in zip(groups, large if len(large) else [-1], strict=True):
            wells[mask] = len(of_dose)
            of_dose.append(dose)
            of_replicate.append(int(name))
    return wells, np.array(of_dose), np.unique(of_replicate, return_inverse=True)[1]


def composition(doses: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Return weights of cells that give every dose the composition of the first.

    Parameters
    ----------
    doses
        Dose of every cell as a code from 0, -1 for other cells.
    groups
        Group of every cell, or ``None``, where all count alike.
    """
    weights = np.ones(len(doses))
    for name in () if groups is None else np.unique(groups):
        here = groups == name
        shares = [np.mean(here[doses == dose]) for dose in range(doses.max() + 1)]
        for dose, share in enumerate(shares):
            weights[here & (doses == dose)] = min(shares[0] / share, MOST_WEIGHT) if share else 0.0
    return weights


def dose_scatter(
    x: Any, doses: np.ndarray, replicates: np.ndarray | None, weights: np.ndarray | None = None
) -> Scatter:
    """Summarise cells by their doses and replicates.

    Parameters
    ----------
    x
        Cells, dense or sparse, shape ``(n_cells, n_features)``.
    doses, replicates
        As in :func:`well_codes`.
    weights
        How much each counts, with ``None`` all alike.
    """
    wells, of_dose, of_replicate = well_codes(doses, replicates)
    rows = np.flatnonzero(wells >= 0)
    counts = np.ones(len(rows)) if weights is None else weights[rows]
    sums = sp.csr_matrix((counts, (wells[rows], rows)), shape=(len(of_dose), len(wells)))
    means = sums @ x / np.bincount(wells[rows], counts)[:, None]
    dense = means.toarray() if sp.issparse(means) else np.asarray(means)
    return Scatter(dense.astype(np.float64), of_dose, of_replicate)
