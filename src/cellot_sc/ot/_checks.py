"""Checks of solvers' options, and the words of their errors: what was got, and what is needed."""

from __future__ import annotations

from typing import Any

import numpy as np


def counts(config: Any, *names: str) -> None:
    """Raise :class:`ValueError` unless options are positive whole numbers."""
    for name in names:
        value = getattr(config, name)
        _require(name, value, _is_whole(value) and value > 0, "a positive whole number")


def positive(config: Any, *names: str, or_zero: bool = False) -> None:
    """Raise :class:`ValueError` unless options are positive, finite numbers, or 0 where that is one more choice."""
    kind = "a finite number, 0 or more," if or_zero else "a positive, finite number"
    for name in names:
        value = getattr(config, name)
        _require(name, value, _is_finite(value) and (value > 0 or (or_zero and value == 0)), kind)


def several(config: Any, name: str, *, whole: bool = False) -> tuple[Any, ...]:
    """Return an option that is one positive, finite number (a whole one if ``whole``), or several, as a tuple.

    Raises
    ------
    ValueError
        If there is none, or one is not.
    """
    values = tuple(np.atleast_1d(np.asarray(getattr(config, name), dtype=object)))
    is_right, kind = (_is_whole, "whole number") if whole else (_is_finite, "finite number")
    _require(name, values, bool(values) and all(is_right(v) and v > 0 for v in values), f"a positive {kind}")
    return tuple(int(value) if whole else float(value) for value in values)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and bool(np.isfinite(value))


def _require(name: str, value: Any, is_right: bool, kind: str) -> None:
    if not is_right:
        raise ValueError(f"{name} is {value!r}; {kind} is needed.")
