"""Tables that verbs return, kept beside the cells as well, so that files have them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from anndata import AnnData

from ... import _validate
from ..._settings import logger

type Keep = Callable[[pd.DataFrame], pd.DataFrame]
"""Keeps a table, if that is asked for, and returns it."""


def keeper(adata: AnnData, key_added: str | None, columns: Iterable[str] = ()) -> Keep:
    """Return what keeps a table in ``uns`` and returns it: made before anything is computed, as the name is checked.

    Parameters
    ----------
    adata
        Where it is to be kept.
    key_added
        The key, ``None`` for a table that is to be returned only.
    columns
        Columns that tell such a table from those of other functions; none for a square one.

    Raises
    ------
    ValueError
        If no file can hold the key, something else than such a table is kept there, or a view in a file would have to
        be copied; and once the table is there, if no file can hold its columns.
    """
    if key_added is None:
        return lambda table: table
    name = _validate.new_table(adata, key_added, columns)
    if adata.is_view:
        _validate.copyable(adata)

    def keep(table: pd.DataFrame) -> pd.DataFrame:
        for column in table.columns:
            _validate.key(column, what=f"key_added={name!r}: a column of the table,")
        # a file knows text, with and without missing ones, but no objects, and columns have no name there
        objects = [name for name in table.columns if pd.api.types.is_object_dtype(table[name].dtype)]
        text = table.astype(dict.fromkeys(objects, pd.StringDtype(na_value=np.nan))).rename_axis(columns=None)
        _validate.writable(adata, copy=False).uns[name] = text
        logger.info("added uns[%r]", name)
        return table

    return keep
