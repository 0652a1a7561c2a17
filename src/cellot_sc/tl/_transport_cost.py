"""How far perturbations move cells: their severity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .. import _keys, _validate
from ..metrics._bootstrap import interval, resample_counts
from ._displacements import displacements
from ._groups import masks
from ._null import null

if TYPE_CHECKING:
    from anndata import AnnData

COLUMNS = ["perturbation", "group", "cost", "distance", "ci_low", "ci_high", "null", "n_cells"]


def transport_cost(
    adata: AnnData,
    *,
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
    key
        Where in ``uns`` the maps are.
    groupby
        Column of ``obs``, such as the cell type, within whose categories to measure, too.
    n_boot
        Number of resamples behind the intervals; 0 for none.
    seed
        Seed of everything random.

    Returns
    -------
    Tidy table with a row per perturbation and group:

    - ``group``: ``all`` control cells, or a category of ``groupby``.
    - ``cost``: mean of 1/2 |T(x) - x|^2 over control cells x, in squared units of the space of the maps.
    - ``distance``: root of twice the cost, the root mean squared displacement, in units of that space.
    - ``ci_low``, ``ci_high``: central 95 % interval of the cost.
    - ``null``: cost that control cells alone give rise to.
    - ``n_cells``: number of control cells.

    Raises
    ------
    KeyError
        If there are no fitted maps, no such column or representation.
    ValueError
        If the train cells that the maps were fitted to are missing, or an option has an impossible value.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> cost = cs.tl.transport_cost(adata)
    >>> cost.sort_values("cost", ascending=False)["perturbation"].tolist()
    ['drug_a', 'drug_b']
    """
    if n_boot != 0:
        _validate.positive(n_boot, what="n_boot", integer=True)
    seed = _validate.seed(seed)
    moves = displacements(adata, key)
    groups = masks(adata, groupby, moves.rows)
    none = null(moves, seed=seed)
    null_costs = np.mean([fitted.cost(moves.x) for fitted in none.maps], axis=0)
    rng = np.random.default_rng(seed)
    counts = {group: resample_counts(int(mask.sum()), n_boot, seed=rng) for group, mask in groups.items()}
    rows = []
    for name in moves.names:
        costs = moves.fitted.maps[name].cost(moves.x).astype(np.float64)
        for group, mask in groups.items():
            cost = costs[mask].mean()
            low, high = interval(counts[group].T @ costs[mask] / mask.sum())
            at_rest = none.scale[name] ** 2 * null_costs[mask].mean()
            rows.append((name, group, cost, np.sqrt(2 * cost), low, high, at_rest, int(mask.sum())))
    return pd.DataFrame(rows, columns=COLUMNS)
