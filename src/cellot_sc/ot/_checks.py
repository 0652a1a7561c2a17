"""Checks of solvers' options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def counts(config: Any, *names: str) -> None:
    """Raise :class:`ValueError` unless options are positive whole numbers."""
    for name in names:
        value = getattr(config, name)
        _require(name, value, isinstance(value, int | np.integer) and value >= 1, "a positive whole number")


def positive(config: Any, *names: str, or_zero: bool = False) -> None:
    """Raise :class:`ValueError` unless options are positive, finite numbers, or 0 where that is one more choice."""
    kind = "a number, 0 or more," if or_zero else "a positive number"
    for name in names:
        value = getattr(config, name)
        is_number = isinstance(value, int | float | np.number)
        _require(name, value, is_number and 0 <= value < np.inf and (or_zero or value > 0), kind)


def widths(config: Any, name: str) -> tuple[int, ...]:
    """Return an option that is one number of units, or one per layer, as a tuple.

    Raises
    ------
    ValueError
        If there is none, or one is no positive whole number.
    """
    value = getattr(config, name)
    layers = tuple(value) if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str) else (value,)
    are_counts = all(isinstance(n, int | np.integer) and not isinstance(n, bool) and n >= 1 for n in layers)
    _require(name, value, bool(layers) and are_counts, "a positive whole number of units per layer")
    return tuple(int(n) for n in layers)


def _require(name: str, value: Any, is_right: Any, kind: str) -> None:
    if isinstance(value, bool) or not is_right:
        msg = f"{name} is {value!r}; {kind} is needed."
        raise ValueError(msg)
