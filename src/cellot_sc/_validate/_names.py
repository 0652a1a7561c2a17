"""The names a user gives: the nearest valid one is named where one is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from .._numbers import shown
from .._plugins import nearest


def one_of(value: object, valid: Iterable[object], *, what: str) -> Any:
    """Return ``value`` if it is among ``valid``; raise :class:`ValueError` with the nearest name otherwise."""
    options = list(valid)
    # of arrays and of pd.NA, no comparison says whether it holds
    if not isinstance(value, str | int | float | np.generic) or value not in options:
        raise ValueError(f"{what} {shown(value)} is unknown.{nearest(value, options)}")
    return value


def several(value: Any) -> list[Any]:
    """Return one value or several as a list."""
    return list(value) if pd.api.types.is_list_like(value) else [value]


def same_label(value: Any, labels: Iterable[str]) -> str:
    """Return the one of the labels that is written as ``value`` is, or that is the same number; else its own text.

    False and True, however they are written, are 0 and 1.
    """
    text, options = str(value), list(labels)
    if text in options:
        return text
    number, truth = as_number(value), _truth_or_number(value)
    same = [label for label in options if as_number(label) == number]
    same = same or [label for label in options if _truth_or_number(label) == truth]
    # of "1" and "01" neither is meant by 1.0
    return same[0] if len(same) == 1 else text


def _truth_or_number(value: Any) -> float:
    return {"false": 0.0, "true": 1.0}.get(str(value).casefold(), as_number(value))


def as_named(labels: np.ndarray, names: Iterable[str]) -> np.ndarray:
    """Return labels of cells, those that are the same number as one of the names written as it is: 1.0 as 1."""
    known = set(labels)
    for name in names:
        if name not in known and (text := same_label(name, known)) in known:
            labels = np.where(labels == text, name, labels)
    return labels


def label_of(value: Any, labels: Iterable[str], *, what: str) -> str:
    """Return the label that a value stands for; raise :class:`ValueError` with the nearest one if there is none."""
    options = list(labels)
    label = same_label(value, options)
    return label if label in options else one_of(value, options, what=what)


def as_number(value: Any) -> float:
    """Return the number that a value or its text is, or NaN."""
    try:
        return float("nan") if isinstance(value, bytes) else float(value)
    except (TypeError, ValueError):
        return float("nan")


def no_unknown(given: Mapping[str, Any], valid: Iterable[str], *, what: str) -> None:
    """Raise :class:`TypeError` if ``given`` has a name that is not among ``valid``."""
    options = sorted(valid)
    for name in given:
        if name not in options:
            raise TypeError(f"{what} has no option {name!r}.{nearest(name, options)}")


def distinct(names: Any, *, what: str, otherwise: str = "") -> list[str]:
    """Return one name or several as text; raise :class:`ValueError` if there is none, or one is given twice."""
    texts = [str(name) for name in several(names)]
    if not texts:
        raise ValueError(f"{what} is empty: give at least one{otherwise}.")
    if len(set(texts)) < len(texts):
        raise ValueError(f"{what} names one twice: {texts}.")
    return texts


def new_names(names: str | Sequence[str], *, reserved: str, what: str) -> list[str]:
    """Return the names to be given to something new: ``names``, or the one name it is.

    Raises
    ------
    ValueError
        If there is none, one is given twice, is ``reserved``, or cannot be part of a key of an AnnData.
    """
    if not isinstance(names, Iterable):
        raise ValueError(f"{what} is {names!r}: one name or several are needed.")
    for name in [names] if isinstance(names, str) else names:
        if not isinstance(name, str) or not name or "/" in name:
            raise ValueError(f"{what} has {name!r}: a name is text that is not empty and has no '/'.")
    texts = distinct(names, what=what)
    if reserved in texts:
        raise ValueError(f"{what} has {reserved!r}, which names the other cells: choose another name.")
    return texts


def some_of(wanted: Any, valid: Iterable[str], *, what: str) -> list[str]:
    """Return the wanted names, each once, if all are among ``valid``; all of these with ``None``.

    A value stands for the name that is its text, or the same number.

    Raises
    ------
    ValueError
        If one is unknown, or there is none.
    """
    options = list(valid)
    names = options if wanted is None else [label_of(v, options, what=what) for v in several(wanted)]
    if not names:
        raise ValueError(f"{what} is empty: give at least one.{nearest('', options)}")
    return list(dict.fromkeys(names))


def feature_names(wanted: str | Sequence[str], valid: Sequence[str]) -> list[str]:
    """Return the wanted features; raise :class:`KeyError` with the nearest name if one is not there.

    Raises
    ------
    KeyError
        If a feature is not among ``valid``.
    ValueError
        If none is wanted, or one twice, or several features have the name.
    """
    names = distinct(wanted, what="features", otherwise=", or None for the most changed ones")
    known = Counter(valid)
    for name in names:
        if name not in known:
            raise KeyError(f"feature {name!r} is not there.{nearest(name, valid)}")
        if known[name] > 1:
            raise ValueError(f"{known[name]} features are named {name!r}: call adata.var_names_make_unique() first.")
    return names


def not_summary(names: Iterable[str], reserved: Iterable[str], *, what: str) -> None:
    """Raise :class:`ValueError` if one of the names is what tables call a summary."""
    if taken := sorted(set(names) & set(reserved)):
        raise ValueError(f"{what} has a category {taken[0]!r}, which names a summary in tables: rename it.")


def one_key(key: object, *, what: str, where: str = "column of adata.obs") -> None:
    """Raise :class:`TypeError` if ``key`` is not one name."""
    if not isinstance(key, str):
        raise TypeError(f"{what} is {key!r}: the name of one {where} is needed.")


def unique_var_names(names: pd.Index) -> None:
    """Raise :class:`ValueError` if two genes share a name."""
    if not names.is_unique:
        twice = names[names.duplicated()][:3].tolist()
        raise ValueError(f"adata.var_names are not unique ({twice} ...): call adata.var_names_make_unique() first.")


def name_and_value(text: str, *, what: str) -> tuple[str, str]:
    """Return the two sides of ``NAME=VALUE``; raise :class:`ValueError` otherwise."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise ValueError(f"{what} {text!r} is not of the form NAME=VALUE.")
    return name, value


def not_both(given: Mapping[str, object]) -> None:
    """Raise :class:`ValueError` if more than one of the options was given."""
    names = [name for name, value in given.items() if value]
    if len(names) > 1:
        raise ValueError(f"{' and '.join(names)} exclude each other: give one.")


def only_with(given: Mapping[str, object], what: str) -> None:
    """Raise :class:`ValueError` if anything was given that means something with another option only."""
    if given:
        raise ValueError(f"{' and '.join(given)} say how other cells are read: give {what}, too, or leave them out.")


def given[T](value: T | None, *, what: str, why: str) -> T:
    """Return ``value``; raise :class:`ValueError` if it is ``None``."""
    if value is None:
        raise ValueError(f"{what} is missing: {why}.")
    return value
