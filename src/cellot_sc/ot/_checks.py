"""Checks of solvers' options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def counts(config: Any, *names: str) -> None:
    """Check that options are positive whole numbers.

    Raises
    ------
    ValueError
        If one is not.
    """
    for name in names:
        value = getattr(config, name)
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            msg = f"{name} is {value!r}; a positive whole number is needed."
            raise ValueError(msg)


def positive(config: Any, *names: str) -> None:
    """Check that options are positive, finite numbers.

    Raises
    ------
    ValueError
        If one is not.
    """
    for name in names:
        value = getattr(config, name)
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < np.inf:
            msg = f"{name} is {value!r}; a positive number is needed."
            raise ValueError(msg)


def resumable(config: Any) -> None:
    """Check that there is a folder to resume from.

    Raises
    ------
    ValueError
        If there is none, and ``resume`` is asked for.
    """
    if config.resume and config.checkpoint_dir is None:
        msg = "resume=True needs the checkpoint_dir to resume from."
        raise ValueError(msg)


def not_negative(config: Any, *names: str) -> None:
    """Check that options are finite numbers, 0 or more.

    Raises
    ------
    ValueError
        If one is not.
    """
    for name in names:
        value = getattr(config, name)
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value < np.inf:
            msg = f"{name} is {value!r}; a number, 0 or more, is needed."
            raise ValueError(msg)


def widths(config: Any, name: str) -> tuple[int, ...]:
    """Return an option that is one number of units, or one per layer, as a tuple.

    Raises
    ------
    ValueError
        If there is none, or one is no positive whole number.
    """
    value = getattr(config, name)
    layers = tuple(value) if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str) else (value,)
    if not layers or any(isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1 for n in layers):
        msg = f"{name} is {value!r}; a positive whole number of units per layer is needed."
        raise ValueError(msg)
    return tuple(int(n) for n in layers)
