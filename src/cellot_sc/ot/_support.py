"""How far cells lie from those that were learnt from, as a rank among what these are from each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from scipy.spatial.distance import cdist

from .._states import NOT_NEGATIVE, Field, Numbers, StateReading, read_fields
from ._moments import CellCloud, rows_of
from ._unseen import LEAST, leaves

MOST_CELLS, MOST_CENTROIDS, N_QUANTILES = 5000, 512, 201
"""Cells that are looked at and their centroids, at most, and quantiles of distances that are kept."""
N_AVERAGED, N_DIGITS = 5, 4
"""Neighbouring distances that each is a mean of, and digits that the greatest has, so that none is that of a cell."""
N_PARTS = 8
"""Random parts of the cells that take the place of contexts where there are none."""


@dataclass(frozen=True, eq=False)
class Support:
    """Where the control cells lie that were learnt from.

    Parameters
    ----------
    centroids
        Means of at least 20 neighbouring cells, shape ``(m, d)``.
    reference
        Quantiles of the distances of cells to the nearest centroid of another context, from the least to the greatest,
        rounded and smoothed so that none is that of a cell, shape ``(r,)``.
    contexts
        Mean distance in each context, rounded, increasing, shape ``(k,)``; of those with 20 cells where some have.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.ot._support import Support
    >>> x = np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32)
    >>> support = Support.around(x)
    >>> bool(support.of(np.zeros((1, 2)))[0] > 0.1), bool(support.of(np.full((1, 2), 9.0))[0] < 0.01)
    (True, True)
    """

    centroids: np.ndarray
    reference: np.ndarray
    contexts: np.ndarray

    fields: ClassVar[dict[str, Field]] = {
        "centroids": Numbers("md"),
        "reference": Numbers("r", NOT_NEGATIVE),
        "contexts": Numbers("k", NOT_NEGATIVE),
    }

    @classmethod
    def around(cls, x: CellCloud, contexts: np.ndarray | None = None) -> Self:
        """Return where cells lie, and how far those of one context are from the others.

        Parameters
        ----------
        x
            Control cells, shape ``(n_cells, n_dims)``.
        contexts
            Number of the context of each, -1 without one, or ``None``: parts of the cells are then drawn at random.
        """
        rng = np.random.default_rng(0)
        rows = rng.permutation(len(x))[:MOST_CELLS]
        if contexts is None or len(np.unique(contexts[rows])) < 2:
            contexts = np.arange(len(x)) % N_PARTS
            contexts[rows] = np.arange(len(rows)) % N_PARTS
        z, of = rows_of(x, rows).astype(np.float64), contexts[rows]
        names, sizes = np.unique(of, return_counts=True)
        # cells of contexts that have few are pooled: no centroid is of fewer than twenty
        few = np.isin(of, names[sizes < LEAST])
        owners = np.where(few, -1, of)
        centroids: list[np.ndarray] = []
        owner_of: list[int] = []
        for name in np.unique(owners):
            cells = z[owners == name]
            if len(cells) < LEAST and (owners != name).any():
                continue
            share = max(int(MOST_CENTROIDS * len(cells) / len(z)), 1)
            found = [cells[leaf].mean(axis=0) for leaf in leaves(cells, max(LEAST, len(cells) // share))]
            centroids += found
            owner_of += [name] * len(found)
        places, owner = np.array(centroids), np.array(owner_of)
        distances, means = [], []
        for name in names[names >= 0]:
            others = places[owner != name] if (owner != name).any() else places
            found = cdist(z[of == name], others).min(axis=1)
            distances.append(found)
            means.append(found.mean())
        many = sizes[names >= 0] >= LEAST
        of_contexts = np.sort(np.array(means)[many if many.any() else slice(None)])
        kept = _quantiles(np.concatenate(distances))
        return cls(*(np.asarray(of, dtype=np.float32) for of in (places, kept, _rounded(of_contexts))))

    def of(self, x: np.ndarray) -> np.ndarray:
        """Return, for every cell, the share of cells that lie as far from other contexts, shape ``(n_cells,)``.

        It is at least one over one more than there are distances kept: near 0 where no cell was that far.
        """
        n = len(self.reference)
        below = np.interp(self._distances(x), self.reference, np.linspace(0, 1, n) if n > 1 else [1.0])
        return (1 + n * (1 - below)) / (1 + n)

    def of_context(self, x: np.ndarray) -> float:
        """Return the same of a context as a whole, of which these are the control cells."""
        n = len(self.contexts)
        below = np.searchsorted(self.contexts, self._distances(x).mean(dtype=np.float32), side="left")
        return float((1 + n - below) / (1 + n))

    def _distances(self, x: np.ndarray) -> np.ndarray:
        return cdist(np.asarray(x, dtype=np.float64), self.centroids).min(axis=1)

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays from which :meth:`read` makes it again."""
        return {name: getattr(self, name) for name in self.fields}

    @classmethod
    def read(cls, state: Mapping[str, Any]) -> Self:
        """Return what was kept; raise :class:`ValueError` if it is something else."""
        return cls(**read_fields(state, cls.fields, StateReading(), path="support"))


def _quantiles(distances: np.ndarray) -> np.ndarray:
    """Return quantiles of which none is one of the distances: means of neighbouring ones, interpolated and rounded."""
    every = np.sort(distances)
    kernel = np.ones(min(N_AVERAGED, len(every)))
    smooth = np.convolve(every, kernel, "same") / np.convolve(np.ones(len(every)), kernel, "same")
    return _rounded(np.quantile(smooth, np.linspace(0, 1, min(N_QUANTILES, len(every)))))


def _rounded(values: np.ndarray) -> np.ndarray:
    greatest = float(values.max())
    return values.round(N_DIGITS - 1 - int(np.floor(np.log10(greatest)))) if greatest > 0 else values
