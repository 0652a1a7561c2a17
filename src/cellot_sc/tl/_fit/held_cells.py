"""Finds cells that were learnt from in what is kept of a fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

CHUNK = 4096
"""Places that are compared at once."""


def holds_cells(tree: Any, latent: np.ndarray) -> str | None:
    """Return the path of the first array in which some cell stands, number by number, or ``None`` if none does.

    An array may hold it anywhere, as a row or a column or a part of a longer row. Cells of which all numbers are 0, and
    those of one dimension, are not told from chance.

    Parameters
    ----------
    tree
        Dicts, lists and arrays, nested.
    latent
        The cells, shape ``(n_cells, n_dims)``.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.tl._fit.held_cells import holds_cells
    >>> cells = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> holds_cells({"mean": cells.mean(axis=0), "anchors": {"0": cells.T}}, cells)
    'anchors.0'
    """
    # so that -0.0 is 0.0
    cells = np.asarray(latent, dtype=np.float32) + np.float32(0)
    cells = np.ascontiguousarray(cells[cells.any(axis=1)])
    n_dims = latent.shape[1]
    if n_dims < 2 or not len(cells):
        return None
    known = {cell.tobytes() for cell in cells}
    # the dimension that tells cells apart best, so that few places are looked at closely
    told = int(np.argmax([len(np.unique(column)) for column in cells.T]))
    values = np.unique(cells[:, told])

    def occurs(numbers: np.ndarray) -> bool:
        if len(numbers) < n_dims:
            return False
        windows = sliding_window_view(numbers, n_dims)
        places = np.flatnonzero(np.isin(windows[:, told], values))
        parts = (windows[places[start : start + CHUNK]] for start in range(0, len(places), CHUNK))
        return any(window.tobytes() in known for part in parts for window in part)

    for path, array in _arrays(tree, ""):
        with np.errstate(over="ignore"):
            numbers = array.astype(np.float32) + np.float32(0)
        turned = [np.swapaxes(numbers, -1, -2)] if numbers.ndim > 1 and numbers.shape[-2] == n_dims else []
        if any(occurs(of.ravel()) for of in (numbers, *turned)):
            return path
    return None


def _arrays(tree: Any, path: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yield all arrays of numbers with their paths; sequences of numbers are such arrays, too."""
    if isinstance(tree, Mapping):
        for name, part in tree.items():
            yield from _arrays(part, f"{path}.{name}" if path else str(name))
        return
    if isinstance(tree, list | tuple):
        if not all(isinstance(part, int | float | np.number) for part in tree):
            yield from _arrays(dict(enumerate(tree)), path)
            return
        tree = np.array(tree, dtype=np.float64)
    if isinstance(tree, np.ndarray) and tree.dtype.kind in "fiu":
        yield path, tree
