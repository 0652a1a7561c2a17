"""Applies fitted transport maps to cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData, concat

from ... import _keys, _validate
from ..._settings import logger
from . import store

type CellNames = np.ndarray | pd.Series | Sequence[str] | Sequence[int] | Sequence[bool]


@_validate.takes_adata
def predict(
    adata: AnnData,
    targets: str | Sequence[str] | None = None,
    *,
    key: str = _keys.MODEL,
    cells: CellNames | None = None,
    decode: bool = True,
) -> AnnData:
    """Predict the treated state of untreated cells.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot`.
    targets
        Perturbation or perturbations to predict, all fitted ones with ``None``. Of several, the name of a predicted
        cell ends in ``-<target>``.
    key
        Where in ``uns`` the maps are.
    cells
        Cells to transport: boolean mask, names or positions, whatever ``obs`` says of their perturbation, if anything.
        With ``None``, all control cells.
    decode
        Whether to go back to genes where the representation can (see :func:`cellot_sc.pp.decode`).

    Returns
    -------
    A new AnnData with one row per cell and target. ``obs`` is that of the source cells with the perturbation set to the
    target; ``X`` the predicted expression, or the predicted latent where there is no decoder; ``obsm`` holds the
    predicted latent under the name the map was fitted on.

    Raises
    ------
    KeyError
        If there are no fitted maps, no such representation, or a cell's name is unknown.
    ValueError
        If a target was not fitted, cell names are not unique, a mask has the wrong length, no cell is chosen, or
        a chosen cell's representation holds NaN or inf.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.pp.split(adata)
    >>> cs.pp.represent(adata, n_components=10)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> treated = cs.tl.predict(adata, "drug_a")
    >>> treated.obs["perturbation"].unique().tolist()
    ['drug_a']
    """
    fitted = store.maps(adata, key)
    fit = fitted.fit
    _validate.unique_obs_names(adata)
    space = fit.space(adata)
    names = _validate.some_of(targets, fitted.maps, what="target")
    rows = fit.controls(adata) if cells is None else _validate.cell_positions(adata, cells)
    x = space.read(rows)
    parts = []
    for name in names:
        obs = _relabelled(adata.obs.iloc[rows].copy(), fit.label_key, name)
        parts.append(space.as_adata(fitted.maps[name].transport(x), obs, decode=decode))
    if len(parts) == 1:
        predicted = parts[0]
    else:
        for name, part in zip(names, parts, strict=True):
            part.obs_names = part.obs_names + f"-{name}"
        predicted = concat(parts, merge="same", uns_merge="same")
    what = ", ".join(names) if len(names) <= 5 else f"{len(names)} perturbations"
    logger.info("predicted %d cells of %s", predicted.n_obs, what)
    return predicted


def _relabelled(obs: pd.DataFrame, column: str, name: str) -> pd.DataFrame:
    """Return the rows with one perturbation in all of them, beside the categories that there were."""
    known = column in obs and isinstance(obs[column].dtype, pd.CategoricalDtype)
    categories = obs[column].cat.categories if known else [name]
    if name not in categories:
        categories = [*categories, name]
    obs[column] = pd.Categorical([name] * len(obs), categories=categories)
    return obs
