"""Checks of solvers' options: one rule for every name, so that what it bounds is bounded in all of them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .._machine import memory
from .._numbers import positive, shown, whole
from .._states import MAX_LAYERS

type Rule = Callable[..., Any]
"""Returns a checked value, given it and, as ``what``, its name; raises :class:`ValueError`."""

MAX_STEPS = 10**7
"""Steps, and what is counted in steps: a hundred times what was ever published."""
MAX_BATCH = 2**20
MAX_WIDTH = 2**14
MAX_CANDIDATES = 100
"""Of options with several values, to choose from; and layers that are given one by one."""
MAX_CELLS = 10**9


def _optional(value: Any, *, what: str, rule: Rule) -> Any:
    return None if value is None else rule(value, what=what)


def _several(value: Any, *, what: str, rule: Rule) -> tuple[Any, ...]:
    """Return one value, or several, as a tuple."""
    values = np.atleast_1d(np.asarray(value, dtype=object))
    if values.ndim > 1 or not 0 < len(values) <= MAX_CANDIDATES:
        n_given = "one or several" if not len(values) else f"at most {MAX_CANDIDATES}"
        raise ValueError(f"{what} is {shown(value)}; a positive number, {n_given} of them, is needed.")
    return tuple(rule(one, what=what) for one in values)


def _flag(value: Any, *, what: str) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{what} is {shown(value)}; True or False is needed.")
    return bool(value)


def _folder(value: Any, *, what: str) -> Path | str:
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise ValueError(f"{what} is {shown(value)}; the path of a folder, or None, is needed.")
    return value if isinstance(value, str) else Path(value)


_steps = partial(whole, least=1, most=MAX_STEPS)
_width = partial(whole, least=1, most=MAX_WIDTH)
_depth = partial(whole, least=1, most=MAX_LAYERS)
_cells = partial(whole, least=1, most=MAX_CELLS)

RULES: dict[str, Rule] = {
    "batch_size": partial(whole, least=1, most=MAX_BATCH),
    "check_every": _steps,
    "checkpoint_dir": partial(_optional, rule=_folder),
    "coefficient": positive,
    "debiased": _flag,
    "depth": _depth,
    "epsilon": positive,
    "epsilons": partial(_several, rule=positive),
    "hidden": partial(_several, rule=_width),
    "learning_rate": positive,
    "linear": _flag,
    "max_cells": _cells,
    "max_iterations": _steps,
    "min_steps": _steps,
    "n_components": partial(_several, rule=_width),
    "n_inner": partial(whole, least=1, most=1000),
    "n_latent": partial(_optional, rule=_width),
    "n_steps": _steps,
    "noise": partial(positive, or_zero=True),
    "patience": partial(_optional, rule=_steps),
    "penalties": partial(_several, rule=positive),
    "residual": _flag,
    "resume": _flag,
    "strength": positive,
    "threshold": positive,
    "unseen": _flag,
    "weight_decay": partial(positive, or_zero=True),
    "width": _width,
}
"""What every option has to be, in whichever solver it is."""


def options(config: Any) -> None:
    """Check every option of a solver, and make plain numbers of those of numpy.

    Raises
    ------
    ValueError
        If one has an impossible value.
    """
    for field in dataclasses.fields(config):
        # one that is not here is that of another distribution, which checks it itself
        if field.name in RULES:
            object.__setattr__(config, field.name, RULES[field.name](getattr(config, field.name), what=field.name))


def room(n_numbers: int, *, lower: str) -> None:
    """Check that so many numbers in single precision fit into the memory of the machine, before any is made.

    Parameters
    ----------
    n_numbers
        How many there are at least.
    lower
        What to lower if there are too many.

    Raises
    ------
    ValueError
        If they do not fit.
    """
    needed, there = 4 * n_numbers, memory()
    if needed > there:
        raise ValueError(
            f"the fit needs {needed / 2**30:,.1f} GiB at least, and the machine has {there / 2**30:,.1f}: "
            f"lower {lower}."
        )
