"""What no effect does to cells: how far the null moves them, and which respond beyond that."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import stats

from ...ot import TransportMap
from .._fit import null as fitted_null
from .._fit.null import Null
from .displacements import Displacements

LEVEL = 0.05
"""False discovery rate at which cells are said to respond."""


def null(moves: Displacements, *, seed: int) -> Null:
    """Return maps between halves of the control train cells: those that a model keeps, else fitted now.

    Parameters
    ----------
    moves
        The maps in question and their control cells.
    seed
        Seed of the halvings, where they are made now.

    Raises
    ------
    KeyError
        If the column of the split is missing.
    ValueError
        If the train cells that the maps were fitted to are not among the cells.
    """
    kept = moves.fitted.null
    return fitted_null.null(moves.fitted.fit, moves.space.adata, moves.names, seed=seed) if kept is None else kept


def spread(
    null_maps: Null, moves: Displacements, groups: Mapping[str, np.ndarray], features: slice | list[int]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return how far the null moves features: the root mean square change of cells and of means over groups.

    A perturbation's is its ``scale`` times that.

    Parameters
    ----------
    null_maps
        The null.
    moves
        The cells.
    groups
        Mask of the cells of each group.
    features
        Which features.

    Returns
    -------
    Arrays of shape ``(n_control, n_features)`` and, by group, ``(n_features,)``.
    """
    start = moves.space.view(moves.x)[:, features]

    def change(fitted: TransportMap) -> np.ndarray:
        return moves.space.view(moves.moved(fitted))[:, features] - start

    def means(changed: np.ndarray) -> np.ndarray:
        group_means = [changed[mask].mean(axis=0, dtype=np.float64) for mask in groups.values()]
        return np.reshape(group_means, (len(groups), start.shape[1]))

    cell_spread = np.zeros(start.shape, dtype=np.float32)
    group_spread = np.zeros((len(groups), start.shape[1]))
    for fitted in null_maps.maps:
        changed = change(fitted)
        group_spread += means(changed) ** 2 / null_maps.n_maps
        cell_spread += np.square(changed, out=changed) / null_maps.n_maps
    cell_spread = np.sqrt(cell_spread) * np.float32(null_maps.excess(change))
    group_spread = np.sqrt(group_spread) * (null_maps.excess(lambda fitted: means(change(fitted))) if groups else 1.0)
    return cell_spread, dict(zip(groups, group_spread, strict=True))


def responding(z: np.ndarray, null_maps: Null) -> np.ndarray:
    """Return which cells respond, at a false discovery rate among the cells, feature by feature.

    The procedure of Benjamini and Hochberg (1995, doi 10.1111/j.2517-6161.1995.tb02031.x), on the scale of ``z``.

    Parameters
    ----------
    z
        Standardised effects, shape ``(n_cells, n_features)``.
    null_maps
        The null.
    """
    n_cells = len(z)
    critical = stats.t.isf(LEVEL * np.arange(1, n_cells + 1) / (2 * n_cells), null_maps.df)
    ordered = -np.sort(-z, axis=0)
    n_called = np.where(ordered >= critical[:, None], np.arange(1, n_cells + 1)[:, None], 0).max(axis=0)
    least = np.take_along_axis(ordered, np.maximum(n_called - 1, 0)[None], axis=0)[0]
    return (z >= least) & (n_called > 0)
