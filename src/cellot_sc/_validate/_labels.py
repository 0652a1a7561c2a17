"""Labels of cells: their text, which of them mean that there is none, and back to the values that they were."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ._controls import other_column
from ._names import as_number, nearest, not_summary, one_key, same_label
from ._objects import annotated

if TYPE_CHECKING:
    from anndata import AnnData

MISSING = frozenset(
    (
        "",
        "nan",
        "NaN",
        "Nan",
        "NAN",
        "-nan",
        "-NaN",
        "NA",
        "na",
        "N/A",
        "n/a",
        "#N/A",
        "<NA>",
        "<na>",
        "NaT",
        "None",
        "<None>",
    )
    + ("null", "NULL", "Null")
)
"""Texts that mean that a cell has no label: what programs write for it. A "none" is a word, and may be a label."""
CLUSTERS = "effect_cluster"
"""Column that :func:`cellot_sc.tl.effect_clusters` adds unless it is told otherwise."""
N_IN_ERROR, N_IN_LOG = 100, 10
"""Conditions that an error and a log line name; of more, their number."""


def obs_key(adata: AnnData, key: str, *, what: str = "column") -> pd.Series:
    """Return ``adata.obs[key]``.

    Raises
    ------
    KeyError
        If there is no such column: names the nearest.
    TypeError
        If ``key`` is not one name.
    ValueError
        If there are two columns of that name.
    """
    one_key(key, what=what)
    if key not in annotated(adata).obs:
        hint = other_column(adata.obs, key) if what == "perturbation_key" else nearest(key, adata.obs.columns)
        raise KeyError(f"{what} {key!r} is not in adata.obs.{hint}")
    column = adata.obs[key]
    if column.ndim > 1:
        raise ValueError(f"adata.obs has {column.shape[1]} columns {key!r}: drop or rename all but one.")
    return column


def clusters(adata: AnnData, key: str, *, what: str) -> pd.Series:
    """Return ``adata.obs[key]`` as :func:`obs_key` does; of clusters that were not found yet, it is said who does."""
    if key == CLUSTERS and key not in adata.obs:
        raise KeyError(f"{what} {key!r} is not in adata.obs: call cs.tl.effect_clusters(adata) first.")
    return obs_key(adata, key, what=what)


def texts(column: pd.Series, *, named: Collection[str] = ()) -> np.ndarray:
    """Return the label of every cell as an array of ``str``, ``None`` where it has none.

    Parameters
    ----------
    column
        A column of ``obs``, of any dtype.
    named
        Texts that are labels because they were given as such, even if they are in :data:`MISSING`.

    Raises
    ------
    ValueError
        If different values have the same text, such as 1 and "1".
    """
    codes, values = pd.factorize(column)
    labels = _text(values)
    if len(set(labels)) < len(labels):
        twice = pd.Index(labels)
        text = twice[twice.duplicated()][0]
        kinds = " and ".join(type(value).__name__ for value in np.asarray(values, dtype=object)[labels == text])
        raise ValueError(
            f"adata.obs[{column.name!r}] has different values with the same text {text!r} ({kinds}): make them one, "
            f"such as by adata.obs[{column.name!r}].astype(str), or rename one."
        )
    known = [None if text.strip() in MISSING and text not in named else text for text in labels]
    # what pandas knows to be missing has code -1
    return np.array([*known, None], dtype=object)[codes]


def _text(values: Any) -> np.ndarray:
    """Return values, be they of a column or categories, as text: as an array, so that both read alike."""
    return pd.Series(np.asarray(values)).astype(str).to_numpy(dtype=object)


def complete(adata: AnnData, key: str, *, what: str, owner: str = "adata", named: Collection[str] = ()) -> np.ndarray:
    """Return the label of every cell as text; every cell has one.

    Raises
    ------
    KeyError
        If there is no such column.
    ValueError
        If a cell has no label, be it a text that means so.
    """
    column = obs_key(adata, key, what=what)
    labels = texts(column, named=named)
    absent = pd.isna(labels)
    if absent.any():
        raise ValueError(
            f"{owner}.obs[{key!r}] is missing for {int(absent.sum())} cells{_as_text(column, absent)}: leave these out "
            f"({owner}[...].copy()) or label them."
        )
    return labels


def _as_text(column: pd.Series, absent: np.ndarray) -> str:
    """Return which texts stand for missing labels, in brackets; nothing if none does."""
    found = sorted(set(column[absent & column.notna().to_numpy(dtype=bool)].astype(str)))
    return f" (of which {', '.join(map(repr, found))} is the text)" if found else ""


def group_labels(adata: AnnData, key: str, *, what: str = "groupby", reserved: Iterable[str] = ()) -> np.ndarray:
    """Return the group of every cell as an array of ``str``, empty where ``adata.obs[key]`` has none.

    Cells without a group are counted in the log.

    Raises
    ------
    KeyError
        If the column is missing.
    ValueError
        If a category has a ``reserved`` name.
    """
    column = obs_key(adata, key, what=what)
    labels = texts(column)
    absent = pd.isna(labels)
    if absent.any():
        # settings load what the shell does without until it fits
        from .._settings import logger

        found = _as_text(column, absent)
        logger.info("obs[%r] is missing for %d cells%s: they are in no group", key, int(absent.sum()), found)
    labels[absent] = ""
    not_summary(labels, reserved, what=f"{what} {key!r}")
    return labels


def one_label(value: Any, *, what: str) -> str:
    """Return the text of one label that was given.

    Raises
    ------
    TypeError
        If it is none, or several.
    """
    if pd.api.types.is_list_like(value):
        several = [str(part) for part in value]
        raise TypeError(
            f"{what} is {several}; one label is needed. To take several as one, rename them first: "
            f"adata.obs[...] = adata.obs[...].astype(str).replace(dict.fromkeys({several}, 'control'))."
        )
    if value is None or pd.isna(value):
        raise TypeError(f"{what} is {value!r}; one label is needed.")
    return str(value)


def relabelled(column: pd.Series | None, label: str, n: int) -> Any:
    """Return ``n`` times the value of a column that has this text, in the dtype of the column where that can be.

    Parameters
    ----------
    column
        Where the values are; with ``None``, a category of the text is returned.
    label
        The text. Where no cell has it, and no category, it becomes the number or the text that the column would have.
    n
        How often.
    """
    if column is None:
        return pd.Categorical([label] * n)
    categories = column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else None
    if categories is not None:
        known = _text(categories).tolist()
        if (same := same_label(label, known)) in known:
            return pd.Categorical.from_codes([known.index(same)] * n, categories, column.cat.ordered)
    else:
        known = texts(column, named=(label,)).tolist()
        if (same := same_label(label, set(known))) in known:
            return column.array.take(np.full(n, known.index(same)))
    value = _value(label, column.dtype if categories is None else categories.dtype)
    if categories is not None:
        options = [*categories, value]
        if not any(isinstance(option, str) for option in options):
            if column.cat.ordered:
                # two kinds of ordered categories beside each other become objects that cannot be written
                return np.full(n, value)
            options.sort()
        return pd.Categorical([value] * n, categories=options, ordered=column.cat.ordered)
    if isinstance(value, str):
        is_text = pd.api.types.is_string_dtype(column.dtype) or column.dtype == object
        return pd.Series([value] * n, dtype=column.dtype).array if is_text else pd.Categorical([value] * n)
    whole = pd.api.types.is_integer_dtype(column.dtype) and isinstance(value, float)
    return pd.Series([value] * n, dtype=np.float64 if whole else column.dtype).array


def _value(label: str, dtype: Any) -> Any:
    """Return what a text says in a dtype of numbers or booleans, and the text in any other or where it says nothing."""
    if pd.api.types.is_bool_dtype(dtype):
        return {"True": True, "False": False}.get(label, label)
    if not pd.api.types.is_numeric_dtype(dtype) or np.isnan(number := as_number(label)):
        return label
    return int(number) if pd.api.types.is_integer_dtype(dtype) and number.is_integer() else number


def learnable(
    counts: Mapping[str, int], least: int, *, named: bool, where: str, unit: str, consequence: str
) -> list[str]:
    """Return the conditions that have cells enough, with a line in the log that names the others.

    Parameters
    ----------
    counts
        Number of cells of every condition.
    least
        How many are enough.
    named
        Whether the user named the conditions: then every one of them is needed.
    where
        The column, for the words.
    unit
        What is counted, such as "train cells".
    consequence
        What becomes of those that have too few.

    Raises
    ------
    ValueError
        If conditions that were named have too few, all such in one sentence; or if all have.
    """
    few = {name: n for name, n in counts.items() if n < least}
    kept = [name for name in counts if name not in few]
    if few and (named or not kept):
        remedy = "leave these out, by targets or order, or as adata[...].copy()" if kept else "label more cells"
        raise ValueError(
            f"{where} has fewer than {least} {unit} of {_listed(few, N_IN_ERROR)}; at least {least} are needed: "
            f"{remedy}."
        )
    if few:
        from .._settings import logger

        logger.warning(
            "%s has fewer than %d %s of %s: %s", where, least, unit, _listed(few, N_IN_LOG), consequence
        )  # fmt: skip
    return kept


def _listed(counts: Mapping[str, int], n: int) -> str:
    shown = ", ".join(f"{name!r} ({size})" for name, size in list(counts.items())[:n])
    return shown + f" and {len(counts) - n} more" * (len(counts) > n)
