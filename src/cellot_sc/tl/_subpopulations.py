"""The effect of each perturbation on each feature within each subpopulation, tested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from .. import _keys, _validate
from ._displacements import displacements
from ._groups import ALL, masks
from ._null import null
from ._observed import mean_and_variance, observed

if TYPE_CHECKING:
    from anndata import AnnData

COLUMNS = [
    "perturbation",
    "group",
    "feature",
    "effect",
    "se",
    "pvalue",
    "pvalue_adj",
    "frac_responding",
    "effect_observed",
    "n_cells",
]


def subpopulation_effects(
    adata: AnnData,
    groupby: str,
    *,
    key: str = _keys.MODEL,
    targets: str | Sequence[str] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Test the effect of each perturbation on each feature within each group of cells.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot`, and the cells they were fitted to.
    groupby
        Column of ``obs``, such as the cell type.
    key
        Where in ``uns`` the maps are.
    targets
        Perturbations, all fitted ones with ``None``.
    seed
        Seed of the null.

    Returns
    -------
    Tidy table with a row per perturbation, group and feature, with columns ``perturbation, group, feature, effect, se,
    pvalue, pvalue_adj, frac_responding, effect_observed, n_cells``.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> effects = cs.tl.subpopulation_effects(adata, "cell_type")
    >>> effects.shape
    (400, 10)
    """
    seed = _validate.seed(seed)
    moves = displacements(adata, key, targets)
    groups = masks(adata, groupby, moves.rows)
    config = moves.fitted.config
    labels = _validate.perturbation_labels(adata, config["perturbation_key"], config["control"])
    everywhere = masks(adata, groupby, np.arange(adata.n_obs))
    del groups[ALL]
    none = null(moves, seed=seed)
    start = moves.view(moves.x)
    per_cell = np.zeros(start.shape, dtype=np.float32)
    per_group = {group: np.zeros(start.shape[1]) for group in groups}
    for fitted in none.maps:
        moved = moves.view(fitted.transport(moves.x)) - start
        per_cell += moved**2 / len(none.maps)
        for group, mask in groups.items():
            per_group[group] += moved[mask].mean(axis=0, dtype=np.float64) ** 2 / len(none.maps)
    seen = observed(moves)
    tables = []
    for name in moves.names:
        effects = moves.effects(name)
        responding = np.abs(effects) > 1.96 * none.scale[name] * np.sqrt(per_cell)
        for group, mask in groups.items():
            effect = effects[mask].mean(axis=0, dtype=np.float64)
            se = none.scale[name] * np.sqrt(per_group[group])
            z = np.divide(np.abs(effect), se, out=np.zeros_like(se), where=se > 0)
            control, _ = mean_and_variance(seen[everywhere[group] & (labels == config["control"])])
            treated, _ = mean_and_variance(seen[everywhere[group] & (labels == name)])
            tables.append(
                pd.DataFrame(
                    {
                        "perturbation": name,
                        "group": group,
                        "feature": moves.features,
                        "effect": effect,
                        "se": se,
                        "pvalue": 2 * stats.t.sf(z, len(none.maps)),
                        "frac_responding": responding[mask].mean(axis=0),
                        "effect_observed": treated - control,
                        "n_cells": int(mask.sum()),
                    }
                )
            )
    table = pd.concat(tables, ignore_index=True)
    table["pvalue_adj"] = table.groupby("perturbation")["pvalue"].transform(stats.false_discovery_control)
    return table[COLUMNS]
