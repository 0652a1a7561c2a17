"""What every transport map has to keep, of whatever kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from . import base
from .base import TransportMap


def need(met: object, broken: str) -> None:
    """Raise :class:`AssertionError` with a sentence if something does not hold."""
    if not met:
        raise AssertionError(broken)


def check_map(transport: TransportMap, cells: np.ndarray) -> None:
    """Check shapes, types, chunks and costs of a map, and that its state rebuilds it to the bit.

    Parameters
    ----------
    transport
        The map. Its ``_backward`` may raise :class:`NotImplementedError` if it has no inverse.
    cells
        Some cells, float32 of shape ``(n_cells, n_dims)``.

    Raises
    ------
    AssertionError
        If one of these does not hold.
    """
    name, before = f"the map of kind {transport.kind!r}", cells.copy()
    rebuilt = TransportMap.from_state(transport.state())
    state, again = dict(leaves(transport.state())), dict(leaves(rebuilt.state()))
    need(type(rebuilt) is type(transport), f"{name} is rebuilt as {type(rebuilt).__name__}: give it a kind of its own.")
    need(same(state, again), f"{name} changes its state when it is rebuilt: return all that _from_state takes.")
    need(transport.n_dims == cells.shape[1], f"{name} has n_dims {transport.n_dims}, not {cells.shape[1]}.")
    for direction in ("transport", "inverse"):
        apply, what = getattr(transport, direction), f"{direction} of {name}"
        try:
            out = apply(cells)
        except NotImplementedError:
            need(direction == "inverse", f"{what} is not implemented.")
            continue
        shape = np.shape(transport._forward(cells) if direction == "transport" else transport._backward(cells))
        need(shape == cells.shape, f"{what} has shape {shape} of cells of shape {cells.shape}.")
        need(np.array_equal(cells, before), f"{what} changes the cells that it is given.")
        need(np.isfinite(out).all(), f"{what} returns NaN or inf.")
        need(not np.shares_memory(out, cells), f"{what} returns a view of the cells: return new ones.")
        need(np.array_equal(apply(cells.astype(np.float64)), out), f"{what} depends on the type of the cells.")
        need(len(apply(cells[:0])) == 0, f"{what} returns cells where there are none.")
        need(close(apply(cells[:1]), out[:1]), f"{what} moves a cell otherwise alone than with others.")
        moved = getattr(rebuilt, direction)(cells)
        need(np.array_equal(moved, out), f"{what} moves cells elsewhere once it is rebuilt from its state.")
    out, many = transport.transport(cells), np.resize(cells, (base.CHUNK + 3, transport.n_dims))
    need(close(transport.transport(many), np.resize(out, many.shape)), f"{name} moves many cells otherwise than few.")
    cost = transport.cost(cells)
    fine = cost.shape == (len(cells),) and cost.dtype == np.float32 and np.isfinite(cost).all() and (cost >= 0).all()
    need(fine, f"cost of {name} is no float32 of 0 or more for each cell.")


def leaves(state: Any, path: str = "state") -> Iterator[tuple[str, Any]]:
    """Yield what a state holds, with where it is; raise :class:`AssertionError` if files do not keep it."""
    if isinstance(state, dict):
        for key, part in state.items():
            yield from leaves(part, f"{path}[{key!r}]")
        return
    held = f"{path} is a {type(state).__name__}: arrays, numbers, texts and dicts of them are kept."
    need(isinstance(state, str | bool | int | float | np.ndarray), held)
    yield path, state


def same(state: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether the leaves of two states are equal to the bit."""
    return state.keys() == other.keys() and all(
        np.array_equal(state[path], other[path], equal_nan=np.asarray(state[path]).dtype.kind == "f") for path in state
    )


def close(moved: np.ndarray, expected: np.ndarray) -> bool:
    """Return whether cells end up at the same places, as far as single precision tells."""
    return np.allclose(moved, expected, rtol=1e-3, atol=1e-3 * float(np.abs(expected).max(initial=1.0)))
