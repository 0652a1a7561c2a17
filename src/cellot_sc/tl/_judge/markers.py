"""The genes that mark a perturbation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import sparse

from ..._arrays import dense
from ..._chunks import Stored, chunks
from ...metrics import deg_scores
from ...metrics._stats import SampleMoments, welch_of_moments

GENES_AT_ONCE = 500


def in_order(x: Any, clouds: Mapping[str, np.ndarray], control: str, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return, by perturbation, the positions of all genes, those first that differ most from control cells.

    Parameters
    ----------
    x
        Expression of all cells, dense, sparse or :class:`.Stored`, shape ``(n_obs, n_genes)``.
    clouds
        By label, the mask of the cells to compare: train cells, lest those that are judged choose what they are judged
        by.
    control
        Label of the control cells.
    names
        Those of the perturbations.
    """
    if isinstance(x, Stored):
        moments = _moments(x, {name: clouds[name] for name in (control, *names)})
        scores = {name: welch_of_moments(moments[name], moments[control])[0] for name in names}
    else:
        untreated = _cells(x, clouds[control])
        scores = {name: _scores(_cells(x, clouds[name]), untreated) for name in names}
    return {name: np.argsort(-np.abs(one), kind="stable") for name, one in scores.items()}


def _cells(x: Any, mask: np.ndarray) -> Any:
    cells = x[np.flatnonzero(mask)]
    return cells.tocsc() if hasattr(cells, "tocsc") else np.asarray(cells)


def _scores(treated: Any, control: Any) -> np.ndarray:
    """Return the scores of genes, some of which are dense at a time."""
    starts = range(0, treated.shape[1], GENES_AT_ONCE)
    parts = [[cells[:, at : at + GENES_AT_ONCE] for cells in (treated, control)] for at in starts]
    return np.concatenate([deg_scores(*map(dense, pair)) for pair in parts])


def _moments(x: Stored, clouds: Mapping[str, np.ndarray]) -> dict[str, SampleMoments]:
    """Return the moments of clouds, which are read once, all together, in chunks."""
    codes = np.full(x.shape[0], -1)
    for i, mask in enumerate(clouds.values()):
        codes[mask] = i
    read, codes = x[codes >= 0], codes[codes >= 0]
    shape = len(clouds), x.shape[1]
    sizes, sums, squares = np.bincount(codes, minlength=len(clouds)), np.zeros(shape), np.zeros(shape)
    for rows, few in chunks(read):
        cells, of = few.astype(np.float64), codes[rows]
        members = sparse.csr_array((np.ones(len(of)), (of, np.arange(len(of)))), shape=(shape[0], len(of)))
        sums += dense(members @ cells)
        squares += dense(members @ (cells.multiply(cells) if sparse.issparse(cells) else cells**2))
    found: dict[str, SampleMoments] = {}
    for i, name in enumerate(clouds):
        mean = sums[i] / sizes[i]
        found[name] = int(sizes[i]), mean, np.maximum(squares[i] - sizes[i] * mean**2, 0) / (sizes[i] - 1)
    return found
