"""The cells of a fit: taken into memory, or kept on disk where they are too many."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from anndata import AnnData

from ... import _keys, ot
from ..._arrays import dense
from ..._chunks import Stored
from ..._settings import logger, settings
from ...ot._loop.pool_size import pool_size
from ...ot._solvers import registry
from ...pp import Space
from . import described

if TYPE_CHECKING:
    from .fit import Fit

type CellsOf = Callable[[np.ndarray], tuple[Any, np.ndarray]]
"""Returns the cells of a mask, and which these are, in their order."""


def reader(
    fit: Fit,
    adata: AnnData,
    labels: np.ndarray,
    parts: np.ndarray,
    used: np.ndarray,
    *,
    streams: bool,
    describes: bool = False,
) -> CellsOf:
    """Return what reads the cells of a mask, so scaled as the cost of a fit is.

    Parameters
    ----------
    fit
        What is fitted.
    adata
        The cells.
    labels, parts
        Label and split of each.
    used
        Which are asked for at all, as a mask.
    streams
        Whether those that are on disk may stay there, if they are too many for memory.
    describes
        Whether they may be described in place of being read: see :func:`.described`.

    Raises
    ------
    ImportError
        If they may, and what reads them is missing.
    ValueError
        If they may and the solver cannot read them, or a cell holds NaN or inf.
    OSError
        If they may, and there is no room on the disk to sort them by condition.
    """
    space = Space(adata, fit.use_rep, origin=fit.origin)
    if streams and isinstance(x := space.matrix(), Stored):
        # of all labels of the fit, whichever are asked for: who fits some of them, or in another order, reads the same
        names, texts = np.sort([fit.control, *fit.targets]), labels.astype(str)
        at = np.minimum(np.searchsorted(names, texts), len(names) - 1)
        is_valid = parts == _keys.VALID
        known = (names[at] == texts) & (is_valid | (parts == _keys.TRAIN))
        if 4 * int(known.sum()) * x.shape[1] > settings.cells_in_memory:
            return _streamed(fit, x, np.flatnonzero(known), 2 * at + is_valid)
    if describes and described.describes(fit, x := space.matrix()):
        return described.described(x)
    rows = np.flatnonzero(used)
    points = fit.scaled(space.read(rows))
    place = np.cumsum(used) - 1

    def cells_of(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        chosen = np.flatnonzero(mask)
        return points[place[chosen]], chosen

    return cells_of


def _streamed(fit: Fit, x: Stored, rows: np.ndarray, codes: np.ndarray) -> CellsOf:
    # what makes collections is imported by those who need one
    from .collected import collect

    n_cells, n_dims, budget = len(rows), x.shape[1], settings.cells_in_memory
    if fit.solver in ot.SOLVERS:
        registry.check_streams(ot.SOLVERS[fit.solver], n_cells, n_dims, contexts=bool(fit.context))
    logger.info(
        "%s cells of %s dimensions, %.3g GiB, are more than cs.settings.cells_in_memory, %.3g GiB: the fit is "
        "streamed, by pools of at most %s cells of each condition from a sorted copy on disk",
        *(f"{n_cells:,}", f"{n_dims:,}", n_cells * n_dims / 2**28, budget / 2**30, f"{pool_size(budget, n_dims):,}"),
    )
    chosen = x[rows]
    if fit.feature_weights is not None:
        chosen = chosen.made_into(partial(_scaled, fit), n_dims)
    source = collect(chosen, codes[rows], budget, fit.seed)
    place = np.full(len(codes), -1)
    place[rows[source.places]] = np.arange(n_cells)
    whole = Stored(source, np.arange(n_cells), x.what)

    def cells_of(mask: np.ndarray) -> tuple[Stored, np.ndarray]:
        found = np.flatnonzero(mask)
        chosen = found[np.argsort(place[found])]
        return whole[place[chosen]], chosen

    return cells_of


def _scaled(fit: Fit, x: Any) -> np.ndarray:
    return fit.scaled(dense(x))
