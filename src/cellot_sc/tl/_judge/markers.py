"""The genes that mark a perturbation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._arrays import dense
from ...metrics import deg_scores

GENES_AT_ONCE = 500


def in_order(x: Any, treated: np.ndarray, control: np.ndarray) -> np.ndarray:
    """Return the positions of all genes, those first that differ most between treated and control cells.

    Parameters
    ----------
    x
        Expression of all cells, dense or sparse, shape ``(n_obs, n_genes)``.
    treated, control
        Masks of the cells to compare: train cells, lest those that are judged choose what they are judged by.
    """
    clouds = [x[np.flatnonzero(mask)] for mask in (treated, control)]
    clouds = [cloud.tocsc() if hasattr(cloud, "tocsc") else np.asarray(cloud) for cloud in clouds]
    scores = []
    for start in range(0, x.shape[1], GENES_AT_ONCE):
        parts = [cloud[:, start : start + GENES_AT_ONCE] for cloud in clouds]
        scores.append(deg_scores(*map(dense, parts)))
    return np.argsort(-np.abs(np.concatenate(scores)), kind="stable")
