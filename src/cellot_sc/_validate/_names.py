"""The names a user gives: the nearest valid one is named where one is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._plugins import nearest


def one_of(value: object, valid: Iterable[object], *, what: str) -> Any:
    """Return ``value`` if it is among ``valid``; raise :class:`ValueError` with the nearest name otherwise."""
    options = list(valid)
    if value not in options:
        raise ValueError(f"{what} {value!r} is unknown.{nearest(value, options)}")
    return value


def no_unknown(given: Mapping[str, Any], valid: Iterable[str], *, what: str) -> None:
    """Raise :class:`TypeError` if ``given`` has a name that is not among ``valid``."""
    options = sorted(valid)
    for name in given:
        if name not in options:
            raise TypeError(f"{what} has no option {name!r}.{nearest(name, options)}")


def distinct(names: str | Iterable[object], *, what: str, otherwise: str = "") -> list[str]:
    """Return one name or several as text; raise :class:`ValueError` if there is none, or one is given twice."""
    texts = [names] if isinstance(names, str) else [str(name) for name in names]
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


def some_of(wanted: str | Iterable[str] | None, valid: Iterable[str], *, what: str) -> list[str]:
    """Return the wanted names, each once, if all are among ``valid``; all of these with ``None``.

    Raises
    ------
    ValueError
        If one is unknown, or there is none.
    """
    options = list(valid)
    names = list(dict.fromkeys(options if wanted is None else [wanted] if isinstance(wanted, str) else wanted))
    if not names:
        raise ValueError(f"{what} is empty: give at least one.{nearest('', options)}")
    for name in names:
        one_of(name, options, what=what)
    return names


def feature_names(wanted: str | Sequence[str], valid: Sequence[str]) -> list[str]:
    """Return the wanted features; raise :class:`KeyError` with the nearest name if one is not there.

    Raises
    ------
    KeyError
        If a feature is not among ``valid``.
    ValueError
        If none is wanted, or one twice.
    """
    names = distinct(wanted, what="features", otherwise=", or None for the most changed ones")
    for name in names:
        if name not in set(valid):
            raise KeyError(f"feature {name!r} is not there.{nearest(name, valid)}")
    return names


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


def given[T](value: T | None, *, what: str, why: str) -> T:
    """Return ``value``; raise :class:`ValueError` if it is ``None``."""
    if value is None:
        raise ValueError(f"{what} is missing: {why}.")
    return value
