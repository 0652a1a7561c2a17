"""Represent cells in few dimensions, learnt from train cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from anndata import AnnData

from cellot_sc import _keys, _validate
from cellot_sc._settings import logger

from ._decode import decoder_digest
from ._methods import METHODS, check
from ._origin import MARKS, Marks
from ._rows import by_row


@_validate.takes_adata
def represent(
    adata: AnnData,
    method: str = "pca",
    *,
    n_components: int = 50,
    layer: str | None = None,
    split_key: str = _keys.SPLIT,
    seed: int = 0,
    key_added: str = _keys.REP,
    copy: bool = False,
    **options: Any,
) -> AnnData | None:
    """Represent all cells in few dimensions that are fitted on train cells only.

    Parameters
    ----------
    adata
        Cells.
    method
        How to represent them: ``"pca"`` (principal components; the same data give the same signs) or ``"autoencoder"``
        (networks to few dimensions and back, trained to the least squared error).
    n_components
        Number of dimensions. Lowered, with a log line, where there are fewer genes or train cells than that needs.
    layer
        Layer with the expression, which should be log1p-normalised; ``None`` means ``X``. Sparse expression is never
        made dense as a whole, and of what is in a file, or a dask array, some cells are in memory at a time, unless it
        is small: principal components are equal to some 1e-6, and networks learn from cells in another order.
    split_key
        Column of ``obs`` that :func:`cellot_sc.pp.split` wrote. Without a column "split", all cells are used, with a
        log line. Validation cells choose when the training of an autoencoder stops; without any, it stops
        after 40 times as many cells as there are.
    seed
        Seed of everything random: of the autoencoder, as principal components have nothing that is.
    key_added
        Key of ``obsm`` and ``uns`` to write.
    copy
        Whether to return a copy rather than write to ``adata``.
    **options
        Options of the method. ``"pca"`` has none; those of ``"autoencoder"`` are ``preset`` and whatever is to differ
        from it. ``preset="small"``, the default, adds networks of one hidden layer (``hidden=(256,)``) to principal
        components, as which it starts, so that it explains no less of the validation cells (``linear=True``).
        ``preset="paper"`` is as published: ``hidden=(512, 512)`` from a random start, ``learning_rate=1e-3``,
        ``weight_decay=1e-5``, ``batch_size=256``. Either takes at most ``n_steps=1000`` steps, looks at validation
        cells every ``check_every=25`` steps and ends after ``patience=8`` looks without improvement.

    Returns
    -------
    AnnData | None
        The copy, if asked for. Sets ``obsm[key_added]``: float32 (n_cells, n_components); and ``uns[key_added]``: the
        decoder that :func:`cellot_sc.pp.decode` uses (for ``"pca"``: the mean, the components and the share of
        variance that each explains; for ``"autoencoder"``: the networks of both directions). What is decoded is cut off
        at 0 where the expression is not negative. It is not brought to a library size: the genes are most often a
        selection, whose total differs between cells. As with any mean of logarithms, undoing the log1p of what is
        decoded gives lower totals than were measured.

    Raises
    ------
    KeyError
        If the layer is missing, or a ``split_key`` other than "split".
    ValueError
        If the method is unknown, ``n_components`` is not a positive whole number, the expression can be read only in
        pieces that are too large, is masked, holds NaN or inf or is the same in all train cells, a gene has no name or
        that of another one, there are fewer than 10 train cells, an option has an impossible value, or no file can hold
        ``key_added`` or something else than a representation is kept there.
    TypeError
        If the method has no such option.

    References
    ----------
    :cite:t:`bunne2023` learn maps in the 50 dimensions of an autoencoder; principal components are as many by default.
    They explain more of unseen cells than the published autoencoder where train cells are few: of 704 blood cells, with
    1,000 genes, 50 dimensions and 2,463 cells to learn from, 33.9 % of the variance, that autoencoder 30.3 %, and the
    preset ``"small"`` 34.7 %.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(n_cells=300, n_genes=60)
    >>> cs.pp.split(adata)
    >>> cs.pp.represent(adata, n_components=10)
    >>> adata.obsm["X_cellot"].shape
    (300, 10)
    """
    _validate.new_key(adata, key_added, _validate.DECODER)
    _validate.one_of(method, METHODS, what="method")
    n_components = _validate.whole(n_components, 1, what="n_components")
    _validate.no_unknown(options, METHODS[method].options(), what=f"method {method!r}")
    seed = _validate.seed(seed)
    genes = _validate.gene_names(adata)
    x = by_row(_validate.expression(adata, layer, stores=True))
    _validate.usual_expression(x, adata.var_names, what=_validate.expression_name(layer))
    train, valid = _cells(adata, split_key)
    _validate.enough_cells(int(train.sum()), what="The representation")

    fitted = METHODS[method].fit(x[train], n_components, valid=x[valid], seed=seed, **options)
    # layer "X" stands for X itself, as it does in use_rep
    decoder = {
        "method": method,
        "layer": layer or _keys.EXPRESSION,
        "var_names": genes,
        **fitted,
    }
    latent = project(x, decoder)
    decoder[MARKS] = Marks.of(adata.obs_names[train], latent[train]).kept()

    out = _validate.writable(adata, copy=copy)
    out.obsm[key_added] = latent
    out.uns[key_added] = decoder
    logger.info(
        "represented cells by %s of %d train cells: added obsm[%r] (%d dimensions) and its decoder in uns",
        method,
        int(train.sum()),
        key_added,
        latent.shape[1],
    )
    fits = {key: fit for key, fit in _validate.kept_fits(out).items() if fit.get("use_rep") == key_added}
    if stale := [key for key, fit in fits.items() if fit["origin"].get("decoder") != decoder_digest(decoder)]:
        logger.warning("the maps in uns%s were fitted in the former obsm[%r]: fit them again", stale, key_added)
    return out if copy else None


def project(x: Any, decoder: Mapping[str, Any]) -> np.ndarray:
    """Return the latent, float32 (n_cells, n_components), of cells of shape (n_cells, n_genes) under a kept decoder."""
    check(decoder)
    return METHODS[decoder["method"]].project(x, decoder)


def _cells(adata: AnnData, split_key: str) -> tuple[np.ndarray, np.ndarray]:
    """Return which cells are train and which validation cells."""
    # a name that was given is meant: only where the default is absent was the data never split
    if split_key == _keys.SPLIT and split_key not in adata.obs:
        logger.info("no obs[%r]: the representation is fitted on all cells", split_key)
        everyone = np.ones(adata.n_obs, dtype=bool)
        return everyone, ~everyone
    parts = _validate.split_labels(adata, split_key)
    return parts == _keys.TRAIN, parts == _keys.VALID
