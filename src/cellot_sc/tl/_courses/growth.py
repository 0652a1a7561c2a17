"""How many descendants early cells have: what a time course weighs cells by."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from anndata import AnnData

from ... import _keys, _validate
from .._fit.weights import cell_weights
from .moscot import birth_and_death

UNBALANCED, SCORES = METHODS = ("unbalanced", "moscot")
"""Where growth can come from, if not from a column of ``obs``."""
GROWTH, RECEIVED = "growth", "received"
"""What the columns end in that are written."""


def growth_columns(
    adata: AnnData,
    growth: str | None,
    tau: tuple[float, float],
    x: np.ndarray,
    labels: np.ndarray,
    parts: np.ndarray,
    times: Mapping[str, float],
    *,
    key: str,
    seed: int,
) -> dict[str, np.ndarray]:
    """Return how many descendants cells have, as columns of ``obs``: none if all have as many.

    Parameters
    ----------
    adata
        Annotated data.
    growth
        As given to :func:`cellot_sc.tl.trajectory`.
    tau
        How firmly the marginals of the source and of the target are held to the prior.
    x
        Representation of all cells, shape ``(n_obs, n_dims)``.
    labels, parts
        Time and split of every cell.
    times
        Where each of the times lies on the axis of time, from the earliest.
    key
        What the columns begin with.
    seed
        Seed of samples of large clouds.

    Returns
    -------
    ``<key>_growth``, the descendants of every cell at the next time, relative to the mean of the train cells of its
    own, shape ``(n_obs,)``; NaN for cells of the last time and of none. And ``<key>_received``, how many descendants
    every cell stands for, relative to the mean of the train cells of its time, if they do not all stand for as many.

    Raises
    ------
    KeyError
        If there is no such column.
    ValueError
        If growth is missing, negative or infinite where it is needed, or genes to score are not there.
    """
    if growth is None:
        return {}
    names = list(times)
    prior: np.ndarray | None = None
    # a column may be named as a method is: the method is meant
    if growth == SCORES:
        prior = _scored(adata, parts)
    elif growth != UNBALANCED:
        if growth not in adata.obs:
            hint = _validate.nearest(growth, [*METHODS, *adata.obs.columns])
            raise KeyError(
                f"growth {growth!r} is neither a column of adata.obs nor one of {', '.join(map(repr, METHODS))}.{hint}"
            )
        prior = cell_weights(adata, growth, labels, parts, names[:-1], what="growth")
    sent, received = np.full(adata.n_obs, np.nan), np.full(adata.n_obs, np.nan)
    for before, after in zip(names, names[1:], strict=False):
        source, target = labels == before, labels == after
        # what one cell becomes grows by the same factor in every unit of time
        expected = None if prior is None else prior[source] ** (times[after] - times[before])
        train, late = (parts[mask] == _keys.TRAIN for mask in (source, target))
        if growth in METHODS:
            early, later = x[source], x[target]
            _validate.enough_cells(int(train.sum()), what=f"time {before!r}")
            _validate.enough_cells(int(late.sum()), what=f"time {after!r}")
            train_prior = None if expected is None else expected[train]
            from ...ot._unbalanced import unbalanced_marginals

            sources, targets = unbalanced_marginals(early[train], later[late], prior=train_prior, tau=tau, seed=seed)
            sent[source] = _relative(sources.log_mass(early, expected), train)
            received[target] = _relative(targets.log_mass(later), late)
        elif expected is not None:
            sent[source] = expected / expected[train].mean()
    weighs_late = growth in METHODS and tau[1] < 1
    return {f"{key}_{GROWTH}": sent} | ({f"{key}_{RECEIVED}": received} if weighs_late else {})


def _relative(log_mass: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Return masses relative to the mean of the train cells."""
    mass = np.exp(log_mass - log_mass[train].max())
    return mass / mass[train].mean()


def _scored(adata: AnnData, parts: np.ndarray) -> np.ndarray:
    """Return how many descendants every cell has after one unit of time, by its genes of division and death.

    Scores are relative to genes that are about as much expressed in the cells at hand. So that none that is fitted
    depends on other than train cells, and none that it is chosen by on test cells, cells are scored three times.
    """
    x, genes = _validate.log_expression(adata, what="adata")
    _validate.unique_var_names(genes)
    out = np.empty(adata.n_obs)
    train, usable = parts == _keys.TRAIN, (parts == _keys.TRAIN) | (parts == _keys.VALID)
    for seen in (np.ones(adata.n_obs, dtype=bool), usable, train):
        out[seen] = birth_and_death(x[seen], genes)
    return out
