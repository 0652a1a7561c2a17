"""Where cells lie in two dimensions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from .. import _neighbors
from .._settings import logger
from . import _colors
from ._cells import ShownCells

UMAP, PRINCIPAL = "umap", "pca"
BASES = (UMAP, PRINCIPAL)
"""Maps that are made of the cells to be shown."""
ROLES = (_colors.CONTROL, _colors.OBSERVED, _colors.PREDICTED)
MAX_UMAP_CELLS = 50_000
"""A UMAP of more cells than this is made of a sample."""


_kept: ContextVar[dict[tuple[str, str], np.ndarray] | None] = ContextVar("kept", default=None)


@contextmanager
def kept() -> Iterator[None]:
    """Keep maps that are made of cells: who draws the same cells twice need not wait for them twice."""
    token = _kept.set({} if (known := _kept.get()) is None else known)
    try:
        yield
    finally:
        _kept.reset(token)


def axis_names(basis: str) -> tuple[str, str]:
    """Return what the axes of a map are called."""
    name = basis.upper() if basis in BASES else basis
    return f"{name} 1", f"{name} 2"


def embed(points: np.ndarray, basis: str) -> np.ndarray:
    """Return the positions of cells on a map that is made of them, shape (n_cells, 2)."""
    known = _kept.get()
    if known is None:
        return _embedded(points, basis)
    of = basis, hashlib.sha256(np.ascontiguousarray(points)).hexdigest()
    if of not in known:
        known[of] = _embedded(points, basis)
    return known[of]


def _embedded(points: np.ndarray, basis: str) -> np.ndarray:
    if basis == PRINCIPAL:
        return PCA(2, svd_solver="full").fit_transform(points)
    return _neighbors.umap(points, seed=0)


def among_nearest(
    points: np.ndarray, xy: np.ndarray, average: Callable[..., np.ndarray] = np.mean
) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that puts other points where their nearest ones, at ``xy`` on a map, are on average.

    Their mean changes little by little, but may lie between the parts of a map; their median is in the larger one.
    """
    nearest = NearestNeighbors(n_neighbors=min(_neighbors.N_NEIGHBOURS, len(points))).fit(points)
    return lambda others: average(xy[nearest.kneighbors(others, return_distance=False)], axis=1)


def rows_of(cells: ShownCells, basis: str) -> dict[str, np.ndarray]:
    """Return the positions of the cells to show, by perturbation: all of them, or a sample that UMAP can cope with."""
    at_most = MAX_UMAP_CELLS // (1 + 2 * len(cells.targets)) if basis == UMAP else len(cells.labels)
    rows = {name: cells.rows(name, at_most=at_most) for name in [cells.control, *cells.targets]}
    if max(len(chosen) for chosen in rows.values()) == at_most:
        logger.info("the UMAP shows a sample of at most %d cells of a kind", at_most)
    return rows


def together(cells: ShownCells, rows: dict[str, np.ndarray], basis: str) -> dict[str, dict[str, np.ndarray]]:
    """Return the positions of control, observed and predicted cells on one map, by perturbation and role."""
    control = cells.space.read(rows[cells.control])
    clouds = [control]
    for name in cells.targets:
        clouds += [cells.space.read(rows[name]), cells.predicted(name, rows[cells.control], control)]
    xy = embed(np.concatenate(clouds), basis)
    parts = np.split(xy, np.cumsum([len(cloud) for cloud in clouds])[:-1])
    return {
        name: dict(zip(ROLES, (parts[0], parts[1 + 2 * i], parts[2 + 2 * i]), strict=True))
        for i, name in enumerate(cells.targets)
    }


def onto(cells: ShownCells, rows: dict[str, np.ndarray], xy: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """Return the positions of control, observed and predicted cells on a map of all cells, shape (n_cells, 2).

    A cell is moved by as much as the mean position of its nearest neighbours among the control and observed cells is:
    those of the predicted cell less those of the cell itself, so that a cell that stays where it is does not move.
    """
    control, start = cells.space.read(rows[cells.control]), xy[rows[cells.control]]
    found = {}
    for name in cells.targets:
        known = np.concatenate([rows[cells.control], rows[name]])
        place = among_nearest(cells.space.read(known), xy[known])
        ends = start + place(cells.predicted(name, rows[cells.control], control)) - place(control)
        found[name] = dict(zip(ROLES, (start, xy[rows[name]], ends), strict=True))
    return found
