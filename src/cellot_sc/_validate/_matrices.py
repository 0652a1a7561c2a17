"""Expression, representations and their decoders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _keys
from .._arrays import dense, is_whole, matrix, rows_not_finite, unmasked
from .._chunks import MAX_VALUES, Stored, chunks, stored
from ._genes import gene_columns, names_of_genes
from ._names import nearest, one_key, unique_var_names
from ._objects import annotated

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

COUNTS = "holds whole numbers only, as counts do: normalise it and take log1p"
"""What is said of counts where log-normalised expression is needed."""
SCALED = (
    "is about 0 with standard deviations about 1, as scaled values are: what is learnt is in these units; of genes, "
    "give log1p of normalised counts"
)
BELOW_ZERO = (
    "holds values below 0 (down to {:.3g}), which log1p of counts never is: of genes, give log1p of normalised counts"
)
SHARED = 0.02
"""Cells that share the least value of a gene, at least; of a detector that counts in steps, 1 % do."""
OTHER_SCALES = (
    "has features on very different scales (standard deviations of {:,.3g} and {:,.0f}), of which the widest decide "
    "alone: scale them, as by scanpy.pp.scale"
)
"""What is said of features in units of their own."""
APART = 100
"""Standard deviations so many times that of most features are of another scale."""
TOO_LARGE = (
    "holds values up to {:,.0f}, more than log1p of normalised counts can be: take log1p (of cytometry, arcsinh)"
)
LARGEST_LOG = 20.0
"""No logarithm of counts per million is larger, be it one to base 2."""
MOST_OFF, SPREADS = 0.3, (0.5, 1.5)
"""How far from 0 the means of scaled features may be, and between what their standard deviations, in the median: some
cells are looked at, and all were scaled."""


def finite[Matrix](x: Matrix, *, what: str) -> Matrix:
    """Return the dense or sparse matrix ``x``.

    Raises
    ------
    ValueError
        If it holds NaN or inf, or a number that is infinite in single precision.
    """
    given: Any = x
    rows = rows_not_finite(given)
    if len(rows):
        values = given[rows].data if hasattr(given, "tocoo") else given[rows]
        held = "numbers beyond 3.4e38" if np.isfinite(values).all() else "NaN or inf"
        raise ValueError(f"{what} holds {held} in {len(rows)} of {given.shape[0]} cells: remove or impute them.")
    return x


def representation_key(adata: AnnData, use_rep: str) -> str:
    """Return ``use_rep`` if it is ``"X"`` or in ``adata.obsm``; raise :class:`KeyError` with the nearest otherwise."""
    one_key(use_rep, what="use_rep", where="key of adata.obsm")
    if use_rep not in annotated(adata).obsm and use_rep != _keys.EXPRESSION:
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
    found = matrix(adata.obsm[basis], what=f"basis {basis!r}")
    if found.shape[1] < 2:
        raise ValueError(f"basis {basis!r} has shape {found.shape}: two columns are needed.")
    return finite(dense(found[:, :2]), what=f"basis {basis!r}").astype(np.float64)


def free_uns_key(key: str, use_rep: str, *, what: str) -> None:
    """Raise :class:`ValueError` if ``key``, which is to be written to ``uns``, is where a decoder is kept."""
    if key == use_rep:
        raise ValueError(
            f"{what} {key!r} would overwrite the decoder of the representation of that name: choose another name."
        )


def positive_weights(weights: Any, n_dims: int, *, what: str) -> np.ndarray:
    """Return the weights as float32; raise :class:`ValueError` if they are not a positive number per dimension."""
    unmasked(weights, what=what)
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
        If neither is there without negative values, it is not in memory, is masked, has NaN or inf, or looks like
        counts.
    """
    for source, name in ((adata, f"{what}.X"), (adata.raw, f"{what}.raw.X")):
        if source is None or source.X is None or 0 in source.X.shape:
            continue
        x = matrix(source.X, what=name)
        if x.min() < 0:
            continue
        if is_whole(finite(x, what=name)):
            raise ValueError(f"{name} {COUNTS}.")
        return x, source.var_names
    raise ValueError(
        f"{what} has no expression without negative values in X or raw.X: log1p of normalised counts is needed."
    )


def usual_expression(x: Any, features: pd.Index, *, what: str) -> None:
    """Warn in the log if there is something unusual about the expression, as :func:`unusual_expression` has it."""
    if words := unusual_expression(x, features):
        # settings load what the shell does without until it fits
        from .._settings import logger

        logger.warning("%s %s. It is used as it is.", what, words)


def words_on_expression(adata: AnnData, layer: str | None = None) -> str:
    """Return what is unusual about ``X`` or a layer, as a clause that names it, ``""`` if nothing; ``"X"`` is ``X``."""
    layer = None if layer == _keys.EXPRESSION else layer
    x: Any = adata.X if layer is None else adata.layers.get(layer)
    if x is None or 0 in x.shape:
        return ""
    what = expression_name(layer)
    words = unusual_expression(stored(x, what=what, finite=False), adata.var_names)
    return words and f"{what} {words}"


def unusual_expression(x: Any, features: pd.Index) -> str:
    """Return what is unusual about expression, to be said after its name; no text if nothing is.

    Some cells are looked at: of what is stored, those of its first chunk.

    Parameters
    ----------
    x
        Dense or sparse matrix, or :class:`.Stored`, shape ``(n_cells, n_features)``.
    features
        Names of the features.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from cellot_sc import _validate
    >>> counts = np.random.default_rng(0).poisson(2, size=(50, 3))
    >>> genes = pd.Index(["CD3E", "LYZ", "NKG7"])
    >>> _validate.unusual_expression(counts, genes)
    'holds whole numbers only, as counts do: normalise it and take log1p'
    >>> _validate.unusual_expression(np.log1p(counts), genes)
    ''
    """
    if isinstance(x, Stored):
        x = next((rows for _, rows in chunks(x)), None)
    if x is None or x.shape[0] == 0:
        return ""
    x = x[:: max(1, x.shape[0] * x.shape[1] // MAX_VALUES)]
    low, high = float(x.min()), float(x.max())
    if low < 0:
        return _below_zero(x, features, low)
    if _are_counted_genes(x, features):
        return COUNTS if high > 1 and is_whole(x) else TOO_LARGE.format(high) if high > LARGEST_LOG else ""
    return _on_other_scales(x)


def _are_counted_genes(x: Any, features: pd.Index) -> bool:
    """Return whether values above 0 tell the transcripts of genes, rather than, say, the pixels or branches of a cell.

    A transcript is missed in some cell, so that most genes have a 0, which areas and lengths never have. Symbols and
    identifiers of genes have no blanks, which descriptions of images do. And what is 0 or 1 is a mark, not a count.
    """
    seen = x.tocoo().col[x.tocoo().data != 0] if hasattr(x, "tocoo") else np.nonzero(x)[1]
    missed = np.bincount(seen, minlength=x.shape[1]) < x.shape[0]
    return bool((missed & _one_word(features)).mean() > 0.5)


def _below_zero(x: Any, features: pd.Index, low: float) -> str:
    """Return what is said of values below 0, no text if they are coordinates, or features of images.

    Where a transcript was missed, a gene has its least value, be it 0 or what that was made into: cells share it. They
    do not share coordinates. Sparse values are those of genes if most have a 0.
    """
    if hasattr(x, "tocoo"):
        return BELOW_ZERO.format(low) if _are_counted_genes(x, features) else ""
    n_least = (x == x.min(axis=0)).sum(axis=0)
    shared = (n_least > 1) & (n_least > SHARED * x.shape[0])
    # what is the same in all cells is of any kind
    varies = x.std(axis=0) > 0
    if not (shared & varies & _one_word(features)).sum() > varies.sum() / 2:
        return ""
    means, spreads = x[:, varies].mean(axis=0), x[:, varies].std(axis=0)
    if np.median(np.abs(means)) < MOST_OFF and SPREADS[0] < np.median(spreads) < SPREADS[1]:
        return SCALED
    return BELOW_ZERO.format(low)


def _on_other_scales(x: Any) -> str:
    """Return what is said of features that are no genes, of which a few vary a hundred times as much as most do."""
    if hasattr(x, "tocoo"):
        return ""
    spreads = x.std(axis=0, dtype=np.float64)
    usual = np.median(spreads[spreads > 0]) if (spreads > 0).any() else np.inf
    return OTHER_SCALES.format(usual, spreads.max()) if spreads.max() > APART * usual else ""


def _one_word(features: pd.Index) -> np.ndarray:
    return np.array([" " not in str(name) for name in features])


def expression(
    adata: AnnData, layer: str | None, *, columns: np.ndarray | slice = slice(None), stores: bool = False
) -> Any:
    """Return ``adata.layers[layer]``, or ``adata.X`` for ``None``: of all genes, or those at the positions given.

    With ``stores``, what is not in memory is a :class:`.Stored` matrix, of which rows are checked when they are read.

    Raises
    ------
    KeyError
        If the layer is missing.
    ValueError
        If there is no ``X``, or what is returned is not in memory, is masked or no real numbers, or holds NaN or inf.
    """
    layers = [name for name in adata.layers.keys() if name is not None]
    if layer is not None and layer not in layers:
        raise KeyError(f"layer {layer!r} is not in adata.layers.{nearest(layer, layers)}")
    x: Any = adata.X if layer is None else adata.layers[layer]
    if x is None:
        raise ValueError("adata.X is None: give the layer that holds the expression.")
    what = expression_name(layer)
    x = stored(x, what=what) if stores else matrix(x, what=what)
    if isinstance(x, Stored):
        return x if isinstance(columns, slice) else x.of_columns(columns)
    return finite(x if isinstance(columns, slice) else x[:, columns], what=what)


def expression_name(layer: str | None) -> str:
    """Return what errors call the expression."""
    return "adata.X" if layer is None else f"adata.layers[{layer!r}]"


def gene_names(adata: AnnData) -> np.ndarray:
    """Return the names of the genes as an array of ``str``, by which they are known again.

    Raises
    ------
    ValueError
        If a name is missing, or two genes share one.
    """
    names = adata.var_names
    # "nan" is a gene of the fly
    missing = names.isna() | (names.astype(str) == "")
    if missing.any():
        raise ValueError(
            f"adata.var_names are missing for {int(missing.sum())} of {len(names)} features, the first at position "
            f"{int(missing.argmax())}: name these, or leave them out."
        )
    texts = names.astype(str)
    unique_var_names(texts)
    return texts.to_numpy(dtype=object)


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
        If genes are missing that it was fitted on, and were not filled.
    """
    known = [k for k in adata.uns if has_decoder(adata, k)]
    if key not in known:
        raise KeyError(
            f"There is no decoder in adata.uns[{key!r}]: only representations made by cs.pp.represent can be decoded."
            f"{nearest(key, known)}"
        )
    found: Mapping[str, Any] = adata.uns[key]
    gene_columns(
        names_of_genes(adata, found.get(_keys.GENE_KEY)),
        [str(name) for name in found["var_names"]],
        what=f"adata.uns[{key!r}] was",
        filled=found.get(_keys.FILLED, ()),
    )
    return found


def points(x: Any, *, n_dims: int, what: str) -> np.ndarray:
    """Return ``x`` as a float32 array of shape (n_cells, n_dims).

    Raises
    ------
    ValueError
        If it has another shape, is masked or not in memory, or holds NaN or inf.
    """
    given = matrix(x, what=what, n_dims=n_dims, remedy=f"give {what}.compute()")
    return dense(finite(given, what=what)).astype(np.float32, copy=False)


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
        raise KeyError(f"There are no coordinates {key!r} in adata.obsm.{nearest(key, adata.obsm)}")
    places = dense(matrix(adata.obsm[key], what=f"adata.obsm[{key!r}]"))
    if places.shape[1] not in (2, 3):
        raise ValueError(f"adata.obsm[{key!r}] has shape {places.shape}; two or three coordinates per cell are needed.")
    return finite(places[rows].astype(np.float64), what=f"adata.obsm[{key!r}]")
