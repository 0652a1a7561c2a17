"""What is kept of a fit in ``uns``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from .._numbers import shown
from ._names import nearest

if TYPE_CHECKING:
    from anndata import AnnData


ELSEWHERE = "Maps of a model are applied to these cells by cs.tl.predict(adata, model=...)."
"""What is said where no maps are, in words that hold for Python and the shell."""


def has_fit(adata: AnnData, key: str) -> bool:
    """Return whether fitted maps, of whatever format, are kept under ``key``."""
    kept = adata.uns.get(key)
    return isinstance(kept, Mapping) and isinstance(kept.get("maps"), Mapping) and "history" in kept


def kept_fits(adata: AnnData) -> dict[str, Mapping[str, Any]]:
    """Return what is kept of every fit that knows its origin, by its key in ``uns``."""
    return {key: adata.uns[key] for key in adata.uns if has_fit(adata, key) and "origin" in adata.uns[key]}


def kept_fit(adata: AnnData, key: str, version: int) -> Mapping[str, Any]:
    """Return what is kept of the fit under ``key``.

    Raises
    ------
    KeyError
        If there is none.
    ValueError
        If it is not of the format ``version``.
    """
    if not has_fit(adata, key):
        known = [name for name in adata.uns if has_fit(adata, name)]
        hint = nearest(key, known) if known else " " + ELSEWHERE
        raise KeyError(f"adata.uns[{key!r}] holds no fitted maps: call cs.tl.cellot first.{hint}")
    kept = adata.uns[key]
    written = kept.get("format_version")
    if not isinstance(written, int | np.integer) or written != version:
        by = kept["versions"].get("cellot_sc", "") if isinstance(kept.get("versions"), Mapping) else ""
        form = "unknown" if written is None else shown(written)
        raise ValueError(
            f"adata.uns[{key!r}] is of format {form}, and format {version} is needed: "
            f"fit again, or install the version of cellot-sc that wrote it{f' ({by})' if by else ''}."
        )
    return kept


def has_course(adata: AnnData, key: str) -> None:
    """Raise :class:`KeyError` if no fit is kept under ``key``, and a time course is needed."""
    if not has_fit(adata, key):
        known = [name for name in adata.uns if has_fit(adata, name) and "times" in adata.uns[name]]
        hint = nearest(key, known) if known else ""
        raise KeyError(f"adata.uns[{key!r}] holds no time course: call cs.tl.trajectory first.{hint}")


def not_treatment(label_key: str, columns: Mapping[str, str | None]) -> None:
    """Raise :class:`ValueError` if a column of what cells are, by its use, is the one that maps are fitted by."""
    for what, column in columns.items():
        if column == label_key:
            raise ValueError(
                f"{what} {column!r} is the column that maps are fitted by, of what was done to cells: give one of what "
                "they are or come from, such as the cell type or the patient."
            )


def broken_fit(key: str, error: Exception) -> NoReturn:
    """Raise :class:`ValueError`: what is kept of a fit is not all there, or not what it was."""
    reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    raise ValueError(
        f"adata.uns[{key!r}] holds fitted maps that cannot be read ({reason}): fit again, or read the file anew."
    ) from error
