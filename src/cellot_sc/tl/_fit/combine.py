"""Control, observed and predicted cells in one AnnData, on one scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData, concat

from ... import _keys, _neighbors, _validate
from ..._settings import logger
from ...pp import Space
from ...pp._decode import decoder_digest


@_validate.takes_adata
def combine(
    adata: AnnData, predicted: AnnData, *, split: str | None = None, umap: bool = True, seed: int = 0
) -> AnnData:
    """Put control, observed and predicted cells side by side, so that nothing differs but the cells.

    Predicted cells are decoded from few dimensions and lack the noise of single genes: beside measured ones, nearly
    every gene looks different. Here control and observed cells are decoded as well, from their points in the same
    space.

    Parameters
    ----------
    adata
        Annotated data with control and observed cells, in the space in which ``predicted`` was predicted: the one that
        :func:`predict` was called with, or another one in that space.
    predicted
        What :func:`predict` returned, of one perturbation or several.
    split
        Cells to take, of all three kinds: ``"test"``, ``"ood"``, ``"valid"`` or ``"train"``. With ``None``, all.
    umap
        Whether to make a UMAP of all of them.
    seed
        Seed of that.

    Returns
    -------
    A new AnnData of the control cells, the observed cells of the perturbations that were predicted, and the predicted
    ones, whose names end in ``-predicted``:

    - ``obs["role"]``: "control", "observed" or "predicted".
    - ``obs``: the columns that both have; ``cost`` and ``cellot_support`` are NaN for cells that were measured.
    - ``X``: decoded expression of all of them; measured expression where maps act on that itself, and points where
      ``predicted`` has points. Genes that were not measured in ``adata`` are what its points decode to, and a line in
      the log says so.
    - ``obsm``: the points under the name of the space, and ``X_umap``, by scanpy with its defaults.

    Raises
    ------
    KeyError
        If ``predicted`` does not say what it was made by, or ``adata`` lacks the representation or a column.
    ValueError
        If the two are not of one space, names of cells are not unique, a label is missing, or no cell that was
        predicted, or none that was measured, is in the split.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> both = cs.tl.combine(adata, cs.tl.predict(adata, "drug_a"), umap=False)
    >>> both.obs["role"].value_counts().to_dict()
    {'control': 200, 'observed': 200, 'predicted': 200}
    """
    seed = _validate.seed(seed)
    made = _validate.prediction(predicted, what="predicted")
    for cells in (adata, predicted):
        _validate.unique_obs_names(cells)
    seen = _one_space(adata, predicted, made)
    seen.warn_of_filling()
    rows, ours = _chosen(adata, predicted, made, split)
    measured = np.concatenate([*rows.values()])
    space, decoded = Space(predicted, seen.name), bool(made["decoded"])
    parts = [space.as_adata(seen.read(measured), adata.obs.iloc[measured].copy(), decode=decoded)]
    obsm = {} if space.is_expression else {space.name: space.read()}
    parts.append(AnnData(predicted.X, obs=predicted.obs, var=predicted.var, obsm=obsm)[ours].copy())
    parts[1].obs_names = parts[1].obs_names + f"-{_keys.PREDICTED}"

    sizes = [*map(len, rows.values()), len(ours)]
    both = concat(parts, merge="same")
    both.obs[_keys.ROLE] = pd.Categorical(np.repeat(_keys.ROLES, sizes), categories=_keys.ROLES)
    for name in (_keys.COST, _keys.SUPPORT):
        if name in predicted.obs:
            both.obs[name] = np.r_[np.full(len(measured), np.nan), predicted.obs[name].to_numpy()[ours]]
    both.uns[_keys.PREDICTION] = dict(made)
    if umap:
        both.obsm["X_umap"] = _neighbors.umap(Space(both, space.name).read(), seed=seed)
    what = f": X is decoded from {space.n_dims} dimensions, measured cells as well" if decoded else ""
    logger.info("combined %d control, %d observed and %d predicted cells%s", *sizes, what)
    return both


def _one_space(adata: AnnData, predicted: AnnData, made: Mapping[str, Any]) -> Space:
    """Return the space of the measured cells; raise :class:`ValueError` if it is not that of the predicted ones."""
    space = Space(adata, str(made["use_rep"]))
    if space.is_expression:
        names, genes = ([*map(str, of.var_names)] for of in (adata, predicted))
        columns = _validate.gene_columns(names, genes, what="predicted was")
        return space if columns is None else Space(adata[:, columns], space.name)
    ours = Space(predicted, space.name)
    n_dims, decoder = space.n_dims, decoder_digest(adata.uns[space.name]) if space.decodes else ""
    what = f"predicted is of another space than adata.obsm[{space.name!r}]"
    if ours.n_dims != n_dims:
        raise ValueError(f"{what}: it has {ours.n_dims} dimensions, and that {n_dims}. Predict again.")
    if decoder != str(made["decoder"]):
        raise ValueError(f"{what}, which was represented anew, or in another way: predict again.")
    if made["decoded"] and not ours.decodes:
        raise ValueError(f"predicted.uns[{space.name!r}], by which it was decoded, is gone: predict again.")
    return space


def _chosen(
    adata: AnnData, predicted: AnnData, made: Mapping[str, Any], split: str | None
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the positions of the measured cells to take, by their role, and those of the predicted ones."""
    control, labels = str(made["control"]), _validate.predicted_labels(predicted, made, what="predicted")
    names = [name for name in map(str, made["targets"]) if name in set(labels)]
    measured, _ = _validate.perturbation_labels(adata, str(made["label_key"]), control)
    measured = _validate.as_named(measured, [control, *names])
    taken = [np.ones(cells.n_obs, dtype=bool) for cells in (adata, predicted)]
    if split is not None:
        _validate.one_of(split, _keys.SPLITS, what="split")
        taken = [_validate.split_labels(cells, str(made["split_key"])) == split for cells in (adata, predicted)]
    rows = {
        _keys.CONTROL: np.flatnonzero((measured == control) & taken[0]),
        _keys.OBSERVED: np.flatnonzero(np.isin(measured, names) & taken[0]),
    }
    ours = np.flatnonzero(taken[1])
    for cells, what in ((np.concatenate([*rows.values()]), "measured"), (ours, _keys.PREDICTED)):
        if not len(cells):
            where = "" if split is None else f" in split {split!r}: leave that out, or predict such cells"
            raise ValueError(f"there is no {what} cell{where}.")
    return rows, ours
