"""The effect of each perturbation on each feature within each subpopulation, tested."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import stats

from ... import _keys, _validate
from ..._settings import logger
from .displacements import displacements
from .groups import masks
from .null import null, pvalues, responding, spread, standardised
from .observed import compare, sample, squared_errors

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


@_validate.takes_adata
def subpopulation_effects(
    adata: AnnData,
    groupby: str,
    *,
    targets: str | Sequence[str] | None = None,
    key: str = _keys.MODEL,
    seed: int = 0,
) -> pd.DataFrame:
    """Test the effect of each perturbation on each gene or marker within each group of cells.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot`, and the cells they were fitted to.
    groupby
        Column of ``obs``, such as the cell type. Treated cells need not have a category.
    targets
        Perturbation or perturbations, all fitted ones with ``None``.
    key
        Where in ``uns`` the maps are.
    seed
        Seed of the null.

    Returns
    -------
    Tidy table with a row per perturbation, group and feature:

    - ``feature``: gene, or dimension of a representation that cannot be decoded.
    - ``effect``: mean over the control cells of the group of what the map changes, on the scale of what was
      represented.
    - ``se``: standard error of the effect under no effect: how far maps between control cells and control cells move
      the group.
    - ``pvalue``: of no effect, two-sided.
    - ``pvalue_adj``: adjusted for all groups and features of the perturbation (Benjamini and Hochberg).
    - ``frac_responding``: share of the control cells of the group that :func:`responders` calls and that change in the
      direction of the effect.
    - ``effect_observed``: mean of treated minus mean of control cells of the group; NaN without treated cells.
    - ``n_cells``: number of control cells in the group.

    Raises
    ------
    KeyError
        If there are no fitted maps, no such column or representation.
    ValueError
        If a target was not fitted, or the train cells that the maps were fitted to are missing.

    Notes
    -----
    A map displaces cells even if there is no effect, because control and treated cells are finite samples, and it
    displaces all cells of a group alike: cells are no replicates. The null distribution is therefore that of maps, not
    of cells: the control train cells are halved at random many times, an affine map is fitted from one half to the
    other, and the mean changes that these maps make in the group, scaled to the numbers of control and treated train
    cells, are what no effect gives rise to. A solver that fits more than an affine map where there is no effect is
    itself fitted to one halving, and the standard errors are multiplied by its excess over the affine map there.

    A smooth map also carries the effect on one group over to others. That is no noise, so no such null knows of it; the
    treated cells do. Where a group has at least 10 control and 10 treated cells, an effect is called only if both the
    predicted and the observed one are: ``pvalue`` is the greater of that against the null and that of Welch's test
    between the observed cells (an intersection-union test, Berger 1982, doi 10.2307/1267823). Elsewhere, the error of
    the map in the other groups, the mean square of predicted minus observed beyond sampling error, is added to the
    variance. Where no group has treated cells, the map is taken at its word: what is called has changed somewhere, but
    perhaps in another group.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> table = cs.tl.subpopulation_effects(adata, "cell_type")
    >>> called = table[table["pvalue_adj"] < 0.05]
    >>> called[["perturbation", "group"]].drop_duplicates().values.tolist()
    [['drug_a', 'type_0']]
    """
    seed = _validate.seed(seed)
    moves = displacements(adata, key, targets)
    labels = moves.fitted.fit.labels(adata)
    members = masks(adata, groupby, np.arange(adata.n_obs))
    groups = _validate.some_groups(masks(adata, groupby, moves.rows), groupby)
    null_maps = null(moves, seed=seed)
    cell_noise, group_noise = spread(null_maps, moves, groups, slice(None))
    cells = moves.space.observed()
    control_samples = {group: sample(cells[members[group] & (labels == moves.fitted.fit.control)]) for group in groups}
    tables = []
    for name in moves.names:
        scale, change = null_maps.scale[name], moves.effects(name)
        responds = responding(standardised(change, scale * cell_noise), null_maps)
        effects = {group: change[mask].mean(axis=0, dtype=np.float64) for group, mask in groups.items()}
        observed = {
            group: compare(control_samples[group], sample(cells[members[group] & (labels == name)])) for group in groups
        }
        errors = squared_errors(effects, observed)
        blocks = []
        for group, mask in groups.items():
            effect, tested = effects[group], observed[group].pvalue
            se = scale * group_noise[group]
            # where treated cells are tested themselves, they need not speak through the error of the map
            se = se if tested is not None else np.sqrt(se**2 + errors[group])
            pvalue = pvalues(standardised(effect, se), null_maps)
            columns = {
                "perturbation": name,
                "group": group,
                "feature": moves.space.features,
                "effect": effect,
                "se": se,
                "pvalue": pvalue if tested is None else np.maximum(pvalue, tested),
                "frac_responding": (responds & (np.sign(change) == np.sign(effect)))[mask].mean(axis=0),
                "effect_observed": observed[group].effect,
                "n_cells": int(mask.sum()),
            }
            blocks.append(pd.DataFrame(columns))
        table = pd.concat(blocks, ignore_index=True)
        tables.append(table.assign(pvalue_adj=stats.false_discovery_control(table["pvalue"])))
    logger.info("tested %d perturbations in %d groups of obs[%r]", len(moves.names), len(groups), groupby)
    return pd.concat(tables, ignore_index=True)[COLUMNS]
