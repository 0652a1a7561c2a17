"""Columns of ``obs``, the labels in them, and which cells are meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _keys
from ._names import distinct, nearest, one_of
from ._objects import annotated

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


def obs_key(adata: AnnData, key: str, *, what: str = "column") -> pd.Series:
    """Return ``adata.obs[key]``; raise :class:`KeyError` with the nearest column otherwise."""
    if key not in annotated(adata).obs:
        raise KeyError(f"{what} {key!r} is not in adata.obs.{nearest(key, adata.obs.columns)}")
    return adata.obs[key]


def complete(adata: AnnData, key: str, *, what: str, owner: str = "adata") -> pd.Series:
    """Return ``adata.obs[key]``, in which every cell has a label.

    Raises
    ------
    KeyError
        If there is no such column.
    ValueError
        If a cell has no label.
    """
    column = obs_key(adata, key, what=what)
    if column.isna().any():
        raise ValueError(f"{owner}.obs[{key!r}] is missing for {int(column.isna().sum())} cells: drop or label them.")
    return column


def perturbation_labels(adata: AnnData, perturbation_key: str, control: str) -> np.ndarray:
    """Return the label of every cell as an array of ``str``, of which ``control`` is one.

    Raises
    ------
    KeyError
        If the column is missing.
    ValueError
        If a label is missing, or no cell carries ``control``.
    """
    labels = complete(adata, perturbation_key, what="perturbation_key").astype(str).to_numpy(dtype=object)
    if control not in set(labels):
        hint = nearest(control, sorted(set(labels)))
        raise ValueError(f"control {control!r} is not a category of adata.obs[{perturbation_key!r}].{hint}")
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
        raise ValueError(f"Every cell is {control!r}: there is no perturbation to learn.")
    if wanted is None:
        return others
    names = distinct(wanted, what="targets", otherwise=" perturbation, or None for all of them")
    for name in names:
        one_of(name, others, what="target")
    return names


def split_labels(adata: AnnData, split_key: str) -> np.ndarray:
    """Return the split of every cell as an array of ``str``, ``None`` where a cell is to be used for nothing.

    Raises
    ------
    KeyError
        If the column is missing.
    ValueError
        If a cell has a label that is not one of train, valid, test, ood.
    """
    column = obs_key(adata, split_key, what="split_key")
    labels = column.astype(str).to_numpy(dtype=object, copy=True)
    labels[column.isna().to_numpy(dtype=bool)] = None
    unknown = sorted(set(labels) - {None, *_keys.SPLITS})
    if unknown:
        raise ValueError(
            f"adata.obs[{split_key!r}] has labels that are no split: {unknown[:5]}. Valid: {', '.join(_keys.SPLITS)}."
        )
    return labels


def unique_obs_names(adata: AnnData) -> None:
    """Raise :class:`ValueError` if two cells share a name."""
    if not adata.obs_names.is_unique:
        twice = adata.obs_names[adata.obs_names.duplicated()][:3].tolist()
        raise ValueError(f"adata.obs_names are not unique ({twice} ...): call adata.obs_names_make_unique() first.")


def group_codes(adata: AnnData, key: str, *, what: str) -> np.ndarray:
    """Return the categories of ``adata.obs[key]`` as integers.

    Raises
    ------
    KeyError
        If the column is missing.
    ValueError
        If a cell has no category.
    """
    return complete(adata, key, what=what).astype("category").cat.codes.to_numpy(dtype=np.int64)


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
        raise ValueError(f"cells has shape {chosen.shape}: a mask, names or positions of at least one cell are needed.")
    if chosen.dtype == bool:
        if chosen.size != adata.n_obs:
            raise ValueError(f"cells is a mask of {chosen.size} cells; adata has {adata.n_obs}.")
        if not chosen.any():
            raise ValueError("cells is a mask that chooses no cell.")
        return np.flatnonzero(chosen)
    if np.issubdtype(chosen.dtype, np.integer):
        bad = chosen[(chosen < -adata.n_obs) | (chosen >= adata.n_obs)]
        if bad.size:
            raise IndexError(f"cells has position {bad[0]}; adata has {adata.n_obs} cells.")
        return chosen % adata.n_obs
    positions = adata.obs_names.get_indexer(chosen.astype(str))
    if (positions < 0).any():
        name = str(chosen[positions < 0][0])
        raise KeyError(f"cell {name!r} is not in adata.obs_names.{nearest(name, adata.obs_names)}")
    return positions


def categories(adata: AnnData, key: str, *, what: str) -> tuple[list[str], np.ndarray]:
    """Return the sorted categories of ``what``'s ``obs[key]`` and the index of each cell's among them.

    Raises
    ------
    ValueError
        If a cell has none.
    """
    column = complete(adata, key, what="column", owner=what)
    labels, codes = np.unique(column.astype(str).to_numpy(dtype=object), return_inverse=True)
    return [str(label) for label in labels], codes


def not_read(key: str, keys: Iterable[str], *, what: str) -> None:
    """Raise :class:`ValueError` if ``key``, which is to be written, is one of the ``obs`` columns that are read."""
    if key in keys:
        raise ValueError(f"{what} {key!r} would overwrite a column of adata.obs that is read: choose another name.")


def held_out(adata: AnnData, holdout: Any, *, what: str = "holdout") -> np.ndarray:
    """Return which cells are in any of the groups ``holdout`` names, as a boolean mask.

    Raises
    ------
    TypeError
        If ``holdout`` is not a mapping.
    KeyError
        If a column is missing.
    ValueError
        If no value is given for a column, or no cell has one that is.
    """
    if holdout is not None and not isinstance(holdout, Mapping):
        raise TypeError(
            f"{what} is {holdout!r}; columns of adata.obs and their values are needed, such as {{'patient': '101'}}."
        )
    mask = np.zeros(adata.n_obs, dtype=bool)
    for key, given in (holdout or {}).items():
        column = obs_key(adata, key, what=f"{what} column")
        values = [str(v) for v in ([given] if isinstance(given, str) or not isinstance(given, Iterable) else given)]
        if not values:
            raise ValueError(f"{what} names no value of adata.obs[{key!r}]: give at least one.")
        labels = column.astype(str).to_numpy(dtype=object)
        known = column.notna().to_numpy(dtype=bool)
        for value in values:
            one_of(value, sorted(set(labels[known])), what=f"{what} value of adata.obs[{key!r}]")
        mask |= known & np.isin(labels, np.array(values, dtype=object))
    return mask


def group_labels(adata: AnnData, key: str, *, what: str = "groupby", reserved: Iterable[str] = ()) -> np.ndarray:
    """Return the group of every cell as an array of ``str``, empty where ``adata.obs[key]`` has none.

    Raises
    ------
    KeyError
        If the column is missing.
    ValueError
        If a category has a ``reserved`` name.
    """
    column = obs_key(adata, key, what=what)
    labels = np.where(column.isna(), "", column.astype(str).to_numpy(dtype=object))
    taken = sorted(set(labels) & set(reserved))
    if taken:
        raise ValueError(f"{what} {key!r} has a category {taken[0]!r}, which names a summary of groups: rename it.")
    return labels


def cell_weights(adata: AnnData, key: str, clouds: Mapping[str, np.ndarray], *, what: str) -> np.ndarray:
    """Return ``adata.obs[key]`` as float64, NaN where it has no number.

    Parameters
    ----------
    adata
        Annotated data.
    key
        The column.
    clouds
        By its name, the mask of the cells of each cloud that is weighed: the only ones that need a number.
    what
        What the column is called.

    Raises
    ------
    KeyError
        If the column is missing.
    ValueError
        If a cell that is weighed has no number, a negative or an infinite one, or all of a cloud have 0.
    """
    column = obs_key(adata, key, what=what)
    numeric = getattr(column.dtype, "kind", "O") in "biuf"
    numbers = [name for name in adata.obs.columns if getattr(adata.obs[name].dtype, "kind", "O") in "iuf"]
    if not numeric:
        raise ValueError(f"{what} {key!r} of dtype {column.dtype} holds no numbers.{nearest(key, numbers)}")
    weights = column.to_numpy(dtype=np.float64, na_value=np.nan)
    for name, mask in clouds.items():
        bad = ~(np.isfinite(weights[mask]) & (weights[mask] >= 0))
        if bad.any():
            raise ValueError(
                f"{what} {key!r} is {weights[mask][bad][0]:g} for {int(bad.sum())} {name}: finite numbers, 0 or more, "
                "are needed."
            )
        if mask.any() and not weights[mask].any():
            raise ValueError(f"{what} {key!r} is 0 for all {int(mask.sum())} {name}: at least one has to count.")
    return weights


def table_columns(table: pd.DataFrame, needed: Iterable[str], *, maker: str = "cs.tl.evaluate") -> None:
    """Raise :class:`KeyError` if a table, such as ``maker`` makes, lacks a column, ValueError if it is empty."""
    for column in needed:
        if column not in table.columns:
            hint = nearest(column, table.columns)
            raise KeyError(f"table has no column {column!r}: one made by {maker} is needed.{hint}")
    table_rows(table, maker=maker)


def table_rows(table: pd.DataFrame, *, maker: str) -> None:
    """Raise :class:`ValueError` if a table, such as ``maker`` makes, is empty."""
    if not len(table):
        raise ValueError(f"table has no rows: one made by {maker} is needed, with at least one row.")


def square_table(table: pd.DataFrame, *, maker: str) -> None:
    """Raise :class:`ValueError` if a table, such as ``maker`` makes, is empty or has other rows than columns."""
    table_rows(table, maker=maker)
    if list(table.index) != list(table.columns):
        raise ValueError(f"table has shape {table.shape} and other rows than columns: one made by {maker} is needed.")


def some_groups[T](groups: Mapping[str, T], key: str) -> Mapping[str, T]:
    """Return the groups of control cells; raise :class:`ValueError` if no control cell is in any."""
    if not groups:
        raise ValueError(f"adata.obs[{key!r}] is missing for every control cell: there is no group to look at.")
    return groups


def table_numbers(table: pd.DataFrame, column: str, *, what: str) -> None:
    """Raise :class:`ValueError` if a column of a table holds anything but finite numbers."""
    values = table[column].to_numpy()
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        numbers = table.select_dtypes("number").columns
        raise ValueError(f"{what} {column!r} holds what is no finite number.{nearest(column, numbers)}")


def one_score_each(table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Raise :class:`ValueError` if two rows of a table of scores are the same in all of the columns."""
    again = table.duplicated(list(columns))
    if again.any():
        row = ", ".join(f"{column} {table.loc[again, column].iloc[0]!r}" for column in columns)
        raise ValueError(
            f"table has several scores of {row}: name in x the number in which they differ, such as 'n_features' or "
            "'n_cells', or average them with cs.tl.summarize_scores."
        )
