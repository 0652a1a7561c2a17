"""Every check on user input, and the words of every error.

Each function either returns the checked value or raises. None changes what it was given, so an AnnData that fails
validation is left as it was.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _keys

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

MIN_TRAIN_CELLS = 10
"""Fewer train cells than this in a condition cannot define a distribution."""


def nearest(name: object, valid: Iterable[object]) -> str:
    """Return the sentence that names the nearest of ``valid``, and then all of them if they are few."""
    names = [str(v) for v in valid]
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.4)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    if not names:
        return f"{hint} There are none."
    shown = ", ".join(repr(n) for n in names[:20]) + (", ..." if len(names) > 20 else "")
    return f"{hint} Valid: {shown}."


def one_of(value: object, valid: Iterable[object], *, what: str) -> Any:
    """Return ``value`` if it is among ``valid``; raise :class:`ValueError` with the nearest name otherwise."""
    options = list(valid)
    if value not in options:
        msg = f"{what} {value!r} is unknown.{nearest(value, options)}"
        raise ValueError(msg)
    return value


def obs_key(adata: AnnData, key: str, *, what: str = "column") -> pd.Series:
    """Return ``adata.obs[key]``; raise :class:`KeyError` with the nearest column otherwise."""
    if key not in adata.obs:
        msg = f"{what} {key!r} is not in adata.obs.{nearest(key, adata.obs.columns)}"
        raise KeyError(msg)
    return adata.obs[key]


def perturbation_labels(adata: AnnData, perturbation_key: str, control: str) -> np.ndarray:
    """Return the label of every cell as an array of ``str``, of which ``control`` is one.

    Raises
    ------
    KeyError
        If the column is missing.
    ValueError
        If a label is missing, or no cell carries ``control``.
    """
    column = obs_key(adata, perturbation_key, what="perturbation_key")
    if column.isna().any():
        msg = f"adata.obs[{perturbation_key!r}] is missing for {int(column.isna().sum())} cells: drop or label them."
        raise ValueError(msg)
    labels = column.astype(str).to_numpy(dtype=object)
    if control not in set(labels):
        msg = f"control {control!r} is not a category of adata.obs[{perturbation_key!r}].{nearest(control, sorted(set(labels)))}"
        raise ValueError(msg)
    return labels


def targets(labels: np.ndarray, control: str, wanted: str | Sequence[str] | None) -> list[str]:
    """Return the perturbations to work on: ``wanted``, or every label but ``control``, sorted.

    Raises
    ------
    ValueError
        If a wanted perturbation has no cell, is the control itself or is named twice, or nothing is left.
    """
    others = sorted(set(labels) - {control})
    if not others:
        msg = f"Every cell is {control!r}: there is no perturbation to learn."
        raise ValueError(msg)
    if wanted is None:
        return others
    names = [wanted] if isinstance(wanted, str) else [str(w) for w in wanted]
    if not names:
        msg = "targets is empty: give at least one perturbation, or None for all of them."
        raise ValueError(msg)
    for name in names:
        one_of(name, others, what="target")
    if len(set(names)) < len(names):
        msg = f"targets names a perturbation twice: {names}."
        raise ValueError(msg)
    return names


def split_labels(adata: AnnData, split_key: str) -> np.ndarray:
    """Return the split of every cell as an array of ``str``.

    Raises
    ------
    KeyError
        If the column is missing.
    ValueError
        If a cell has a label that is not one of train, valid, test, ood.
    """
    column = obs_key(adata, split_key, what="split_key")
    labels = column.astype(str).to_numpy(dtype=object)
    unknown = sorted(set(labels) - set(_keys.SPLITS))
    if unknown:
        msg = f"adata.obs[{split_key!r}] has labels that are no split: {unknown[:5]}. Valid: {', '.join(_keys.SPLITS)}."
        raise ValueError(msg)
    return labels


def enough_cells(n_cells: int, *, what: str) -> None:
    """Raise :class:`ValueError` if ``what`` has fewer train cells than :data:`MIN_TRAIN_CELLS`."""
    if n_cells < MIN_TRAIN_CELLS:
        msg = f"{what} has {n_cells} train cells; at least {MIN_TRAIN_CELLS} are needed."
        raise ValueError(msg)


def finite(x: np.ndarray, *, what: str) -> np.ndarray:
    """Return ``x``; raise :class:`ValueError` if it holds NaN or inf."""
    bad = ~np.isfinite(x)
    if bad.any():
        msg = f"{what} holds NaN or inf in {int(bad.any(axis=-1).sum())} of {x.shape[0]} cells: remove or impute them."
        raise ValueError(msg)
    return x


def representation_key(adata: AnnData, use_rep: str) -> str:
    """Return ``use_rep`` if it is ``"X"`` or in ``adata.obsm``; raise :class:`KeyError` with the nearest otherwise."""
    if use_rep != _keys.EXPRESSION and use_rep not in adata.obsm:
        valid = [*adata.obsm, _keys.EXPRESSION]
        msg = f"use_rep {use_rep!r} is not in adata.obsm.{nearest(use_rep, valid)}"
        raise KeyError(msg)
    return use_rep


def positive(value: float, *, what: str, integer: bool = False) -> Any:
    """Return ``value`` if it is a positive number (a whole one if ``integer``); raise :class:`ValueError` otherwise."""
    ok = isinstance(value, int | np.integer) if integer else isinstance(value, int | float | np.number)
    if isinstance(value, bool) or not ok or not value > 0:
        msg = f"{what} is {value!r}; a positive {'whole ' if integer else ''}number is needed."
        raise ValueError(msg)
    return value


def fraction(value: float, *, what: str) -> float:
    """Return ``value`` if it lies in [0, 1); raise :class:`ValueError` otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value < 1:
        msg = f"{what} is {value!r}; a number in [0, 1) is needed."
        raise ValueError(msg)
    return float(value)


def unique_obs_names(adata: AnnData) -> None:
    """Raise :class:`ValueError` if two cells share a name."""
    if not adata.obs_names.is_unique:
        twice = adata.obs_names[adata.obs_names.duplicated()][:3].tolist()
        msg = f"adata.obs_names are not unique ({twice} ...): call adata.obs_names_make_unique() first."
        raise ValueError(msg)


def no_unknown(given: Mapping[str, Any], valid: Iterable[str], *, what: str) -> None:
    """Raise :class:`TypeError` if ``given`` has a name that is not among ``valid``."""
    options = sorted(valid)
    for name in given:
        if name not in options:
            msg = f"{what} has no option {name!r}.{nearest(name, options)}"
            raise TypeError(msg)


def writable(path: Path, *, overwrite: bool) -> Path:
    """Return ``path``; raise :class:`FileExistsError` if it exists and may not be overwritten."""
    if path.exists() and not overwrite:
        msg = f"{path} exists; --overwrite replaces it."
        raise FileExistsError(msg)
    return path


def group_codes(adata: AnnData, key: str, *, what: str) -> np.ndarray:
    """Return the categories of ``adata.obs[key]`` as integers.

    Raises
    ------
    KeyError
        If the column is missing.
    ValueError
        If a cell has no category.
    """
    column = obs_key(adata, key, what=what)
    if column.isna().any():
        msg = f"adata.obs[{key!r}] is missing for {int(column.isna().sum())} cells: drop or label them."
        raise ValueError(msg)
    return column.astype("category").cat.codes.to_numpy(dtype=np.int64)


def cell_positions(adata: AnnData, cells: Any) -> np.ndarray:
    """Return positions of the chosen cells, given as a boolean mask, names or positions.

    Raises
    ------
    KeyError
        If a name is unknown.
    IndexError
        If a position is out of range.
    ValueError
        If a mask does not have one entry per cell, or no cell is chosen.
    """
    chosen = np.asarray(cells)
    if chosen.ndim != 1 or chosen.size == 0:
        msg = f"cells has shape {chosen.shape}: a mask, names or positions of at least one cell are needed."
        raise ValueError(msg)
    if chosen.dtype == bool:
        if chosen.size != adata.n_obs:
            msg = f"cells is a mask of {chosen.size} cells; adata has {adata.n_obs}."
            raise ValueError(msg)
        if not chosen.any():
            msg = "cells is a mask that chooses no cell."
            raise ValueError(msg)
        return np.flatnonzero(chosen)
    if np.issubdtype(chosen.dtype, np.integer):
        bad = chosen[(chosen < -adata.n_obs) | (chosen >= adata.n_obs)]
        if bad.size:
            msg = f"cells has position {bad[0]}; adata has {adata.n_obs} cells."
            raise IndexError(msg)
        return chosen % adata.n_obs
    positions = adata.obs_names.get_indexer(chosen.astype(str))
    if (positions < 0).any():
        name = chosen[positions < 0][0]
        msg = f"cell {name!r} is not in adata.obs_names.{nearest(name, adata.obs_names)}"
        raise KeyError(msg)
    return positions


def at_least(value: int, least: int, *, what: str, why: str) -> int:
    """Return ``value`` if it is ``least`` or more; raise :class:`ValueError` otherwise."""
    if value < least:
        msg = f"{what} is {value}; at least {least} are needed: {why}."
        raise ValueError(msg)
    return value


def seed(value: int) -> int:
    """Return ``value`` if it is a whole number, 0 or more; raise :class:`ValueError` otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
        msg = f"seed is {value!r}; a whole number, 0 or more, is needed."
        raise ValueError(msg)
    return int(value)


def new_names(names: str | Sequence[str], *, reserved: str, what: str) -> list[str]:
    """Return the names to be given to something new: ``names``, or the one name it is.

    Raises
    ------
    ValueError
        If there is none, one is given twice, is ``reserved``, or cannot be part of a key of an AnnData.
    """
    given = [names] if isinstance(names, str) else list(names)
    if not given:
        msg = f"{what} is empty: give at least one name."
        raise ValueError(msg)
    for name in given:
        if not isinstance(name, str) or not name or "/" in name:
            msg = f"{what} has {name!r}: a name is text that is not empty and has no '/'."
            raise ValueError(msg)
    if reserved in given:
        msg = f"{what} has {reserved!r}, which names the other cells: choose another name."
        raise ValueError(msg)
    if len(set(given)) < len(given):
        msg = f"{what} names one twice: {given}."
        raise ValueError(msg)
    return given


def categories(adata: AnnData, key: str, *, what: str) -> tuple[list[str], np.ndarray]:
    """Return the sorted categories of ``what``'s ``obs[key]`` and the index of each cell's among them.

    Raises
    ------
    ValueError
        If a cell has none.
    """
    column = adata.obs[key]
    if column.isna().any():
        msg = f"{what}.obs[{key!r}] is missing for {int(column.isna().sum())} cells: drop or label them."
        raise ValueError(msg)
    labels, codes = np.unique(column.astype(str).to_numpy(dtype=object), return_inverse=True)
    return [str(label) for label in labels], codes


def finite_expression(x: Any, *, what: str) -> Any:
    """Return the dense or sparse matrix ``x``; raise :class:`ValueError` if it holds NaN or inf."""
    if hasattr(x, "tocoo"):
        bad = ~np.isfinite(x.data)
        rows = np.unique(x.tocoo().row[bad]) if bad.any() else ()
    else:
        rows = np.flatnonzero(~np.isfinite(x).all(axis=1))
    if len(rows):
        msg = f"{what} holds NaN or inf in {len(rows)} of {x.shape[0]} cells: remove or impute them."
        raise ValueError(msg)
    return x


def log_expression(adata: AnnData, *, what: str) -> tuple[Any, pd.Index]:
    """Return log1p-normalised expression and its genes: ``X`` or, if that has negative values, ``raw.X``.

    Raises
    ------
    ValueError
        If neither is there without negative values, it has NaN or inf, or it looks like counts.
    """
    sources = [s for s in (adata, adata.raw) if s is not None and s.X is not None and s.X.size]
    source = next((s for s in sources if not s.X.min() < 0), None)
    if source is None:
        msg = f"{what} has no expression without negative values in X or raw.X: log1p of normalised counts is needed."
        raise ValueError(msg)
    x = finite_expression(source.X, what=f"{what}.X")
    if not ((x.data if hasattr(x, "tocoo") else x) % 1).any():
        msg = f"{what}.X holds whole numbers only, as counts do: normalise it and take log1p."
        raise ValueError(msg)
    return x, source.var_names
