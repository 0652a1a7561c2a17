"""The genes that mark a perturbation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ... import _keys, _validate
from ...metrics import deg_scores

if TYPE_CHECKING:
    from anndata import AnnData

GENES_AT_ONCE = 500


def in_order(adata: AnnData, layer: str, treated: np.ndarray, control: np.ndarray) -> np.ndarray:
    """Return the positions of all genes, those first that differ most between treated and control cells.

    Parameters
    ----------
    adata
        Annotated data.
    layer
        Layer with the expression, or ``"X"``.
    treated, control
        Masks of the cells to compare: train cells, lest those that are judged choose what they are judged by.
    """
    x = _validate.expression(adata, None if layer == _keys.EXPRESSION else layer)
    clouds = [x[np.flatnonzero(mask)] for mask in (treated, control)]
    clouds = [cloud.tocsc() if hasattr(cloud, "tocsc") else np.asarray(cloud) for cloud in clouds]
    scores = []
    for start in range(0, adata.n_vars, GENES_AT_ONCE):
        parts = [cloud[:, start : start + GENES_AT_ONCE] for cloud in clouds]
        scores.append(deg_scores(*(part.toarray() if hasattr(part, "toarray") else part for part in parts)))
    return np.argsort(-np.abs(np.concatenate(scores)), kind="stable")
