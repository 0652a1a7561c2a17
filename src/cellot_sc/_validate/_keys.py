"""The key that a user names for what is written to an AnnData: one that files can hold, and that overwrites nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import pandas as pd

from .. import _keys
from ._fits import has_fit
from ._matrices import has_decoder

if TYPE_CHECKING:
    from anndata import AnnData

NOT_IN_KEYS = "/\\\0"
"""h5ad and zarr take the first for a folder, zarr the second, and nothing can hold the third."""
RESERVED = (".", "..", "_index", "zarr.json")
"""Names that h5ad or zarr keep for themselves."""
MAX_BYTES = 200
"""Zarr makes a file of every key, and what is written beside it is named after it: file systems take 255 bytes."""

DECODER, FATES, CLUSTERS = "the decoder of a representation", "the fates of cells", "clusters of cells"
"""What the functions of this package keep under a key of ``uns`` besides fitted maps."""
DOSES = "maps to doses"
"""What :func:`cellot_sc.tl.dose_response` keeps."""
SPLITTING = "how cells were split"
"""What :func:`cellot_sc.pp.split` keeps."""
FITTED = "the fitted maps"
FOREIGN = "what another function or package wrote"


def key(name: object, *, what: str = "key_added") -> str:
    """Return a key that h5ad and zarr files can hold; raise :class:`ValueError` otherwise."""
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"{what} is {name!r}: text that is not empty is needed.")
    taken = [character for character in NOT_IN_KEYS if character in name]
    if taken:
        raise ValueError(
            f"{what} {name!r} has {taken[0]!r}, with which no file can be written: leave it out, as in "
            f"{name.replace(taken[0], '_')!r}."
        )
    if name in RESERVED:
        raise ValueError(f"{what} {name!r} is a name that files keep for themselves: choose another name.")
    if len(name.encode(errors="replace")) > MAX_BYTES or not _encodes(name):
        raise ValueError(f"{what} {name[:40]!r} is no UTF-8 text of at most {MAX_BYTES} bytes: choose a shorter name.")
    return name


def new_key(adata: AnnData, name: object, kind: str, *, what: str = "key_added") -> str:
    """Return the key under which a result is to be written: it may overwrite an older one of its kind, and no other.

    Parameters
    ----------
    adata
        Annotated data that is to be written to.
    name
        The key.
    kind
        What will be in ``uns[name]``: the kind of a fit, :data:`DECODER`, :data:`FATES`, :data:`CLUSTERS` or
        :data:`SPLITTING`.
    what
        What the key is called.

    Raises
    ------
    ValueError
        If no file can hold the key, or something else is kept there, or in ``obsm``.
    """
    checked = key(name, what=what)
    kept = _kind(adata, checked)
    if kept is not None and kept != kind:
        raise _taken(checked, kept, what=what)
    # what was put together from several AnnData keeps obsm, and loses what uns says of it
    if kind in (DECODER, FATES) and kept is None and checked in adata.obsm and checked not in (_keys.REP, _keys.FATE):
        raise ValueError(
            f"{what} {checked!r} would overwrite {FOREIGN} in adata.obsm[{checked!r}]: choose another name, or delete "
            "that."
        )
    return checked


def new_table(adata: AnnData, name: object, columns: Iterable[str]) -> str:
    """Return the key under which a table is to be kept: it may overwrite an older one with its columns, and no other.

    Parameters
    ----------
    adata
        Annotated data that is to be written to.
    name
        The key.
    columns
        What such a table has at least; none for one whose columns are those of its rows.

    Raises
    ------
    ValueError
        If no file can hold the key, or something else is kept there.
    """
    checked, needed = key(name), set(columns)
    kept, found = _kind(adata, checked), adata.uns.get(checked)
    if isinstance(found, pd.DataFrame) and kept == FOREIGN:
        there = list(found.columns)
        if needed <= set(there) if needed else there and there == list(found.index):
            return checked
    if kept is not None:
        raise _taken(checked, kept)
    return checked


def new_columns(adata: AnnData, name: str, kind: str, columns: Mapping[str, Iterable[str] | None]) -> None:
    """Check columns of ``obs`` that go with a result: they may overwrite those of an older one of its kind.

    Parameters
    ----------
    adata
        Annotated data that is to be written to.
    name
        The key of the result.
    kind
        Its kind, as in :func:`new_key`.
    columns
        By their names, the labels that they may have, ``None`` for numbers.

    Raises
    ------
    ValueError
        If there is no older one, and a column has other labels, or no numbers.
    """
    if _kind(adata, name) == kind:
        return
    for column, labels in columns.items():
        if labels is not None:
            new_column(adata, column, labels)
        elif column in adata.obs and getattr(adata.obs[column].dtype, "kind", "O") not in "iuf":
            raise ValueError(
                f"key_added {name!r} would overwrite {FOREIGN} in adata.obs[{column!r}]: choose another name, or "
                "delete that."
            )


def new_column(adata: AnnData, name: object, labels: Iterable[str], *, what: str = "key_added") -> str:
    """Return the name of a column of ``obs`` to write labels to: it may overwrite such labels, and no others.

    Raises
    ------
    ValueError
        If no file can hold the name, or the column has other labels.
    """
    checked = key(name, what=what)
    if checked in adata.obs:
        column = adata.obs[checked]
        others = sorted(set(column.dropna().astype(str)) - set(labels))
        if others:
            raise ValueError(
                f"{what} {checked!r} would overwrite {FOREIGN} in adata.obs[{checked!r}] (labels {others[:3]}): choose "
                "another name, or delete that."
            )
    return checked


def _encodes(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _taken(name: str, kept: str, *, what: str = "key_added") -> ValueError:
    owner = kept if kept in (DECODER, FATES, CLUSTERS, DOSES, SPLITTING, FOREIGN) else FITTED
    return ValueError(
        f"{what} {name!r} would overwrite {owner} in adata.uns[{name!r}]: choose another name, or delete that."
    )


def _kind(adata: AnnData, name: str) -> str | None:
    """Return what kind of result is kept in ``uns``, ``None`` if nothing is."""
    if name not in adata.uns:
        return None
    found = adata.uns[name]
    if has_fit(adata, name):
        return str(found.get("kind", FITTED))
    if has_decoder(adata, name):
        return DECODER
    if isinstance(found, Mapping) and {"families", "curves"} <= set(found):
        return DOSES
    if isinstance(found, Mapping) and {"groupby", "fates", "n_neighbors"} <= set(found):
        return FATES
    if isinstance(found, pd.DataFrame) and {"cluster", "markers"} <= set(found.columns):
        return CLUSTERS
    if isinstance(found, Mapping) and {"perturbation_key", "test_fraction", "holdout"} <= set(found):
        return SPLITTING
    return FOREIGN
