"""How many descendants early cells have: what a time course weighs cells by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _keys, _validate
from ...ot._unbalanced import unbalanced_marginals
from .._fit.problems import problems
from .._fit.weights import cell_weights
from .moscot import birth_and_death

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData

    from ...ot import Problem
    from .._fit.prepared import Prepared

UNBALANCED, SCORES = METHODS = ("unbalanced", "moscot")
"""Where growth can come from, if not from a column of ``obs``."""
GROWTH, RECEIVED = "growth", "received"
"""What the columns end in that are written."""


@dataclass(frozen=True)
class Growth:
    """How much cells count at either end of a step.

    Parameters
    ----------
    sent
        Descendants of every cell at the next time, relative to the mean of the train cells of its own, shape
        ``(n_obs,)``; NaN for cells of the last time and of none.
    received
        How many descendants every cell stands for, relative to the mean of the train cells of its time, shape
        ``(n_obs,)``, or ``None`` if they all stand for as many.
    """

    sent: np.ndarray
    received: np.ndarray | None

    def of_step(self, labels: np.ndarray, before: str) -> np.ndarray:
        """Return the weights of the cells of a time and of those of the next, shape ``(n_obs,)``."""
        late = np.ones(len(labels)) if self.received is None else self.received
        return np.where(labels == before, self.sent, late)

    def write(self, adata: AnnData, key: str) -> list[str]:
        """Add the columns, and return the names of them for the log."""
        added = {f"{key}_{GROWTH}": self.sent}
        if self.received is not None:
            added[f"{key}_{RECEIVED}"] = self.received
        for name, values in added.items():
            adata.obs[name] = values
        return [f"obs[{name!r}]" for name in added]

    @classmethod
    def read(cls, adata: AnnData, config: Mapping[str, Any], key: str) -> Growth | None:
        """Return what a time course under ``key`` was fitted with, ``None`` if cells counted alike."""
        if config.get("growth") is None:
            return None
        names = [f"{key}_{GROWTH}", f"{key}_{RECEIVED}"]
        sent = _validate.obs_key(adata, names[0]).to_numpy(dtype=np.float64)
        if config["tau"] is None or config["tau"][1] == 1:
            return cls(sent, None)
        return cls(sent, _validate.obs_key(adata, names[1]).to_numpy(dtype=np.float64))


def steps(
    x: np.ndarray, labels: np.ndarray, parts: np.ndarray, names: Sequence[str], growth: Growth | None
) -> list[Problem]:
    """Return the clouds of every time and the next, weighed by growth.

    Parameters
    ----------
    x
        Representation of all cells, shape ``(n_obs, n_dims)``.
    labels, parts
        Time and split of every cell.
    names
        The times, from the earliest.
    growth
        How many descendants cells have, or ``None`` if all have as many.
    """
    return [
        pair
        for before, after in zip(names, names[1:], strict=False)
        for pair in problems(
            x, labels, parts, None, before, [after], None if growth is None else growth.of_step(labels, before)
        )
    ]


def resolve_growth(
    adata: AnnData,
    growth: str | None,
    tau: tuple[float, float],
    cells: Prepared,
    labels: np.ndarray,
    times: Mapping[str, float],
    *,
    seed: int,
) -> Growth | None:
    """Return how many descendants cells have, or ``None`` if all have as many.

    Parameters
    ----------
    adata
        Annotated data.
    growth
        As given to :func:`cellot_sc.tl.trajectory`.
    tau
        How firmly the marginals of the source and of the target are held to the prior.
    cells
        The cells.
    labels
        Time of every cell.
    times
        Where each of the times lies on the axis of time, from the earliest.
    seed
        Seed of samples of large clouds.

    Raises
    ------
    KeyError
        If there is no such column.
    ValueError
        If growth is missing, negative or infinite where it is needed, or genes to score are not there.
    """
    if growth is None:
        return None
    names = list(times)
    prior: np.ndarray | None = None
    # a column may be named as a method is: the method is meant
    if growth == SCORES:
        prior = _scored(adata, cells)
    elif growth != UNBALANCED:
        _validate.growth_column(adata, growth, METHODS)
        prior = cell_weights(adata, growth, labels, cells.parts, names[:-1], what="growth")
    sent, received = np.full(adata.n_obs, np.nan), np.full(adata.n_obs, np.nan)
    for before, after in zip(names, names[1:], strict=False):
        source, target = labels == before, labels == after
        # what one cell becomes grows by the same factor in every unit of time
        here = None if prior is None else prior[source] ** (times[after] - times[before])
        train, late = (cells.parts[mask] == _keys.TRAIN for mask in (source, target))
        if growth in METHODS:
            x, y = cells.x[source], cells.x[target]
            of_train = None if here is None else here[train]
            _validate.enough_cells(int(train.sum()), what=f"time {before!r}")
            _validate.enough_cells(int(late.sum()), what=f"time {after!r}")
            of_source, of_target = unbalanced_marginals(x[train], y[late], prior=of_train, tau=tau, seed=seed)
            sent[source] = _relative(of_source.log_mass(x, here), train)
            received[target] = _relative(of_target.log_mass(y), late)
        elif here is not None:
            sent[source] = here / here[train].mean()
    return Growth(sent, received if growth in METHODS and tau[1] < 1 else None)


def _relative(log_mass: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Return masses relative to the mean of the train cells."""
    mass = np.exp(log_mass - log_mass[train].max())
    return mass / mass[train].mean()


def _scored(adata: AnnData, cells: Prepared) -> np.ndarray:
    """Return how many descendants every cell has after one unit of time, by its genes of division and death.

    Scores are relative to genes that are about as much expressed in the cells at hand. So that none that is fitted
    depends on other than train cells, and none that it is chosen by on test cells, cells are scored three times.
    """
    x, genes = _validate.log_expression(adata, what="adata")
    out = np.empty(adata.n_obs)
    for seen in (np.ones(adata.n_obs, dtype=bool), cells.usable, cells.parts == _keys.TRAIN):
        out[seen] = birth_and_death(x[seen], genes)
    return out
