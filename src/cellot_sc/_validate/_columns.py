"""Columns of ``obs`` and of tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _keys
from ._controls import condition, control_of, holding, sizes_of
from ._labels import complete, obs_key, one_label, texts
from ._names import distinct, label_of, nearest, same_label, several

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


def perturbation_labels(
    adata: AnnData, perturbation_key: str, control: Any, *, otherwise: str = ""
) -> tuple[np.ndarray, str]:
    """Return the label of every cell as an array of ``str``, and the text of ``control``, which is one of them.

    ``otherwise`` says in the last of the errors what else could be given.

    Raises
    ------
    KeyError
        If the column is missing.
    TypeError
        If ``control`` is none, or several.
    ValueError
        If a label is missing, or no cell carries ``control``.
    """
    name = one_label(control, what="control")
    labels = complete(adata, perturbation_key, what="perturbation_key", named=(name,))
    known = sorted(set(labels))
    if (name := same_label(control, known)) not in known:
        hint = _other_control(adata.obs, perturbation_key, control, known)
        raise ValueError(f"control {control!r} is not a category of adata.obs[{perturbation_key!r}].{hint}{otherwise}")
    return labels, name


def _other_control(obs: pd.DataFrame, column: str, control: Any, known: Sequence[str]) -> str:
    """Return the sentence that says what to give in place of a control that no cell has."""
    if (found := control_of(known)) is not None:
        return f" Did you mean {found!r}?{nearest('', known)}"
    other, label = condition({str(name): sizes_of(obs[name]) for name in obs.columns if name != column})
    return f"{nearest(control, known)}{'' if other is None or label is None else holding(other, label)}"


def targets(labels: np.ndarray, control: str, wanted: Any) -> list[str]:
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
    same = [label_of(name, others, what="target") for name in several(wanted)]
    return distinct(same, what="targets", otherwise=" perturbation, or None for all of them")


def split_labels(adata: AnnData, split_key: str) -> np.ndarray:
    """Return the split of every cell as an array of ``str``, ``None`` where a cell is to be used for nothing.

    Raises
    ------
    KeyError
        If the column is missing.
    ValueError
        If a cell has a label that is not one of train, valid, test, ood.
    """
    labels = texts(obs_key(adata, split_key, what="split_key"))
    unknown = sorted(set(labels) - {None, *_keys.SPLITS})
    if unknown:
        raise ValueError(
            f"split_key {split_key!r} has labels that are no split: {unknown[:5]}. Valid: {', '.join(_keys.SPLITS)}."
        )
    return labels


def group_codes(adata: AnnData, key: str, *, what: str) -> np.ndarray:
    """Return the categories of ``adata.obs[key]`` as integers.

    Raises
    ------
    KeyError
        If the column is missing.
    ValueError
        If a cell has no category.
    """
    complete(adata, key, what=what)
    return adata.obs[key].astype("category").cat.codes.to_numpy(dtype=np.int64)


def categories(adata: AnnData, key: str, *, what: str) -> tuple[list[str], np.ndarray]:
    """Return the sorted categories of ``what``'s ``obs[key]`` and the index of each cell's among them.

    Raises
    ------
    ValueError
        If a cell has none.
    """
    labels, codes = np.unique(complete(adata, key, what="column", owner=what), return_inverse=True)
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
        column, values = obs_key(adata, key, what=f"{what} column"), several(given)
        if not values:
            raise ValueError(f"{what} names no value of adata.obs[{key!r}]: give at least one.")
        labels = texts(column, named=[str(value) for value in values])
        known = sorted(set(labels) - {None})
        named = [label_of(v, known, what=f"{what} value of adata.obs[{key!r}]") for v in values]
        mask |= np.isin(labels, np.array(named, dtype=object))
        if n_missing := list(labels).count(None):
            # settings load what the shell does without until it fits
            from .._settings import logger

            of = (what, n_missing, adata.n_obs, key)
            logger.warning("%s: %d of %d cells have no obs[%r], and are in none of its groups", *of)
    return mask


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
