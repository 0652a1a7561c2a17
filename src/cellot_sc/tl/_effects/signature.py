"""The mean effect of each perturbation on each feature."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from anndata import AnnData

from ... import _keys, _validate
from .displacements import displacements
from .observed import sample


@_validate.takes_adata
def signature(
    adata: AnnData,
    *,
    targets: str | Sequence[str] | None = None,
    key: str = _keys.MODEL,
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

    Returns
    -------
    Tidy table with a row per perturbation and feature:

    - ``feature``: gene, or dimension of a representation that cannot be decoded.
    - ``predicted``: mean over control cells of what the map changes, on the scale of what was represented.
    - ``observed``: mean of treated minus mean of control cells; NaN where there are no treated cells.

    Raises
    ------
    KeyError
        If there are no fitted maps, no such column or representation.
    ValueError
        If a target was not fitted.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> table = cs.tl.signature(adata, targets="drug_a")
    >>> bool(table["predicted"].corr(table["observed"]) > 0.9)
    True
    """
    moves = displacements(adata, key, targets)
    labels = moves.fitted.fit.labels(adata)
    observed = moves.space.observed()
    start = sample(observed[moves.rows]).mean
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "perturbation": name,
                    "feature": moves.space.features,
                    "predicted": moves.effects(name).mean(axis=0, dtype=float),
                    "observed": sample(observed[labels == name]).mean - start,
                }
            )
            for name in moves.names
        ],
        ignore_index=True,
    )
