"""Which cells are meant: by a mask, by names or by positions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ._names import nearest

if TYPE_CHECKING:
    from anndata import AnnData

NEEDED = "a boolean mask, names or positions of cells are needed"


def unique_obs_names(adata: AnnData) -> None:
    """Raise :class:`ValueError` if two cells share a name."""
    if not adata.obs_names.is_unique:
        twice = adata.obs_names[adata.obs_names.duplicated()][:3].tolist()
        raise ValueError(f"adata.obs_names are not unique ({twice} ...): call adata.obs_names_make_unique() first.")


def cell_positions(adata: AnnData, cells: Any) -> np.ndarray:
    """Return positions of the chosen cells.

    Parameters
    ----------
    adata
        Annotated data.
    cells
        A boolean mask, names or positions, in whatever one-dimensional container; a slice of positions; one name or
        one position. A mask that is a Series is aligned by its index.

    Raises
    ------
    KeyError
        If a name is unknown.
    IndexError
        If a position is out of range.
    TypeError
        If it is something else.
    ValueError
        If a mask does not say of every cell, and of no other, whether it is chosen; no cell is chosen, or one twice;
        or names are given and cells share one.
    """
    if isinstance(cells, slice):
        positions = _sliced(adata, cells)
    else:
        values = _values(cells)
        kind = pd.api.types.infer_dtype(values, skipna=True)
        if values.isna().any():
            raise ValueError(f"cells is missing (NA) for {int(values.isna().sum())} entries: fill or drop these.")
        if not len(values):
            raise ValueError("cells is empty: at least one cell is needed.")
        if kind == "boolean":
            positions = np.flatnonzero(_mask(adata, values.astype(bool), by_index=isinstance(cells, pd.Series)))
        elif kind == "integer":
            positions = _by_position(adata, np.asarray(values))
        elif kind == "string":
            positions = _by_name(adata, values.astype(str))
        elif any(map(pd.api.types.is_list_like, values)):
            raise ValueError(f"cells holds {type(values.iloc[0]).__name__}s: one dimension is needed.")
        else:
            raise TypeError(f"cells holds {kind} values: {NEEDED}.")
    if not len(positions):
        raise ValueError("cells chooses no cell: at least one is needed.")
    if len(again := pd.Index(positions)[pd.Index(positions).duplicated()]):
        raise ValueError(f"cells has cell {adata.obs_names[again[0]]!r} twice: choose each cell once.")
    return positions


def _sliced(adata: AnnData, cells: slice) -> np.ndarray:
    ends = (cells.start, cells.stop, cells.step)
    if any(end is not None and (isinstance(end, bool) or not isinstance(end, int | np.integer)) for end in ends):
        raise TypeError(f"cells is {cells!r}: a slice of positions is needed, or names one by one.")
    if cells.step == 0:
        raise ValueError(f"cells is {cells!r}: a step other than 0 is needed.")
    return np.arange(adata.n_obs)[cells]


def _values(cells: Any) -> pd.Series:
    """Return what is chosen by, one entry after the other, with the index that it came with."""
    if isinstance(cells, str | int | np.integer) and not isinstance(cells, bool):
        return pd.Series([cells])
    if not pd.api.types.is_list_like(cells, allow_sets=False) or isinstance(cells, dict | pd.DataFrame):
        raise TypeError(f"cells is of type {type(cells).__name__}: {NEEDED}.")
    if len(shape := getattr(cells, "shape", (1,))) != 1:
        raise ValueError(f"cells has shape {shape}: one dimension is needed.")
    kept = isinstance(cells, pd.Series | pd.Index | pd.api.extensions.ExtensionArray | np.ndarray)
    values = cells if kept else np.asarray(cells) if hasattr(cells, "__array__") else list(cells)
    series = pd.Series(values, dtype=None if len(values) else object)
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype if not series.isna().any() else object)
    return series


def _mask(adata: AnnData, mask: pd.Series, *, by_index: bool) -> np.ndarray:
    """Return a mask in the order of the cells: by its index if that holds their names, else as it is."""
    if len(mask) != adata.n_obs:
        raise ValueError(f"cells is a mask of {len(mask)} cells; adata has {adata.n_obs}.")
    names, index = adata.obs_names, mask.index.map(str)
    if not by_index or index.equals(names):
        return mask.to_numpy()
    same = names.is_unique and index.is_unique and not len(index.difference(names))
    # numbers from 0 are what pandas gives a Series of its own accord: they name no cells, unless cells are so named
    counted = mask.index.equals(pd.RangeIndex(adata.n_obs))
    if counted and not same:
        return mask.to_numpy()
    if counted or not same:
        reason = "numbers, by which cells in another order are named" if counted else "not that of the cells"
        raise ValueError(
            f"cells is a mask whose index is {reason}: index it by adata.obs_names, or give cells.to_numpy() if it is "
            "in their order."
        )
    return mask.set_axis(index).reindex(names).to_numpy()


def _by_position(adata: AnnData, positions: np.ndarray) -> np.ndarray:
    bad = positions[(positions < -adata.n_obs) | (positions >= adata.n_obs)]
    if bad.size:
        raise IndexError(f"cells has position {bad[0]}; adata has {adata.n_obs} cells.")
    return positions.astype(np.int64) % adata.n_obs


def _by_name(adata: AnnData, names: pd.Series) -> np.ndarray:
    unique_obs_names(adata)
    positions = adata.obs_names.get_indexer(pd.Index(names))
    if (positions < 0).any():
        name = str(names[positions < 0].iloc[0])
        raise KeyError(f"cell {name!r} is not in adata.obs_names.{nearest(name, adata.obs_names)}")
    return positions
