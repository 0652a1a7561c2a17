"""States of many maps as one array and one text: files keep few large things better than thousands of small ones."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..._states import Numbers, StateReading, Text, read_fields

ARRAY = "shape"
"""Stands, as the only name of a dict, for an array of numbers. No map has a field of that name alone."""


def packed(states: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the numbers of all arrays of some states, float32, one after the other, and the rest as JSON.

    Parameters
    ----------
    states
        Dicts of arrays, numbers, texts and such dicts.
    """
    arrays: list[np.ndarray] = []

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: plain(part) for name, part in value.items()}
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
            arrays.append(value.astype(np.float32).ravel())
            return {ARRAY: value.shape}
        return value.tolist() if hasattr(value, "tolist") else value

    text = json.dumps([plain(state) for state in states])
    return {"numbers": np.concatenate([np.zeros(0, dtype=np.float32), *arrays]), "rest": text}


def unpacked(given: Any, *, path: str) -> list[Any]:
    """Return the states of which :func:`packed` made this; raise :class:`ValueError` if it made something else.

    Parameters
    ----------
    given
        What it made.
    path
        Where that is within the whole.
    """
    read = read_fields(given, {"numbers": Numbers("n"), "rest": Text()}, StateReading(), path=path)
    numbers, start = read["numbers"], 0

    def full(value: Any) -> Any:
        nonlocal start
        if isinstance(value, list):
            return [full(part) for part in value]
        if not isinstance(value, dict):
            return value
        if set(value) != {ARRAY}:
            return {name: full(part) for name, part in value.items()}
        shape = value[ARRAY]
        if not (isinstance(shape, list) and all(type(n) is int and n >= 0 for n in shape)):
            raise ValueError(f"{path}.rest has {shape!r} for the shape of an array.")
        start, end = start + math.prod(shape), start
        if start > len(numbers):
            raise ValueError(f"{path}.numbers has {len(numbers)} numbers, and more are needed.")
        return numbers[end:start].reshape(shape)

    try:
        states = full(json.loads(read["rest"]))
    except RecursionError as error:
        raise ValueError(f"{path}.rest is nested too deeply.") from error
    if not isinstance(states, list) or start < len(numbers):
        raise ValueError(f"{path} is no list of states, or has more numbers than these.")
    return states
