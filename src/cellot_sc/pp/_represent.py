"""Represent cells in few dimensions, learnt from train cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cellot_sc import _keys, _validate
from cellot_sc._settings import logger

from ._methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData


def represent(
    adata: AnnData,
    method: str = "pca",
    *,
    n_components: int = 50,
    layer: str | None = None,
    split_key: str = _keys.SPLIT,
    key_added: str = _keys.REP,
    copy: bool = False,
) -> AnnData | None:
    """Represent all cells in few dimensions that are fitted on train cells only.

    Parameters
    ----------
    adata
        Cells.
    method
        How to represent them: ``"pca"`` (principal components; the same data give the same signs).
    n_components
        Number of dimensions. Lowered, with a log line, where there are fewer genes or train cells than that needs.
    layer
        Layer with the expression, which should be log1p-normalised; ``None`` means ``X``. Sparse expression is never
        made dense as a whole.
    split_key
        Column of ``obs`` that :func:`cellot_sc.pp.split` wrote. Without a column "split", all cells are used, with a
        log line.
    key_added
        Key of ``obsm`` and ``uns`` to write.
    copy
        Whether to return a copy rather than write to ``adata``.

    Returns
    -------
    AnnData | None
        The copy, if asked for. Sets ``obsm[key_added]``: float32 (n_cells, n_components); and ``uns[key_added]``: the
        decoder that :func:`cellot_sc.pp.decode` uses (for ``"pca"``: the mean, the components and the share of
        variance that each explains).

    Raises
    ------
    KeyError
        If the layer is missing, or a ``split_key`` other than "split".
    ValueError
        If the method is unknown, ``n_components`` is not a positive whole number, the expression holds NaN or inf or
        is the same in all train cells, or there are fewer than 10 train cells.

    References
    ----------
    :cite:t:`bunne2023` learn maps in the 50 dimensions of an autoencoder; principal components are as many by default.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(n_cells=300, n_genes=60)
    >>> cs.pp.split(adata)
    >>> cs.pp.represent(adata, n_components=10)
    >>> adata.obsm["X_cellot"].shape
    (300, 10)
    """
    _validate.one_of(method, METHODS, what="method")
    n_components = _validate.positive(n_components, what="n_components", integer=True)
    x = _validate.expression(adata, layer)
    train = _train_cells(adata, split_key)
    _validate.enough_cells(int(train.sum()), what="The representation")

    fitted = METHODS[method].fit(x[train], n_components)
    # layer "X" stands for X itself, as it does in use_rep
    decoder = {
        "method": method,
        "layer": layer or _keys.EXPRESSION,
        "var_names": adata.var_names.to_numpy(dtype=object),
        **fitted,
    }
    latent = project(x, decoder)

    out = adata.copy() if copy else adata
    out.obsm[key_added] = latent
    out.uns[key_added] = decoder
    logger.info(
        "represented cells by %s of %d train cells: added obsm[%r] (%d dimensions) and its decoder in uns",
        method,
        int(train.sum()),
        key_added,
        latent.shape[1],
    )
    return out if copy else None


def project(x: Any, decoder: Mapping[str, Any]) -> np.ndarray:
    """Return the latent, float32 (n_cells, n_components), of cells of shape (n_cells, n_genes) under a kept decoder."""
    return METHODS[decoder["method"]].project(x, decoder)


def _train_cells(adata: AnnData, split_key: str) -> np.ndarray:
    # a name that was given is meant: only where the default is absent was the data never split
    if split_key == _keys.SPLIT and split_key not in adata.obs:
        logger.info("no obs[%r]: the representation is fitted on all cells", split_key)
        return np.ones(adata.n_obs, dtype=bool)
    return _validate.split_labels(adata, split_key) == _keys.TRAIN
