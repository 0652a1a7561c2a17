"""Expression, representations and their decoders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _keys
from ._names import nearest, one_key

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


def finite[Matrix](x: Matrix, *, what: str) -> Matrix:
    """Return the dense or sparse matrix ``x``; raise :class:`ValueError` if it holds NaN or inf."""
    given: Any = x
    if hasattr(x, "tocoo"):
        rows = np.unique(given.tocoo().row[~np.isfinite(given.data)])
    else:
        rows = np.flatnonzero(~np.isfinite(given).all(axis=1))
    if len(rows):
        raise ValueError(f"{what} holds NaN or inf in {len(rows)} of {given.shape[0]} cells: remove or impute them.")
    return x


def representation_key(adata: AnnData, use_rep: str) -> str:
    """Return ``use_rep`` if it is ``"X"`` or in ``adata.obsm``; raise :class:`KeyError` with the nearest otherwise."""
    one_key(use_rep, what="use_rep", where="key of adata.obsm")
    if use_rep != _keys.EXPRESSION and use_rep not in adata.obsm:
        valid = [*adata.obsm, _keys.EXPRESSION]
        raise KeyError(f"use_rep {use_rep!r} is not in adata.obsm.{nearest(use_rep, valid)}")
    return use_rep


def plane(adata: AnnData, basis: str, *, also: Iterable[str]) -> np.ndarray:
    """Return the first two columns of ``adata.obsm[basis]``, positions of all cells on a map.

    Raises
    ------
    KeyError
        If it is not there; ``also`` are other valid names.
    ValueError
        If it has fewer than two columns, or holds NaN or inf.
    """
    if basis not in adata.obsm:
        raise KeyError(f"basis {basis!r} is not in adata.obsm.{nearest(basis, [*also, *adata.obsm])}")
    found = np.asarray(adata.obsm[basis], dtype=np.float64)
    if found.ndim != 2 or found.shape[1] < 2:
        raise ValueError(f"basis {basis!r} has shape {found.shape}: two columns are needed.")
    return finite(found[:, :2], what=f"basis {basis!r}")


def free_uns_key(key: str, use_rep: str, *, what: str) -> None:
    """Raise :class:`ValueError` if ``key``, which is to be written to ``uns``, is where a decoder is kept."""
    if key == use_rep:
        raise ValueError(
            f"{what} {key!r} would overwrite the decoder of the representation of that name: choose another name."
        )


def positive_weights(weights: Any, n_dims: int, *, what: str) -> np.ndarray:
    """Return the weights as float32; raise :class:`ValueError` if they are not a positive number per dimension."""
    try:
        array = np.asarray(weights, dtype=np.float32)
    except (TypeError, ValueError):
        raise ValueError(f"{what} are no numbers: {n_dims} positive finite numbers are needed.") from None
    if array.shape != (n_dims,) or not np.isfinite(array).all() or (array <= 0).any():
        raise ValueError(f"{what} of shape {array.shape}: {n_dims} positive finite numbers are needed.")
    return array


def log_expression(adata: AnnData, *, what: str) -> tuple[Any, pd.Index]:
    """Return log1p-normalised expression and its genes: ``X`` or, if that has negative values, ``raw.X``.

    Raises
    ------
    ValueError
        If neither is there without negative values, it has NaN or inf, or it looks like counts.
    """
    sources: list[Any] = [s for s in (adata, adata.raw) if s is not None and s.X is not None]
    source = next((s for s in sources if 0 not in s.X.shape and not s.X.min() < 0), None)
    if source is None:
        raise ValueError(
            f"{what} has no expression without negative values in X or raw.X: log1p of normalised counts is needed."
        )
    x = finite(source.X, what=f"{what}.X")
    if not ((x.data if hasattr(x, "tocoo") else x) % 1).any():
        raise ValueError(f"{what}.X holds whole numbers only, as counts do: normalise it and take log1p.")
    return x, source.var_names


def expression(adata: AnnData, layer: str | None) -> Any:
    """Return ``adata.layers[layer]``, or ``adata.X`` for ``None``.

    Raises
    ------
    KeyError
        If the layer is missing.
    ValueError
        If there is no ``X``, or NaN or inf in what is returned.
    """
    layers = [name for name in adata.layers.keys() if name is not None]
    if layer is not None and layer not in layers:
        raise KeyError(f"layer {layer!r} is not in adata.layers.{nearest(layer, layers)}")
    x: Any = adata.X if layer is None else adata.layers[layer]
    if x is None:
        raise ValueError("adata.X is None: give the layer that holds the expression.")
    return finite(x, what="adata.X" if layer is None else f"adata.layers[{layer!r}]")


def has_decoder(adata: AnnData, key: str) -> bool:
    """Return whether :func:`cellot_sc.pp.represent` kept a decoder under ``key``."""
    found = adata.uns.get(key)
    return isinstance(found, Mapping) and {"method", "var_names"} <= set(found)


def decoder(adata: AnnData, key: str) -> Mapping[str, Any]:
    """Return the decoder that :func:`cellot_sc.pp.represent` kept under ``key``.

    Raises
    ------
    KeyError
        If there is none.
    ValueError
        If it was fitted on other genes.
    """
    known = [k for k in adata.uns if has_decoder(adata, k)]
    if key not in known:
        raise KeyError(
            f"There is no decoder in adata.uns[{key!r}]: only representations made by cs.pp.represent can be decoded."
            f"{nearest(key, known)}"
        )
    found: Mapping[str, Any] = adata.uns[key]
    genes = [str(name) for name in found["var_names"]]
    if genes != [str(name) for name in adata.var_names]:
        absent = sorted(set(genes) - set(adata.var_names))
        how = f"{len(absent)} of them are absent, such as {absent[0]!r}" if absent else "their number or order differs"
        raise ValueError(
            f"adata.uns[{key!r}] was fitted on {len(genes)} genes, which are not the {adata.n_vars} of adata: {how}."
        )
    return found


def points(x: Any, *, n_dims: int, what: str) -> np.ndarray:
    """Return ``x`` as a float32 array of shape (n_cells, n_dims).

    Raises
    ------
    ValueError
        If it has another shape, or holds NaN or inf.
    """
    array = np.asarray(x, dtype=np.float32)
    if array.ndim != 2 or array.shape[1] != n_dims:
        raise ValueError(
            f"{what} has shape {array.shape}; (n_cells, {n_dims}) is needed, as its decoder has {n_dims} dimensions."
        )
    return finite(array, what=what)


def coordinates(adata: AnnData, key: str, rows: np.ndarray) -> np.ndarray:
    """Return where the chosen cells lie, shape (n_cells, 2 or 3).

    Raises
    ------
    KeyError
        If ``adata.obsm`` has no such key.
    ValueError
        If they have another shape, or hold NaN or inf.
    """
    one_key(key, what="spatial_key", where="key of adata.obsm")
    if key not in adata.obsm:
        raise KeyError(f"spatial_key {key!r} is not in adata.obsm.{nearest(key, adata.obsm)}")
    places = np.asarray(adata.obsm[key])
    if places.ndim != 2 or places.shape[1] not in (2, 3):
        raise ValueError(f"adata.obsm[{key!r}] has shape {places.shape}; two or three coordinates per cell are needed.")
    return finite(places[rows].astype(np.float64), what=f"adata.obsm[{key!r}]")
