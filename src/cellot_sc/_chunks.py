"""Rows of matrices that are not in memory, a bounded number at a time; for every room.

A matrix is stored if reading it is work: a dense or sparse data set of a file (HDF5 or zarr), or a dask array. Nothing
is imported to tell: all of them have the size of their chunks, or a format and a way to memory.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
from scipy import sparse

from ._arrays import is_real, matrix, rows_not_finite

MAX_VALUES = 2**21
"""Values, zeros included, of the rows that are handed out at once: 8 MB in single precision. What has no more than that
is read at once, and is a matrix in memory from then on."""
MAX_TOGETHER = 2**27
"""Values that may have to be read together to get at some of them: half a GB in single precision."""
DENSE_SHARE = 0.25
"""Of rows that are at least this share of those from the first to the last, all are read, in one go."""


@dataclasses.dataclass(frozen=True, eq=False)
class Stored:
    """Rows of a stored matrix, of all its columns or some; what is read is checked, as nothing has been before.

    Parameters
    ----------
    source
        The stored matrix.
    rows
        Positions of the rows, increasing.
    what
        What errors call it.
    columns
        Positions of the columns, in any order; ``None`` are all.
    finite
        Whether these may hold nothing but finite numbers.
    made
        What is made of the rows once they are read, and its number of columns; they are taken as they are if ``None``.
    """

    source: Any
    rows: np.ndarray
    what: str
    columns: np.ndarray | None = None
    finite: bool = True
    made: tuple[Callable[[Any], Any], int] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of columns."""
        if self.made is not None:
            return len(self.rows), self.made[1]
        return len(self.rows), int(self.source.shape[1]) if self.columns is None else len(self.columns)

    @property
    def dtype(self) -> np.dtype:
        """Kind of the values."""
        return self.source.dtype

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Any) -> Self:
        """Return some of the rows, unread: a mask, a slice or increasing positions."""
        return dataclasses.replace(self, rows=self.rows[rows])

    def of_columns(self, columns: np.ndarray) -> Self:
        """Return the same rows of some columns, at positions in any order."""
        return dataclasses.replace(self, columns=columns)

    def made_into(self, function: Callable[[Any], Any], n_columns: int) -> Self:
        """Return what a function makes of the rows, as they are read: a matrix with so many columns."""
        return dataclasses.replace(self, made=(function, n_columns))

    def to_memory(self) -> Any:
        """Return all rows, as an array or a CSR matrix.

        Raises
        ------
        ValueError
            If they are not finite in single precision and have to be, or no real numbers.
        """
        parts = [part for _, part in chunks(self)]
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return self._checked(self.source[:0])
        return sparse.vstack(parts, format="csr") if sparse.issparse(parts[0]) else np.concatenate(parts)

    def toarray(self) -> np.ndarray:
        """Return all rows as an array; errors of :meth:`to_memory`."""
        x = self.to_memory()
        return x.toarray() if sparse.issparse(x) else x

    def parts(self) -> Iterator[tuple[slice, Any]]:
        """Yield rows that the file has beside each other, and where they are among all: each is read once."""
        for start, stop in _spans(self.source):
            first, last = np.searchsorted(self.rows, (start, stop))
            if first < last:
                yield slice(int(first), int(last)), self._checked(self._read(self.rows[first:last]))

    def _read(self, rows: np.ndarray) -> Any:
        with _reading(self.what):
            return _read(self.source, rows)

    def _checked(self, x: Any) -> Any:
        x = matrix(_computed(x), what=self.what)
        x = x.tocsr() if sparse.issparse(x) else x
        x = x if self.columns is None else x[:, self.columns]
        if self.finite and (n_bad := len(rows_not_finite(x))):
            held = f"{self.what} holds NaN, inf or numbers beyond 3.4e38"
            raise ValueError(f"{held} in {n_bad} of {x.shape[0]} cells that were read together: remove or impute them.")
        return x if self.made is None else self.made[0](x)


def stored(x: Any, *, what: str, finite: bool = True) -> Any:
    """Return a matrix in memory, or of what is not in memory and larger, its rows to be read: :class:`Stored`.

    Parameters
    ----------
    x
        Dense or sparse matrix in memory, in a file, or a dask array, shape ``(n_cells, n_dims)``.
    what
        What it is called.
    finite
        Whether rows that are to be read have to be finite; what is in memory is not looked at.

    Raises
    ------
    ValueError
        If it is none, has unknown size or no real numbers, or could only be read in pieces that are too large.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc._chunks import stored
    >>> stored(np.eye(2), what="adata.X").shape
    (2, 2)
    """
    in_file = _in_file(x)
    if not is_stored(x):
        return matrix(x, what=what)
    if len(x.shape) != 2 or np.isnan(x.shape).any() or x.shape[1] == 0:
        raise ValueError(f"{what} has shape {x.shape}; (n_cells, n_dims) is needed, and known before it is read.")
    if not is_real(x.dtype):
        raise ValueError(f"{what} is made of {x.dtype}: real numbers are needed.")
    with _reading(what):
        n_values = x.group["data"].shape[0] if in_file else x.shape[0] * x.shape[1]
    together = n_values if in_file and x.format == "csc" else min(max(_heights(x)), x.shape[0]) * x.shape[1]
    if n_values <= MAX_VALUES or (in_file and x.format == "csc" and together <= MAX_TOGETHER):
        with _reading(what):
            read = x.to_memory() if in_file else _computed(x[:])
        read = matrix(read, what=what)
        return read.tocsr() if sparse.issparse(read) else read
    if together > MAX_TOGETHER:
        # to read a cell of a file that is ordered by genes is to read them all
        raise ValueError(
            f"{what} can be read only {together:,} values at a time, which are too many: store it by cells, sparse "
            "ones as CSR and not CSC, in chunks of some thousand cells and all genes."
        )
    return Stored(x, np.arange(x.shape[0]), what, finite=finite)


def is_stored(x: Any) -> bool:
    """Return whether to read a matrix is work, however small it is."""
    # tables and arrays with labels have chunks, too, and more than rows
    return _in_file(x) or (hasattr(x, "chunks") and hasattr(x, "dtype") and not hasattr(x, "coords"))


def _in_file(x: Any) -> bool:
    return hasattr(x, "to_memory") and hasattr(x, "format") and hasattr(x, "group")


def chunks(x: Any, n_rows: int | None = None) -> Iterator[tuple[slice, Any]]:
    """Yield some rows in memory, and where they are among all, in order.

    Parameters
    ----------
    x
        Dense or sparse matrix with rows, or :class:`Stored`.
    n_rows
        Rows at once; ``None`` are as many as have :data:`MAX_VALUES` values.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc._chunks import chunks
    >>> [rows.shape for _, rows in chunks(np.ones((5, 2)), 3)]
    [(3, 2), (2, 2)]
    """
    n_rows = n_rows or _n_rows(x)
    for at, part in x.parts() if isinstance(x, Stored) else [(slice(0, x.shape[0]), x)]:
        for start in range(0, part.shape[0], n_rows):
            few = part[start : start + n_rows]
            yield slice(at.start + start, at.start + start + few.shape[0]), few


def taken(x: Any, rows: Any) -> Any:
    """Return rows of a matrix, or of a :class:`Stored` one, in memory: a mask, a slice or positions in any order.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc._chunks import taken
    >>> taken(np.eye(3), [2, 0]).argmax(axis=1).tolist()
    [2, 0]
    """
    if not isinstance(x, Stored):
        return x[rows]
    positions = np.arange(x.shape[0])[rows]
    wanted, back = np.unique(positions, return_inverse=True)
    found = x[wanted].to_memory()
    return found if np.array_equal(wanted, positions) else found[back]


def pools(x: Any, rng: np.random.Generator, n_rows: int, n_runs: int = 32) -> Iterator[Any]:
    """Yield all rows once: a matrix in memory as it is, a stored one in pieces that are mixed of many places.

    What fits into one piece is no piece, but as it is.

    Parameters
    ----------
    x
        Dense or sparse matrix with rows, or :class:`Stored`.
    rng
        What chance is drawn from, if there are pieces.
    n_rows
        Rows of a piece, about.
    n_runs
        Runs of rows that are beside each other, in a piece.
    """
    if not isinstance(x, Stored):
        yield x
        return
    n_pools = round(x.shape[0] / n_rows)
    if n_pools < 2:
        yield x.to_memory()
        return
    runs = np.array_split(np.arange(x.shape[0]), min(x.shape[0], n_pools * n_runs))
    for of_pool in np.array_split(rng.permutation(len(runs)), n_pools):
        yield x[np.concatenate([runs[i] for i in sorted(of_pool)])].to_memory()


@contextmanager
def _reading(what: str) -> Iterator[None]:
    """Turn what HDF5, zarr and their codecs raise of bytes that are not as they were written into one sentence."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, KeyError, IndexError) as error:
        reason = (str(error).strip("'\" ") or type(error).__name__).splitlines()[0]
        raise ValueError(f"{what} cannot be read, as if its file were cut off or changed: {reason}") from error


def _n_rows(x: Any) -> int:
    return max(1, MAX_VALUES // x.shape[1])


def _heights(source: Any) -> tuple[int, ...]:
    """Return the numbers of rows that have to be read together: of each piece, or one number for all."""
    chunk = getattr(source, "chunks", None)
    first = chunk[0] if chunk else 1
    return first if isinstance(first, tuple) else (first,)


def _spans(source: Any) -> Iterator[tuple[int, int]]:
    """Yield where to begin and to end, so that whole chunks are read, if not too many rows."""
    heights, most, n_rows = _heights(source), _n_rows(source), source.shape[0]
    if len(heights) == 1:
        step = max(1, most // heights[0]) * heights[0]
        yield from ((start, min(start + step, n_rows)) for start in range(0, n_rows, step))
        return
    start = stop = 0
    for height in heights:
        if stop > start and stop + height - start > most:
            yield start, stop
            start = stop
        stop += height
    yield start, stop


def _read(source: Any, rows: np.ndarray) -> Any:
    """Return rows, of increasing positions, of a stored matrix."""
    first, end = int(rows[0]), int(rows[-1]) + 1
    if len(rows) >= DENSE_SHARE * (end - first):
        near = _computed(source[first:end])
        return near if len(rows) == end - first else near[rows - first]
    # what a list of positions means is not the same in all of them
    return source.oindex[rows, :] if hasattr(source, "oindex") else source[rows, :]


def _computed(x: Any) -> Any:
    return x.compute() if hasattr(x, "compute") else x
