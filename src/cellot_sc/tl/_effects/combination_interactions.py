"""What two perturbations at once do beyond what each does alone, tested for every feature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import stats

from ... import _keys, _validate
from ..._settings import logger
from ...metrics._moderated import standardised
from ...pp import Space
from .._fit.tables import keeper
from .combination_contrast import CONDITIONS, Means, cell_means, unit_means
from .groups import masks

ALPHA = 0.05
"""Adjusted p-value below which there is an interaction, and 1 less the level of intervals."""
ROUNDING = 1e-9
"""Share of the means up to which what is left of them is rounding."""
SYNERGY: Final = "synergy"
ANTAGONISM: Final = "antagonism"
NONE, UNKNOWN = "none", "unknown"
EFFECTS = {
    "effect_first": {"a": 1.0, "control": -1.0},
    "effect_second": {"b": 1.0, "control": -1.0},
    "observed": {"both": 1.0, "control": -1.0},
}
EXPECTED = {"a": 1.0, "b": 1.0, "control": -2.0}
INTERACTION = {"both": 1.0, "a": -1.0, "b": -1.0, "control": 1.0}
"""What means are multiplied by before they are summed."""


@_validate.takes_adata
def interactions(
    adata: AnnData,
    targets: str | Sequence[str] | None = None,
    *,
    combinations: Mapping[str, tuple[str, str]] | None = None,
    groupby: str | None = None,
    unit: str | None = None,
    perturbation_key: str = _keys.PERTURBATION,
    control: str = _keys.CONTROL,
    use_rep: str = _keys.EXPRESSION,
    layer: str | None = None,
    key_added: str | None = None,
) -> pd.DataFrame:
    """Test for every gene whether two perturbations at once do what the sum of both alone would.

    Only observed cells are read, of all four conditions: with neither, with one, with the other, and with both. No map
    is needed.

    Parameters
    ----------
    adata
        Annotated data.
    targets
        Label or labels of combinations, all with ``None``.
    combinations
        The two perturbations of every combination, by its label. With ``None``, labels that join two others by ``+``
        are such.
    groupby
        Column of ``obs`` within the categories of which effects are compared, such as the cell type.
    unit
        Column of ``obs`` with the patient, the animal or the replicate that each cell is of: what interactions have to
        be repeated in.
    perturbation_key, control
        Column of ``obs`` that names the perturbation, and its category for untreated cells.
    use_rep
        ``"X"`` for genes, or a key in ``obsm`` for the dimensions of that.
    layer
        Layer with the log expression of genes, ``X`` with ``None``.
    key_added
        Where in ``uns`` the table is kept as well, so that files have it; nowhere with ``None``. What is there already
        has to be an older one of this function.

    Returns
    -------
    Tidy table with a row per combination, group and feature. Effects are differences of means to control cells, on the
    scale of what is read, which has to be a logarithm such as log1p of normalised counts:

    - ``perturbation``, ``first``, ``second``: the combination, and its two perturbations.
    - ``group``: the category, ``"all"`` without ``groupby``; ``feature``: the gene or dimension.
    - ``effect_first``, ``effect_second``: of each perturbation alone; ``observed``: of both at once.
    - ``expected_sum``, ``expected_max``, ``expected_mean``: their sum, that which is larger by its absolute value, and
      their mean.
    - ``interaction``: ``observed`` less ``expected_sum``: mean(both) - mean(first) - mean(second) + mean(control).
      ``beyond_max``, ``beyond_mean``: the same of the others.
    - ``se``, ``df``, ``ci_low``, ``ci_high``: standard error of the interaction, its degrees of freedom, and a 95 %
      interval by Student's t.
    - ``pvalue``: of no interaction, two-sided; ``pvalue_adj``: adjusted for all groups and features of the combination
      (Benjamini and Hochberg).
    - ``kind``: ``"synergy"`` if the observed effect goes beyond the expected one in its direction, or beyond it in any
      where the expected one cannot be told from 0; ``"antagonism"`` if it falls short of that, or is the other way
      round; ``"none"`` where the adjusted p-value is .05 or more; ``"unknown"`` where there is none.
    - ``n_cells``: number of cells with both; ``n_units``: with ``unit``, number of units that count.

    Raises
    ------
    KeyError
        If a column, the layer or the representation is missing.
    ValueError
        If ``combinations`` are not such or there are none, a target is unknown, no cell is a control, a label is
        missing, gene names are not unique, what is read holds NaN or inf, or ``layer`` is given with ``use_rep``.

    Notes
    -----
    Without ``unit``, cells answer for themselves, with a variance of each condition (Welch 1947): right for cells that
    are independent, such as those of one pool, and too sure of itself where cells of one patient or well are alike.
    With ``unit``, each counts alike. Where any has at least 10 cells of all four conditions, an interaction is the mean
    over these of their own, tested by t with variances that are moderated over features (Smyth 2004,
    doi 10.2202/1544-6115.1027); at least three are needed. Where each unit has one condition only, means of units are
    compared by their pooled variance within conditions, moderated likewise; at least six are needed. Otherwise p-values
    are NaN, and a line in the log says why.

    A sum on the scale of log1p is none of log rates where counts are low: a gene of few counts may be called though
    rates multiply. Bliss independence, the highest single agent and the like are sums and maxima on other scales.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> drugs = ["drug_a", "drug_b", "drug_c", "inert"]
    >>> pairs = [("drug_a", "drug_b")]
    >>> adata = cs.datasets.simulate(3000, 50, perturbations=drugs, combinations=pairs, interaction=1.5)
    >>> table = cs.tl.interactions(adata, groupby="cell_type")
    >>> calls = table.query("kind != 'none'").set_index(["group", "feature"]).index
    >>> truth = adata.uns["simulation"]["interactions"].set_index(["cell_type", "gene"]).index
    >>> float(truth.isin(calls).mean())
    1.0
    """
    keep = keeper(adata, key_added, ("first", "second", "interaction", "kind"))
    _validate.not_treatment(perturbation_key, {"groupby": groupby, "unit": unit})
    labels, control = _validate.perturbation_labels(adata, perturbation_key, control)
    known = _validate.combinations_of(combinations, labels, sorted({*labels} - {control}))
    names = _validate.some_combinations(targets, known, perturbation_key)
    x, features = _features(adata, use_rep, layer)
    groups = {_keys.ALL: np.ones(adata.n_obs, dtype=bool)}
    if groupby is not None:
        groups = masks(adata, groupby, np.arange(adata.n_obs))
    units = None if unit is None else _validate.group_labels(adata, unit, what="unit")
    tables = []
    for name in names:
        blocks, untested = [], {}
        for group, of_group in groups.items():
            labelled = zip(CONDITIONS, (control, *known[name], name), strict=True)
            rows = {one: np.flatnonzero(of_group & (labels == label)) for one, label in labelled}
            cells = {one: x[at] for one, at in rows.items()}
            means: Means = cell_means(cells)
            if units is not None:
                means = unit_means(cells, {one: units[at] for one, at in rows.items()})
            if means.why_untested:
                untested[group] = means.why_untested
            columns = {"perturbation": name, "first": known[name][0], "second": known[name][1], "group": group}
            counts = {"n_cells": len(rows["both"])} | ({} if units is None else {"n_units": means.n_units})
            blocks.append(pd.DataFrame(columns | {"feature": features} | _effects(means) | counts))
        if untested:
            logger.warning("%s: no p-value is given, too little is known: %s", name, untested)
        tables.append(_called(pd.concat(blocks, ignore_index=True)))
    return keep(pd.concat(tables, ignore_index=True))


def _features(adata: AnnData, use_rep: str, layer: str | None) -> tuple[Any, list[str]]:
    """Return what is compared, one row per cell, and the names of its columns."""
    if use_rep != _keys.EXPRESSION:
        _validate.not_both({"use_rep": use_rep, "layer": layer})
        x = Space(adata, use_rep).read()
        return x, [f"{use_rep}_{i}" for i in range(x.shape[1])]
    _validate.unique_var_names(adata.var_names)
    x = _validate.expression(adata, layer, stores=True)
    _validate.usual_expression(x, adata.var_names, what=_validate.expression_name(layer))
    return x, [str(name) for name in adata.var_names]


def _effects(means: Means) -> dict[str, np.ndarray]:
    """Return the effects of one group, and how certain the interaction is."""
    effects = {name: means.estimate(weights).effect for name, weights in EFFECTS.items()}
    first, second, observed = effects.values()
    expected, found = means.estimate(EXPECTED), means.estimate(INTERACTION)
    scale = np.sum([np.abs(mean) for mean in means.mean.values()], axis=0)
    interaction = np.where(np.abs(found.effect) <= ROUNDING * scale, 0.0, found.effect)
    se, half = np.sqrt(found.variance), stats.t.ppf(1 - ALPHA / 2, found.df)
    largest = np.where(np.abs(first) >= np.abs(second), first, second)
    known = np.abs(expected.effect) > stats.t.ppf(1 - ALPHA / 2, expected.df) * np.sqrt(expected.variance)
    ahead = (observed * expected.effect > 0) | ~known
    beyond = ahead & (np.abs(observed) > np.abs(expected.effect))
    return effects | {
        "expected_sum": expected.effect,
        "expected_max": largest,
        "expected_mean": expected.effect / 2,
        "interaction": interaction,
        "beyond_max": observed - largest,
        "beyond_mean": observed - expected.effect / 2,
        "se": se,
        "df": found.df,
        "ci_low": interaction - half * se,
        "ci_high": interaction + half * se,
        "pvalue": 2 * stats.t.sf(standardised(interaction, se), found.df),
        "pvalue_adj": np.full(len(se), np.nan),
        "kind": np.where(beyond, SYNERGY, ANTAGONISM).astype(object),
    }


def _called(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table of a combination with adjusted p-values, and kinds only where they say that there is one."""
    known = table["pvalue"].notna()
    table.loc[known, "pvalue_adj"] = stats.false_discovery_control(table.loc[known, "pvalue"]) if known.any() else []
    table.loc[table["pvalue_adj"] >= ALPHA, "kind"] = NONE
    table.loc[~known, "kind"] = UNKNOWN
    return table.astype({"kind": "str"})
