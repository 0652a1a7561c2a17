"""Applies fitted transport maps to cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData, concat

from ... import _keys, _validate
from ..._settings import logger
from . import store
from .contexts import tell_of_strangers

type CellNames = np.ndarray | pd.Series | pd.Index | Sequence[str] | Sequence[int] | Sequence[bool] | slice | str | int


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
        A mask that is a Series is aligned by its index. With ``None``, all control cells.
    decode
        Whether to go back to genes where the representation can (see :func:`cellot_sc.pp.decode`).

    Returns
    -------
    A new AnnData with one row per cell and target. ``obs`` is that of the source cells with the perturbation set to the
    target, as the value that the observed cells have; ``X`` the predicted expression, or the predicted latent where
    there is no decoder; ``obsm`` holds the predicted latent under the name the map was fitted on. Expression that was
    learnt of a layer is in ``layers``, too, where that of observed cells is: concatenate, and go on with the layer.

    Raises
    ------
    KeyError
        If there are no fitted maps, no such representation, or a cell's name is unknown.
    IndexError
        If a cell's position is out of range.
    TypeError
        If ``cells`` is neither a mask nor names nor positions.
    ValueError
        If a target was not fitted, cell names are not unique, a mask is not of these cells, no cell is chosen, or one
        twice, a chosen cell's representation holds NaN or inf, or the space of the maps has changed since they were
        fitted.

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
    x, contexts = space.read(rows), fit.contexts(adata, rows)
    tell_of_strangers((fitted.maps[name] for name in names), contexts, fit.context)
    parts = []
    for name in names:
        obs = adata.obs.iloc[rows].copy()
        obs[fit.label_key] = _validate.relabelled(adata.obs.get(fit.label_key), name, len(obs))
        parts.append(space.as_adata(fitted.maps[name].transport(x, contexts), obs, decode=decode))
    if len(parts) == 1:
        predicted = parts[0]
    else:
        for name, part in zip(names, parts, strict=True):
            part.obs_names = part.obs_names + f"-{name}"
        predicted = concat(parts, merge="same", uns_merge="same")
    what = ", ".join(names) if len(names) <= 5 else f"{len(names)} perturbations"
    logger.info("predicted %d cells of %s", predicted.n_obs, what)
    return predicted
