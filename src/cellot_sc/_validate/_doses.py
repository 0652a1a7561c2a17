"""Doses: numbers of one unit, of which some may be 0."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .._numbers import shown
from ._labels import obs_key, texts
from ._names import nearest, several

if TYPE_CHECKING:
    from anndata import AnnData


NUMBER = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*((?:[^\W\d_]|%|\u00b0).*?)?\s*")
"""A unit begins with a letter, so that no decimal comma, fraction or range does."""
DIGITS = 12
"""Significant digits of a dose: what differs less is the same one."""


def dose_values(adata: AnnData, dose_key: str, untreated: np.ndarray) -> tuple[np.ndarray, str]:
    """Return the dose of every cell, 0 for untreated ones, and the unit, empty where none is written.

    Parameters
    ----------
    adata
        Annotated data.
    dose_key
        Column of ``obs`` with numbers, or texts of numbers, which may have one unit.
    untreated
        Which cells are untreated, as a mask: their dose may be missing.

    Raises
    ------
    KeyError
        If the column is missing.
    ValueError
        If a treated cell has no dose, one that is no number, negative or infinite, units are mixed, or an untreated
        cell has a dose.
    """
    where = f"adata.obs[{dose_key!r}]"
    labels = texts(obs_key(adata, dose_key, what="dose_key"))
    absent = pd.isna(labels)
    if (absent & ~untreated).any():
        raise ValueError(
            f"{where} is missing for {int((absent & ~untreated).sum())} treated cells: leave these out, or give their "
            "dose. Only untreated cells, those of control, need none."
        )
    parsed = {label: _parsed(label, where) for label in set(labels[~absent])}
    units = sorted({unit for value, unit in parsed.values() if value})
    if len(units) > 1:
        named = " and ".join(repr(unit) if unit else "none" for unit in units)
        raise ValueError(f"{where} has doses in several units ({named}): convert them to one.")
    values = np.array([0.0 if label is None else parsed[label][0] for label in labels])
    if (values[untreated] > 0).any():
        raise ValueError(
            f"{where} is {values[untreated].max():g} for cells of control, which are untreated: they need 0 or none. "
            "With control=None, the lowest dose of a perturbation is where its cells start."
        )
    return values, units[0] if units else ""


def dose_value(dose: Any, unit: str) -> float:
    """Return a dose that was given as a number, or as text with its unit.

    Raises
    ------
    ValueError
        If it is no such number, or has another unit.
    """
    if isinstance(dose, bool | np.bool_) or not isinstance(dose, str | int | float | np.number):
        raise ValueError(f"dose is {shown(dose)}; a number is needed.")
    value, written = _parsed(str(dose), "dose")
    if written not in ("", unit):
        raise ValueError(f"dose {dose!r} is in {written!r}, and doses are in {unit or 'no unit'}: convert it.")
    return value


def several_doses(doses: Any) -> list[float]:
    """Return three doses or more, all above 0, the lowest first; raise :class:`ValueError` if they are not."""
    values = np.unique([dose_value(dose, "") for dose in several(doses)])
    if len(values) < 3 or len(values) != len(several(doses)) or values[0] <= 0:
        raise ValueError(f"doses is {shown(doses)}; three different numbers above 0, or more, are needed.")
    return [float(value) for value in values]


def measured_doses(n_doses: int, name: str, dose_key: str) -> None:
    """Raise :class:`ValueError` if a perturbation has one dose only, that of the cells it starts from."""
    if n_doses < 2:
        raise ValueError(
            f"{name!r} has cells of one dose only in adata.obs[{dose_key!r}]: two are needed, with untreated cells. "
            "Leave it out by targets."
        )


def within_doses(dose: float, doses: np.ndarray, name: str, *, extrapolate: bool) -> None:
    """Raise :class:`ValueError` if a dose is beyond those that were measured, unless that is asked for."""
    if not extrapolate and not doses[0] <= dose <= doses[-1]:
        raise ValueError(
            f"dose {dose:g} of {name!r} is not between {doses[0]:g} and {doses[-1]:g}, which were measured: "
            "extrapolate=True goes on along the Hill curve."
        )


def cells_to_move(n_cells: int, name: str, *, split: str) -> None:
    """Raise :class:`ValueError` if no cell that predictions could start from was not learnt from."""
    if not n_cells:
        raise ValueError(
            f"split {split!r} has no cell that maps of {name!r} start from, and no other was left out of learning: "
            "give another split."
        )


def kept_doses(adata: AnnData, key: str, version: int) -> Mapping[str, Any]:
    """Return what is kept of maps to doses under ``key``.

    Raises
    ------
    KeyError
        If there is nothing.
    ValueError
        If it is not of the format ``version``.
    """
    found = {
        name: kept
        for name, kept in adata.uns.items()
        if isinstance(kept, Mapping) and {"families", "curves"} <= set(kept)
    }
    if key not in found:
        hint = nearest(key, found) if found else ""
        raise KeyError(f"adata.uns[{key!r}] holds no maps to doses: call cs.tl.dose_response first.{hint}")
    kept = found[key]
    if kept.get("format_version") != version:
        raise ValueError(
            f"adata.uns[{key!r}] is of format {shown(kept.get('format_version'))}, and format {version} is needed: fit "
            "again."
        )
    return kept


def _parsed(label: str, where: str) -> tuple[float, str]:
    """Return the number and the unit of a text."""
    found = NUMBER.fullmatch(label)
    value = float(f"{float(found[1]):.{DIGITS}g}") if found else float("nan")
    if not found or not np.isfinite(value) or value < 0:
        comma = " Decimals are written with a point, and thousands without a comma." if "," in label else ""
        raise ValueError(f"{where} has {label!r}; a finite number that is not negative is needed as a dose.{comma}")
    return value, (found[2] or "").replace("\u03bc", "\u00b5")
