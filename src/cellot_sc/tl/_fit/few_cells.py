"""Takes out of fitted maps what says where the cells of a context lie that has few."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from ...ot import ContextMap, Problem, TransportMap
from ...ot._unseen import LEAST

type ContextPath = tuple[str, ...]


def effective(cells: np.ndarray, weights: np.ndarray | None) -> float:
    """Return the effective number of cells (Kish 1965): what weighs most is all that there is."""
    return len(cells) if weights is None else float(weights.sum() ** 2 / max((weights**2).sum(), 1e-300))


def few_contexts(problem: Problem) -> set[ContextPath]:
    """Return the contexts, of all levels, that have fewer than 20 train cells on either side, by their names.

    Parameters
    ----------
    problem
        What is fitted; weights count, so that a cell that outweighs the others is alone.
    """
    names = problem.context_names or ()
    found = [
        _sizes(len(problem.source), problem.source_contexts, problem.source_weights, names),
        _sizes(len(problem.target), problem.target_contexts, problem.target_weights, names),
    ]
    # equal weights come to a whole number, but for rounding
    enough = {path for path in found[0] if min(sizes.get(path, 0) for sizes in found) > LEAST - 1e-6}
    every = {*found[0], *found[1]}
    return {path for path in every if any(path[:depth] not in enough for depth in range(1, 1 + len(path)))}


def _sizes(
    n_cells: int, contexts: np.ndarray | None, weights: np.ndarray | None, names: Sequence[Sequence[str]]
) -> dict[ContextPath, float]:
    """Return the effective number of cells of every context, of all levels."""
    if contexts is None:
        return {}
    codes, weights = contexts.reshape(n_cells, -1), np.ones(n_cells) if weights is None else weights
    sizes: dict[ContextPath, float] = {}
    for depth in range(1, 1 + codes.shape[1]):
        known = (codes[:, :depth] >= 0).all(axis=1)
        paths, of = np.unique(codes[known, :depth], axis=0, return_inverse=True)
        total, squares = (np.bincount(of.ravel(), weights[known] ** power) for power in (1, 2))
        for path, size in zip(paths.tolist(), total**2 / np.maximum(squares, 1e-300), strict=True):
            sizes[tuple(str(level[code]) for level, code in zip(names, path, strict=False))] = float(size)
    return sizes


def without_few(
    fitted: TransportMap, few: Collection[ContextPath], mean: np.ndarray, *, every: bool = False
) -> TransportMap:
    """Return a map that does not say where the cells of contexts with few of them lie.

    The shift of such a context is that of what it lies in: with one treated cell it would be that cell, less a mean
    that is known. An affine map stays the same function: it holds a shift that is shrunk, and
    :math:`A (x - m) + n` is the same for every :math:`m`, with its :math:`n`.

    Parameters
    ----------
    fitted
        A map.
    few
        The contexts.
    mean
        What to take for :math:`m`.
    every
        Whether affine maps of all contexts are to have it.
    """
    if not few and not every:
        return fitted

    def without(state: Any, path: ContextPath, outer: Any) -> Any:
        """Return a state without what contexts with few cells say of these; ``outer`` is that of the map around it."""
        if not isinstance(state, Mapping):
            return state
        kind = state.get("kind")
        if kind == "context":
            parent = without(state["parent"], path, outer)
            inner = zip(state["maps"].items(), state["names"], strict=True)
            maps = {number: without(one, (*path, str(name)), parent) for (number, one), name in inner}
            unseen = {"unseen": without(state["unseen"], path, outer)} if "unseen" in state else {}
            return dict(state) | {"parent": parent, "maps": maps} | unseen
        if kind == "unseen":
            return dict(state) | {"parent": without(state["parent"], path, outer)}
        around = outer if isinstance(outer, Mapping) else {}
        if kind == "shift" and path in few and around.get("kind") == "shift":
            return outer
        out = {name: without(part, path, around.get(name)) for name, part in state.items()}
        if kind == "affine" and path and (every or path in few):
            start, end, matrix = (state[name].astype(np.float64) for name in ("source_mean", "target_mean", "matrix"))
            out |= {
                "source_mean": mean.astype(np.float32),
                "target_mean": (end + (mean - start) @ matrix).astype(np.float32),
            }
        return out

    return TransportMap.from_state(without(fitted.state(), (), {}))


def pooled_contexts(fitted: TransportMap, path: ContextPath = ()) -> set[ContextPath]:
    """Return the contexts that move as what they lie in does, to the bit, by the shift of that."""
    if not isinstance(fitted, ContextMap):
        return set()
    found: set[ContextPath] = set()
    for name, inner in zip(fitted.names, fitted.maps, strict=True):
        own = inner.parent if isinstance(inner, ContextMap) else inner
        shift, around = _shift(own), _shift(fitted.parent)
        if shift is not None and around is not None and np.array_equal(shift, around):
            found.add((*path, name))
        found |= pooled_contexts(inner, (*path, name))
    return found


def _shift(fitted: TransportMap) -> np.ndarray | None:
    state = fitted.state()
    state = state.get("inner", state)
    return state["shift"] if state["kind"] == "shift" else None
