"""The effect of each perturbation on each feature within each subpopulation, tested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import stats

from ... import _keys, _validate, _workers
from ..._chunks import taken
from ..._settings import logger
from ...metrics._moderated import moderated, pvalues, standardised
from ...metrics._units import LEAST_DF, units
from .._fit.null import Null
from .._fit.tables import keeper
from .displacements import Displacements, displacements
from .exchanges import ExchangePlan, exchange_plans
from .groups import masks
from .null import null, responding, spread
from .observed import MIN_CELLS, Observed, compare, compare_units, sample, squared_errors

ROUNDING = 1e-5
"""Share of the largest change of any feature up to which a change is rounding."""


@_validate.takes_adata
def subpopulation_effects(
    adata: AnnData,
    groupby: str,
    *,
    targets: str | Sequence[str] | None = None,
    key: str = _keys.MODEL,
    unit: str | None = None,
    seed: int = 0,
    key_added: str | None = None,
) -> pd.DataFrame:
    """Test the effect of each perturbation on each gene or marker within each group of cells.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot`, and the cells they were fitted to; those of a
        model need none.
    groupby
        Column of ``obs``, such as the cell type. Treated cells need not have a category.
    targets
        Perturbation or perturbations, all fitted ones with ``None``.
    key
        Where in ``uns`` the maps are.
    unit
        Column of ``obs`` with the patient or the animal that each cell is of: what effects have to be repeated in.
    seed
        Seed of the null.
    key_added
        Where in ``uns`` the table is kept as well, so that files have it; nowhere with ``None``. What is there already
        has to be an older one of this function.

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
    - ``effect_observed``: mean of treated minus mean of control cells of the group; NaN without treated cells, and
      for genes that were not measured (:func:`attach` fills them). These have no p-value where others are tested by
      treated cells.
    - ``n_cells``: number of control cells in the group.
    - ``n_units``: with ``unit``, number of units behind the observed effect, or the predicted one where that is not
      tested.
    - ``p_min``: with ``unit``, the smallest p-value there could have been: 0, or 1 with units too few for any. Then the
      p-value is NaN, and a line in the log says so.

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

    Cells of one patient are alike, so that tests of cells find the differences between patients significant. With
    ``unit``, patients answer for their cells. If any has at least 10 cells of both conditions, the observed effect is
    the mean over patients of treated minus control (other patients do not count there); if none has, it is that of
    means over treated and over control animals. It is tested by t with variances that are moderated over features
    (Smyth 2004, doi 10.2202/1544-6115.1027). The null of predicted effects are affine maps that are refitted after
    exchanging the control and treated cells of whole patients, or whole animals, at random or in all ways, in place of
    halves of the control cells; treated cells are moved back by the map before, as exchanges of some units leave a part
    of an effect. Units that are contexts of the fit are none of these. Cells without a unit are left out of both.
    Features are tested with two degrees of freedom between units or more.

    An effect that treated cells show the other way round is not called. A group with too few treated cells to test has
    no p-value where groups have maps of their own, or patients answer: nothing else speaks for it.

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
    keep = keeper(adata, key_added, ("group", "feature", "effect", "frac_responding"))
    seed = _validate.seed(seed)
    moves = displacements(adata, key, targets)
    _validate.not_treatment(moves.fitted.fit.label_key, {"groupby": groupby, "unit": unit})
    members = masks(adata, groupby, np.arange(adata.n_obs))
    in_control = {group: mask[moves.rows] for group, mask in members.items() if mask[moves.rows].any()}
    groups = _validate.some_groups(in_control, groupby)
    table = group_effects(moves, members, groups, unit=unit, seed=seed)
    logger.info("tested %d perturbations in %d groups of obs[%r]", len(moves.names), len(groups), groupby)
    return keep(table)


def group_effects(
    moves: Displacements,
    members: Mapping[str, np.ndarray],
    groups: Mapping[str, np.ndarray],
    *,
    unit: str | None,
    seed: int,
) -> pd.DataFrame:
    """Return the table of :func:`subpopulation_effects` for groups of cells.

    Parameters
    ----------
    moves
        The maps and the control cells.
    members
        Which of all cells are in each group.
    groups
        Which of the control cells are.
    unit, seed
        As there.
    """
    adata, repeated = moves.space.adata, moves.fitted.fit
    moves.space.warn_of_filling()
    labels, cells = repeated.labels(adata), moves.space.observed()
    answering = None if unit is None else _validate.group_labels(adata, unit, what="unit")
    # a map of its own would undo the exchange of a unit's cells
    refits = moves if unit is None else moves.without(unit)
    plans = {} if answering is None else exchange_plans(refits, answering, seed=seed)
    noise = _noise(null(moves, seed=seed), moves, groups) if answering is None else None
    control = labels == repeated.control
    control_samples = {group: sample(cells[members[group] & control]) for group in groups}

    def item(i: int) -> _EffectItem:
        name = moves.names[i]
        treated, n_units = labels == name, None
        observed = {group: compare(control_samples[group], sample(cells[members[group] & treated])) for group in groups}
        if answering is not None:
            n_units = dict.fromkeys(groups, plans[name].members.n_units)
            for group in groups:
                rows = np.flatnonzero(members[group] & (control | treated))
                found = units(answering[rows], treated[rows], least=MIN_CELLS)
                observed[group] = compare_units(found, taken(cells, rows), observed[group])
                n_units[group] = found.n_units if found.df else n_units[group]
        return _EffectItem(moves.only(name), refits.only(name), groups, noise, plans.get(name), observed, n_units)

    found = dict(_workers.mapped(_table, _workers.Made(item, len(moves.names)), what="perturbations"))
    return pd.concat([found[i] for i in range(len(moves.names))], ignore_index=True)


class _Noise(NamedTuple):
    """A null, and how far it moves the features of cells and of groups."""

    null: Null
    cells: np.ndarray
    groups: dict[str, np.ndarray]


def _noise(null_maps: Null, moves: Displacements, groups: Mapping[str, np.ndarray]) -> _Noise:
    return _Noise(null_maps, *spread(null_maps, moves, groups, slice(None)))


class _EffectItem(NamedTuple):
    """One perturbation, with all that its effects are tested by in whatever process: a null, or what makes one."""

    moves: Displacements
    refits: Displacements
    groups: Mapping[str, np.ndarray]
    noise: _Noise | None
    plan: ExchangePlan | None
    observed: dict[str, Observed]
    n_units: dict[str, int] | None


def _table(item: _EffectItem) -> pd.DataFrame:
    """Return the rows of one perturbation."""
    noise = item.noise if item.plan is None else _noise(item.plan.run().null, item.refits, item.groups)
    assert noise is not None
    [name] = item.moves.names
    return _tested(item.moves, name, item.groups, noise, item.observed, item.n_units)


def _tested(
    moves: Displacements,
    name: str,
    groups: Mapping[str, np.ndarray],
    noise: _Noise,
    observed: Mapping[str, Observed],
    n_units: Mapping[str, int] | None,
) -> pd.DataFrame:
    """Return the rows of one perturbation: predicted effects against the null, and observed ones beside."""
    null_maps, scale, change = noise.null, noise.null.scale[name], moves.effects(name)
    responds = responding(standardised(change, scale * noise.cells), null_maps)
    effects = {group: change[mask].mean(axis=0, dtype=np.float64) for group, mask in groups.items()}
    errors = squared_errors(effects, observed)
    # what is nothing but rounding of what moves most is no response
    moves_at_all = np.abs(change) > ROUNDING * np.abs(change).max(initial=0)
    blocks, untested = [], []
    few_units = n_units is not None and null_maps.df < LEAST_DF
    for group, mask in groups.items():
        effect, tested = effects[group], observed[group].pvalue
        se, df = scale * noise.groups[group], float(null_maps.df)
        if n_units is not None:
            variance, df = moderated(se**2, df)
            se = np.sqrt(variance)
        # where treated cells are tested themselves, they need not speak through the error of the map
        se = se if tested is not None else np.sqrt(se**2 + errors[group])
        pvalue = pvalues(standardised(effect, se), df)
        if tested is not None:
            # an effect that cells do not show, or show the other way round, is none
            against = effect * observed[group].effect < 0
            pvalue = np.where(against, 1.0, np.maximum(pvalue, tested))
        elif moves.fitted.fit.context or n_units is not None:
            # no other group speaks for one that has a map of its own, nor do patients that it was not seen in
            pvalue = np.full_like(pvalue, np.nan)
            untested.append(group)
        columns = {
            "perturbation": name,
            "group": group,
            "feature": moves.space.features,
            "effect": effect,
            "se": se,
            "pvalue": pvalue,
            "pvalue_adj": np.nan,
            "frac_responding": (responds & moves_at_all & (np.sign(change) == np.sign(effect)))[mask].mean(axis=0),
            "effect_observed": observed[group].effect,
            "n_cells": int(mask.sum()),
        }
        if n_units is not None:
            columns |= {"n_units": n_units[group], "p_min": 1.0 if few_units else 0.0}
        blocks.append(pd.DataFrame(columns))
    table = pd.concat(blocks, ignore_index=True)
    if few_units:
        logger.warning("%d units of %r cannot tell: no p-value is given", next(iter((n_units or {}).values())), name)
        return table.assign(pvalue=np.nan, frac_responding=np.nan)
    if untested:
        logger.info("too few treated cells of %r to test by, no p-value is given: %s", name, untested)
    known = table["pvalue"].notna()
    table.loc[known, "pvalue_adj"] = stats.false_discovery_control(table.loc[known, "pvalue"])
    return table
