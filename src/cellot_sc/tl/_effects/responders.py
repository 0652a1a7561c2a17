"""Which single cells respond."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from anndata import AnnData

from ... import _keys, _validate
from ..._settings import logger
from ...metrics._moderated import pvalues, standardised
from .._fit.tables import keeper
from .displacements import displacements
from .null import null, responding, spread


@_validate.takes_adata
def responders(
    adata: AnnData,
    features: str | Sequence[str],
    *,
    targets: str | Sequence[str] | None = None,
    key: str = _keys.MODEL,
    seed: int = 0,
    key_added: str | None = None,
) -> pd.DataFrame:
    """Say of each control cell whether it is predicted to respond in a feature.

    A cell responds if the map changes it by more than maps between control cells and control cells do. Those give a
    standard error per cell, because a map errs more at the rim of the cloud than at its centre.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot`, and the cells they were fitted to; those of a
        model need none.
    features
        Gene or marker, or several; a dimension such as ``"X_pca_0"`` where there is no way back to genes.
    targets
        Perturbation or perturbations, all fitted ones with ``None``.
    key
        Where in ``uns`` the maps are.
    seed
        Seed of the null.
    key_added
        Where in ``uns`` the table is kept as well, so that files have it; nowhere with ``None``. What is there already
        has to be an older one of this function.

    Returns
    -------
    Tidy table with a row per perturbation, feature and control cell:

    - ``cell``: its name in ``obs``.
    - ``effect``: what the map changes in it, on the scale of what was represented.
    - ``pvalue``: of no effect, two-sided.
    - ``responds``: whether it is called at a false discovery rate of .05 among the cells of the perturbation and
      feature.

    Raises
    ------
    KeyError
        If there are no fitted maps, no such feature, column or representation.
    ValueError
        If a target was not fitted, or the train cells that the maps were fitted to are missing.

    Notes
    -----
    The error of a map is shared by the cells that it moves: if there is no effect, then once in twenty features many
    cells are called together. And a smooth map carries the effect on one population over to others, so that some of
    their cells are called, too. :func:`subpopulation_effects` says which features change in which group at all.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> calls = cs.tl.responders(adata, "gene_38", targets="drug_a")
    >>> in_type_0 = (adata.obs["cell_type"] == "type_0")[calls["cell"]].to_numpy()
    >>> bool(calls["responds"][in_type_0].mean() > 2 * calls["responds"][~in_type_0].mean())
    True
    """
    keep = keeper(adata, key_added, ("cell", "perturbation", "feature", "responds"))
    seed = _validate.seed(seed)
    moves = displacements(adata, key, targets)
    names = _validate.feature_names(features, moves.space.features)
    columns = [moves.space.features.index(name) for name in names]
    null_maps = null(moves, seed=seed)
    noise, _ = spread(null_maps, moves, {}, columns)
    tables = []
    for perturbation in moves.names:
        effects = moves.effects(perturbation)[:, columns]
        z = standardised(effects, null_maps.scale[perturbation] * noise)
        calls = responding(z, null_maps)
        for i, name in enumerate(names):
            table = {
                "cell": adata.obs_names[moves.rows],
                "perturbation": perturbation,
                "feature": name,
                "effect": effects[:, i],
                "pvalue": pvalues(z[:, i], null_maps.df),
                "responds": calls[:, i],
            }
            tables.append(pd.DataFrame(table))
    logger.info("called responders to %d perturbations in %d features", len(moves.names), len(names))
    return keep(pd.concat(tables, ignore_index=True))
