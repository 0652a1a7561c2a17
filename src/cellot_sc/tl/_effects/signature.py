"""The mean effect of each perturbation on each feature."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from ... import _keys, _validate
from .._fit.tables import keeper
from .displacements import displacements
from .observed import compare, sample
from .subpopulations import group_effects

COLUMNS = ["perturbation", "feature", "predicted", "observed", "pvalue", "pvalue_adj", "n_units", "p_min"]


@_validate.takes_adata
def signature(
    adata: AnnData,
    *,
    targets: str | Sequence[str] | None = None,
    key: str = _keys.MODEL,
    unit: str | None = None,
    seed: int = 0,
    key_added: str | None = None,
) -> pd.DataFrame:
    """Return the mean effect of each perturbation on each gene or marker, as predicted and as observed.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot`.
    targets
        Perturbation or perturbations, all fitted ones with ``None``.
    key
        Where in ``uns`` the maps are.
    unit
        Column of ``obs`` with the patient or the animal that each cell is of. With it, effects are tested, as
        :func:`subpopulation_effects` does with ``unit``.
    seed
        Seed of the null, used with ``unit`` only.
    key_added
        Where in ``uns`` the table is kept as well, so that files have it; nowhere with ``None``. What is there already
        has to be an older one of this function.

    Returns
    -------
    Tidy table with a row per perturbation and feature:

    - ``feature``: gene, or dimension of a representation that cannot be decoded.
    - ``predicted``: mean over control cells of what the map changes, on the scale of what was represented.
    - ``observed``: mean of treated minus mean of control cells; NaN where there are no treated cells, and for
      genes that were not measured. With ``unit``, over units, each counting alike.
    - ``pvalue_observed``: without ``unit`` only, of Welch's test between treated and control cells; NaN with fewer than
      10 of either. Cells of one patient are no replicates: it is far too small where patients differ.
    - ``pvalue``, ``pvalue_adj``, ``n_units``, ``p_min``: with ``unit`` only, as in :func:`subpopulation_effects`.

    Raises
    ------
    KeyError
        If there are no fitted maps, no such column or representation.
    ValueError
        If a target was not fitted; with ``unit``, if train cells are missing, or none of a condition has a unit.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> table = cs.tl.signature(adata, targets="drug_a")
    >>> bool(table["predicted"].corr(table["observed"]) > 0.9)
    True
    """
    keep = keeper(adata, key_added, COLUMNS[:4])
    seed = _validate.seed(seed)
    moves = displacements(adata, key, targets)
    _validate.not_treatment(moves.fitted.fit.label_key, {"unit": unit})
    if unit is not None:
        every = (np.ones(n, dtype=bool) for n in (adata.n_obs, len(moves.rows)))
        members, groups = ({_keys.ALL: mask} for mask in every)
        table = group_effects(moves, members, groups, unit=unit, seed=seed)
        return keep(table.rename(columns={"effect": "predicted", "effect_observed": "observed"})[COLUMNS])
    moves.space.warn_of_filling()
    labels = moves.fitted.fit.labels(adata)
    observed = moves.space.observed()
    control = sample(observed[moves.rows])

    def rows(name: str) -> pd.DataFrame:
        found = compare(control, sample(observed[labels == name]))
        columns = {
            "perturbation": name,
            "feature": moves.space.features,
            "predicted": moves.effects(name).mean(axis=0, dtype=float),
            "observed": found.effect,
            "pvalue_observed": np.nan if found.pvalue is None else found.pvalue,
        }
        return pd.DataFrame(columns)

    return keep(pd.concat([rows(name) for name in moves.names], ignore_index=True))
