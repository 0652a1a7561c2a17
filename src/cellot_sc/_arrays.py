"""Matrices as they come: what is in memory is taken, everything else gets one sentence; for every room."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

REAL = "biuf"
"""Kinds of dtypes that are real numbers."""
LARGEST = np.finfo(np.float32).max
"""What is larger becomes infinite in single precision, in which cells are kept."""
MOST_COMPARED = 1e12
"""Of larger numbers, single precision does not hold the squares of differences, summed over dimensions."""


def matrix(x: Any, *, what: str, n_dims: int | None = None, remedy: str = "take adata.to_memory() instead") -> Any:
    """Return ``x`` as an array, or a CSR or CSC matrix, of real numbers, shape ``(n_cells, n_dims)``.

    Parameters
    ----------
    x
        Dense or sparse matrix, table, or data set of a file that numpy can read.
    what
        What it is called.
    n_dims
        Number of columns that it has to have, any with ``None``.
    remedy
        How what is not in memory gets there.

    Raises
    ------
    ValueError
        If its values are not in memory, masked or no real numbers, or its shape is another.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc._arrays import matrix
    >>> matrix(np.ma.array([[1.0, 2.0]], mask=[[False, True]]), what="adata.X")
    Traceback (most recent call last):
        ...
    ValueError: adata.X is masked at 1 of 2 values: fill them in, or leave out their cells or genes.
    """
    if x is None:
        raise ValueError(f"{what} is None: a matrix of numbers is needed.")
    package = type(x).__module__.partition(".")[0]
    kind = f"{package}.{type(x).__name__.removeprefix('_')}"
    if hasattr(x, "obsm") and hasattr(x, "X"):
        raise ValueError(f"{what} is an {type(x).__name__}: give its X, or one of its obsm.")
    chunked = getattr(x, "chunks", None) is not None and hasattr(x, "compute")
    if package == "dask" or chunked or hasattr(x, "to_memory"):
        raise ValueError(f"{what} is of type {kind}, whose values are not in memory: {remedy}.")
    if package in ("cupy", "cupyx"):
        raise ValueError(f"{what} is of type {kind}, on a GPU: bring it to the host with .get() first.")
    x = unmasked(x, what=what)
    if hasattr(x, "dtypes") and hasattr(x, "columns"):
        texts = [str(name) for name, dtype in zip(x.columns, x.dtypes, strict=True) if not is_real(dtype)]
        if texts:
            raise ValueError(f"{what} has columns that are no real numbers: {', '.join(texts[:5])}. Leave them out.")
        x = x.to_numpy(dtype=np.float64, na_value=np.nan)
    elif sparse.issparse(x):
        x = x if x.format in ("csr", "csc") else x.tocsr()
    else:
        x = _array(x, what=what, kind=kind)
    if not is_real(x.dtype):
        raise ValueError(f"{what} is made of {x.dtype}: real numbers are needed.")
    if len(x.shape) != 2 or x.shape[1] == 0 or (n_dims is not None and x.shape[1] != n_dims):
        needed = "n_dims" if n_dims is None else n_dims
        raise ValueError(f"{what} has shape {x.shape}; (n_cells, {needed}) is needed.")
    return x


def unmasked[Array](x: Array, *, what: str) -> Array:
    """Return ``x``; raise :class:`ValueError` if it is a masked array of which something is masked."""
    if isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x):
        hidden = f"{np.ma.count_masked(x)} of {x.size} values"
        raise ValueError(f"{what} is masked at {hidden}: fill them in, or leave out their cells or genes.")
    return x


def dense(x: Any) -> np.ndarray:
    """Return a dense or sparse matrix as an array."""
    return np.asarray(x.toarray() if hasattr(x, "toarray") else x)


def rows_not_finite(x: Any) -> np.ndarray:
    """Return the positions of the rows that hold NaN, inf or what single precision cannot hold.

    Parameters
    ----------
    x
        Dense or sparse matrix.
    """
    values = x.data if sparse.issparse(x) else x
    bad = ~np.isfinite(values)
    if values.dtype.kind == "f" and values.dtype.itemsize > 4:
        bad |= np.abs(values) > LARGEST
    return np.unique(x.tocoo().row[bad]) if sparse.issparse(x) else np.flatnonzero(bad.any(axis=1))


def is_whole(x: Any, *, chunk: int = 1 << 20) -> bool:
    """Return whether all values of a dense or sparse matrix are whole numbers."""
    values = (x.data if sparse.issparse(x) else x).reshape(-1)
    if values.dtype.kind in "biu":
        return True
    with np.errstate(invalid="ignore"):
        # most matrices hold something else near their beginning
        return not any((values[start : start + chunk] % 1).any() for start in range(0, len(values), chunk))


def is_real(dtype: Any) -> bool:
    """Return whether values of a dtype are real numbers."""
    return getattr(dtype, "kind", "O") in REAL


def _array(x: Any, *, what: str, kind: str) -> np.ndarray:
    try:
        return np.asarray(x)
    # what tensors on another device raise, or lists of unequal length
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{what} is of type {kind}, which numpy cannot read: a matrix in memory is needed.") from error
