"""Clones, and the fates that are compared with theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from .._arrays import matrix
from ._labels import obs_key, texts
from ._names import nearest, one_key

if TYPE_CHECKING:
    from anndata import AnnData


def clones(adata: AnnData, key: str) -> sparse.csr_array:
    """Return which cells belong to which clone: ``adata.obsm[key]``, or the categories of ``adata.obs[key]``.

    Returns
    -------
    Float64 matrix of shape ``(n_cells, n_clones)``: 1 where a cell belongs to a clone.

    Raises
    ------
    KeyError
        If there is neither.
    TypeError
        If ``key`` is not one name.
    ValueError
        If the matrix holds NaN, or something negative.
    """
    one_key(key, what="clone_key", where="key of adata.obsm, or column of adata.obs,")
    if key in adata.obsm:
        found = sparse.csr_array(matrix(adata.obsm[key], what=f"adata.obsm[{key!r}]")).astype(np.float64)
        if not (found.data >= 0).all():
            raise ValueError(
                f"adata.obsm[{key!r}] holds NaN or negative values: which cells belong to which clone is needed."
            )
        return (found > 0).astype(np.float64).tocsr()
    if key not in adata.obs:
        raise KeyError(
            f"clone_key {key!r} is neither in adata.obsm nor in adata.obs.{nearest(key, [*adata.obsm, *adata.obs])}"
        )
    codes, names = pd.factorize(texts(obs_key(adata, key, what="clone_key")))
    rows = np.flatnonzero(codes >= 0)
    shape = (adata.n_obs, len(names))
    return sparse.csr_array((np.ones(len(rows)), (rows, codes[rows])), shape=shape)


def has_fates(adata: AnnData, key: str) -> bool:
    """Return whether :func:`cellot_sc.tl.fate` kept fates under ``key``."""
    found = adata.uns.get(key)
    return isinstance(found, Mapping) and "n_neighbors" in found and key in adata.obsm


def fates(adata: AnnData, key: str) -> Mapping[str, Any]:
    """Return what fates were asked for, one of ``fates`` per column of ``obsm[key]``.

    Raises
    ------
    KeyError
        If none are kept under ``key``.
    """
    if not has_fates(adata, key):
        known = [name for name in adata.uns if has_fates(adata, name)]
        hint = nearest(key, known) if known else ""
        raise KeyError(f"There are no fates under {key!r}: call cs.tl.fate first.{hint}")
    return adata.uns[key]


def fates_of_maps(adata: AnnData, key: str, digest: str) -> None:
    """Raise :class:`ValueError` if fates were read with other maps than those of the digest."""
    kept = adata.uns[key]
    if str(kept.get("maps")) != digest:
        raise ValueError(
            f"The fates under {key!r} were read with other maps than adata.uns[{str(kept['trajectory'])!r}] holds now: "
            "call cs.tl.fate again."
        )


def clonal_cells(n_cells: int, clone_key: str, target: str) -> None:
    """Raise :class:`ValueError` if no early cell has a relative among labelled late cells."""
    if not n_cells:
        raise ValueError(
            f"No early cell shares a clone of {clone_key!r} with a late cell of time {target!r} that has one of the "
            "fates: nothing can be compared."
        )


def corners(n_fates: int) -> None:
    """Raise :class:`ValueError` if there are too few fates for a polygon."""
    if n_fates < 3:
        raise ValueError(f"style 'simplex' needs three fates; there are {n_fates}: use style 'bars'.")


def populations(names: Sequence[str], key: str) -> None:
    """Raise :class:`ValueError` if there are no two populations."""
    if len(names) < 2:
        raise ValueError(f"adata.obs[{key!r}] has {len(names)} population{'s' * (len(names) != 1)}: two are needed.")
