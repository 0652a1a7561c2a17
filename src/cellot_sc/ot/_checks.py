"""Checks of solvers' options and of seeds, and the words of their errors: what was got, and what is needed."""

from __future__ import annotations

from collections.abc import Callable
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
        _one(name, getattr(config, name), lambda value: _whole(value) and value > 0, "a positive whole number")


def positive(config: Any, *names: str) -> None:
    """Check that options are positive, finite numbers.

    Raises
    ------
    ValueError
        If one is not.
    """
    for name in names:
        _one(name, getattr(config, name), lambda value: _finite(value) and value > 0, "a positive, finite number")


def not_negative(config: Any, *names: str) -> None:
    """Check that options are finite numbers, 0 or more.

    Raises
    ------
    ValueError
        If one is not.
    """
    for name in names:
        _one(name, getattr(config, name), lambda value: _finite(value) and value >= 0, "a finite number, 0 or more,")


def seed(value: Any) -> int:
    """Return a seed.

    Raises
    ------
    ValueError
        If it is no whole number, 0 or more.
    """
    _one("seed", value, lambda value: _whole(value) and value >= 0, "a whole number, 0 or more,")
    return int(value)


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


def several(config: Any, name: str, *, whole: bool = False) -> tuple[Any, ...]:
    """Return an option that is one positive, finite number (a whole one if ``whole``), or several, as a tuple.

    Raises
    ------
    ValueError
        If there is none, or one is not.
    """
    values = tuple(np.atleast_1d(np.asarray(getattr(config, name), dtype=object)))
    good, kind = (_whole, "whole number") if whole else (_finite, "finite number")
    _one(name, values, lambda values: len(values) > 0 and all(good(v) and v > 0 for v in values), f"a positive {kind}")
    return tuple(int(value) if whole else float(value) for value in values)


def _whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _finite(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and bool(np.isfinite(value))


def _one(name: str, value: Any, good: Callable[[Any], bool], needed: str) -> None:
    if not good(value):
        msg = f"{name} is {value!r}; {needed} is needed."
        raise ValueError(msg)
