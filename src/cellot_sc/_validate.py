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
