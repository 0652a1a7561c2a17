"""What becomes of early cells, read from the late cells near which they end up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import stats
from sklearn.neighbors import NearestNeighbors

from ... import _keys, _validate
from ..._digest import digest_of_cells
from ..._settings import logger
from . import time_course

POTENCY, PREDICTED = "potency", "predicted"
"""What the columns end in that are written beside the fate probabilities."""


@_validate.takes_adata
def fate(
    adata: AnnData,
    groupby: str = "cell_type",
    *,
    fates: Sequence[str] | None = None,
    at: Any = None,
    n_neighbors: int = 20,
    key: str = _keys.TRAJECTORY,
    key_added: str = _keys.FATE,
    copy: bool = False,
) -> AnnData | None:
    """Predict the fate of every early cell: the labels around the places that it and cells like it are transported to.

    A map sends a cell to one place, while two cells that can hardly be told apart may part ways: what was measured of a
    cell is noisy, and not all of its state. The probabilities of a cell are therefore means over the cells of its time
    that are most like it, so that those between fates are seen to be.

    Parameters
    ----------
    adata
        Annotated data with a time course fitted by :func:`cellot_sc.tl.trajectory`.
    groupby
        Column of ``obs`` with the label of late cells, such as the cell type. Others need none.
    fates
        The labels that are fates; late cells with another label, such as those that have not differentiated, are not
        looked at. With ``None``, all labels of late cells.
    at
        The time at which fates are read; the last one with ``None``.
    n_neighbors
        Number of labelled late cells around each transported cell that count, each the same; and of the cells most like
        an early cell, itself among them, over which is averaged: of these a tenth of the cells of that time at most.
    key
        Where in ``uns`` the maps are.
    key_added
        What is written is named after this.
    copy
        Whether to return a copy instead of writing to ``adata``.

    Returns
    -------
    ``None``, or with ``copy=True`` an AnnData, with, for cells of the times before ``at``:

    - ``obsm[key_added]``: fate probabilities, shape ``(n_obs, n_fates)``; NaN for other cells.
    - ``obs[f"{key_added}_predicted"]``: the likeliest fate.
    - ``obs[f"{key_added}_potency"]``: the entropy of the probabilities, from 0 (one fate) to 1 (all alike).
    - ``uns[key_added]``: what was asked for, and in ``uns[key_added]["fates"]`` the fates, one per column.

    Raises
    ------
    KeyError
        If there is no time course, column or representation.
    ValueError
        If no file can hold ``key_added`` or something else than fates is kept there, ``at`` is the first time or no
        time of the course, a fate is no label of its cells, or there are no labelled late cells.

    References
    ----------
    :cite:t:`bunne2023` and :cite:t:`weinreb2020`, who compare the predicted with the clonal fate of the same cells.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> import pandas as pd
    >>> adata = cs.datasets.simulate_branching(600, 30)
    >>> cs.tl.trajectory(adata, solver="gaussian")
    >>> cs.tl.fate(adata, "cell_type")
    >>> table = pd.DataFrame(adata.obsm["fate"], adata.obs_names, adata.uns["fate"]["fates"])
    >>> table.columns.tolist()
    ['fate_a', 'fate_b', 'fate_c']
    >>> early = adata.obs["time"] == 0
    >>> bool((adata.obs.loc[early, "fate_predicted"].astype(str) == adata.obs.loc[early, "fate"]).mean() > 0.8)
    True
    """
    _validate.new_key(adata, key_added, _validate.FATES)
    n_neighbors = _validate.whole(n_neighbors, 1, what="n_neighbors")
    reading = Reading.of(adata, groupby, fates=fates, at=at, n_neighbors=n_neighbors, key=key)
    predicted, potency = f"{key_added}_{PREDICTED}", f"{key_added}_{POTENCY}"
    for column in (predicted, potency):
        _validate.not_read(column, [groupby, reading.course.fit.label_key], what="the column of key_added")
    _validate.new_columns(adata, key_added, _validate.FATES, {predicted: reading.fates, potency: None})
    shares = reading.shares(reading.course)

    out = _validate.writable(adata, copy=copy)
    # not a column for each: the name of one may hold what no file takes for the name of a column
    out.obsm[key_added] = shares
    early = ~np.isnan(shares[:, 0])
    likeliest = np.full(adata.n_obs, None, dtype=object)
    likeliest[early] = np.array(reading.fates, dtype=object)[shares[early].argmax(axis=1)]
    out.obs[predicted] = pd.Categorical(likeliest, categories=reading.fates)
    out.obs[potency] = stats.entropy(shares, base=max(len(reading.fates), 2), axis=1)
    out.uns[key_added] = {
        "groupby": groupby,
        "fates": np.array(reading.fates, dtype=object),
        "at": reading.course.labels[reading.end],
        "n_neighbors": n_neighbors,
        "trajectory": key,
        "maps": reading.course.digest,
        "labels": reading.digest(adata),
    }
    logger.info(
        "added obsm[%r] (%s), obs[%r] and obs[%r]: fates of %d cells",
        key_added, ", ".join(reading.fates), predicted, potency, int(early.sum()),
    )  # fmt: skip
    return out if copy else None


class Reading:
    """How fates are read: the late cells that carry labels, and the early cells in question.

    Parameters
    ----------
    course
        The time course.
    x
        Representation of all cells, shape ``(n_obs, n_dims)``.
    taken
        Which of the times each cell was taken at, -1 for any other.
    end
        The time at which fates are read.
    labels
        Label of every cell.
    fates
        The labels that are fates.
    n_neighbors
        Number of neighbours that count, of early and of late cells.
    """

    def __init__(
        self,
        course: time_course.Course,
        x: np.ndarray,
        taken: np.ndarray,
        end: int,
        labels: np.ndarray,
        fates: list[str],
        n_neighbors: int,
    ) -> None:
        self.course, self.x, self.taken, self.end, self.fates = course, x, taken, end, fates
        self._n_neighbors = n_neighbors
        self.one_hot = (labels[:, None] == np.array(fates, dtype=object)).astype(np.float32)
        self.late = np.flatnonzero((taken == end) & self.one_hot.any(axis=1))
        self._neighbors = NearestNeighbors(n_neighbors=min(n_neighbors, len(self.late))).fit(x[self.late])

    @classmethod
    def of(
        cls, adata: AnnData, groupby: str, *, fates: Sequence[str] | None, at: Any, n_neighbors: int, key: str
    ) -> Reading:
        """Check what was asked for; parameters and errors are those of :func:`fate`."""
        course = time_course.load(adata, key)
        end = len(course.labels) - 1 if at is None else course.index(at, what="at")
        _validate.after_first(course.labels[end], course.labels)
        labels = _validate.group_labels(adata, groupby)
        taken = course.indices(adata)
        known = sorted(set(labels[taken == end]) - {""})
        names = known if fates is None else _validate.some_of(fates, known, what="fates")
        _validate.labelled(len(names), groupby, course.labels[end])
        x = course.fit.space(adata).read(used=taken >= 0)
        return cls(course, x, taken, end, labels, names, n_neighbors)

    def digest(self, adata: AnnData) -> str:
        """Return what the labelled late cells are known by."""
        labels = np.array(self.fates, dtype=object)[self.one_hot[self.late].argmax(axis=1)]
        return digest_of_cells(adata.obs_names[self.late], labels)

    def shares(self, course: time_course.Course) -> np.ndarray:
        """Return the share of every fate around where a course takes each early cell and those like it, else NaN."""
        shares = np.full((len(self.x), len(self.fates)), np.nan)
        for start in range(self.end):
            rows = np.flatnonzero(self.taken == start)
            if len(rows):
                [moved] = course.at(self.x[rows], start, self.end, self.end)
                near = self._neighbors.kneighbors(moved, return_distance=False)
                shares[rows] = self.one_hot[self.late][near].mean(axis=1)
        return self.averaged(shares)

    def averaged(self, shares: np.ndarray) -> np.ndarray:
        """Return the mean of the shares over the cells most like each early cell, leaving out NaN."""
        means = np.full_like(shares, np.nan)
        for start in range(self.end):
            early = np.flatnonzero(self.taken == start)
            known = early[~np.isnan(shares[early, 0])]
            if len(known):
                # where cells are few, many neighbours would be all that there are
                n_alike = min(self._n_neighbors, max(1, len(known) // 10))
                alike = NearestNeighbors(n_neighbors=n_alike).fit(self.x[known])
                near = alike.kneighbors(self.x[early], return_distance=False)
                means[early] = shares[known][near].mean(axis=1)
        return means
