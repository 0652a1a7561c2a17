"""How far perturbations move cells: their severity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from ... import _keys, _validate
from ..._settings import logger
from ...metrics._bootstrap import interval, resample_counts
from .displacements import displacements
from .groups import masks
from .null import null

COLUMNS = ["perturbation", "group", "cost", "distance", "ci_low", "ci_high", "null", "n_cells"]


@_validate.takes_adata
def transport_cost(
    adata: AnnData,
    *,
    targets: str | Sequence[str] | None = None,
    key: str = _keys.MODEL,
    groupby: str | None = None,
    n_boot: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Measure how far each perturbation moves the control cells: how severe it is.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot`, and the cells they were fitted to.
    targets
        Perturbation or perturbations, all fitted ones with ``None``.
    key
        Where in ``uns`` the maps are.
    groupby
        Column of ``obs``, such as the cell type, within whose categories to measure, too.
    n_boot
        Number of resamples behind the intervals, 100,000 at most; 0 for none.
    seed
        Seed of everything random.

    Returns
    -------
    Tidy table with a row per perturbation and group:

    - ``group``: ``all`` control cells, or a category of ``groupby``.
    - ``cost``: mean of ``1/2 |T(x) - x|^2`` over control cells x, in squared units of the space of the maps.
    - ``distance``: root of twice the cost, the root mean squared displacement, in units of that space.
    - ``ci_low``, ``ci_high``: central 95 % interval of the cost over resampled cells, each with the displacement by a
      map of the null on top: the error of a map that was learnt from finitely many cells.
    - ``null``: cost without an effect, that of maps from one half of the control train cells to the other, scaled to
      the numbers of train cells. Noise raises every cost by about as much.
    - ``n_cells``: number of control cells.

    Raises
    ------
    KeyError
        If there are no fitted maps, no such column or representation.
    ValueError
        If a target was not fitted, the train cells that the maps were fitted to are missing, or an option has an
        impossible value.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> cost = cs.tl.transport_cost(adata)
    >>> cost.sort_values("cost", ascending=False)["perturbation"].tolist()
    ['drug_a', 'drug_b']
    """
    n_boot = _validate.resamples(n_boot)
    seed = _validate.seed(seed)
    moves = displacements(adata, key, targets)
    groups = {_keys.ALL: np.ones(len(moves.rows), dtype=bool)}
    if groupby is not None:
        groups |= masks(adata, groupby, moves.rows, reserved=(_keys.ALL,))
    null_maps = null(moves, seed=seed)
    excess = np.float32(null_maps.excess(moves.field))
    null_costs = np.stack(
        [0.5 * (excess * moves.field(fitted)) ** 2 @ np.ones(moves.x.shape[1]) for fitted in null_maps.maps], 1
    )
    rng = np.random.default_rng(seed)
    drawn = rng.integers(null_maps.n_maps, size=n_boot)
    counts = {group: resample_counts(int(mask.sum()), n_boot, seed=rng) for group, mask in groups.items()}
    rows = []
    for name in moves.names:
        moved, scale = moves.field(moves.fitted.maps[name]), null_maps.scale[name]
        costs = 0.5 * (moved**2).sum(axis=1, dtype=np.float64)
        # what the error of another draw of train cells would add to the cost of each cell, less the mean of that
        crossed = [np.einsum("nd,nd->n", moved, excess * moves.field(fitted)) for fitted in null_maps.maps]
        errors = scale * np.stack(crossed, axis=1) + scale**2 * (null_costs - null_costs.mean(axis=1, keepdims=True))
        for group, mask in groups.items():
            n_cells, cost = int(mask.sum()), costs[mask].mean()
            means = counts[group].T @ np.column_stack([costs[mask], errors[mask]]) / n_cells
            resamples = means[:, 0] + np.take_along_axis(means[:, 1:], drawn[:, None], axis=1)[:, 0]
            low, high = interval(np.maximum(resamples, 0))
            at_rest = scale**2 * null_costs[mask].mean()
            rows.append((name, group, cost, np.sqrt(2 * cost), low, high, at_rest, n_cells))
    logger.info("measured the cost of %d perturbations in %d groups", len(moves.names), len(groups))
    return pd.DataFrame(rows, columns=COLUMNS)
