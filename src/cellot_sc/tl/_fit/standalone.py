"""Fitted maps that need none of the cells that they were fitted to, and hold none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from anndata import AnnData

from ... import _defaults, _keys
from ..._settings import logger
from ...ot import SOLVERS, Solver, TransportMap, fit
from ...ot._condensed import condensed
from ...ot._unseen import LEAST
from ...pp import Space
from ...pp._origin import Marks
from .fit import COUPLINGS, Fit, chained
from .held_cells import holds_cells
from .null import NOT_REPEATED, null, solvers_of
from .store import FittedMaps, history_table

SEED = 0
"""Of the null: that of the verbs that make one, unless they are given another."""

type Contexts = Collection[tuple[str, ...]]


def standalone(fitted: FittedMaps, adata: AnnData) -> FittedMaps:
    """Return fitted maps with their null and their baselines, and without the marks of their cells.

    Maps of a solver that keeps cells are fitted again, to means of at least 20 neighbouring cells.

    Parameters
    ----------
    fitted
        The maps.
    adata
        The cells that they were fitted to.

    Raises
    ------
    KeyError
        If a column or the representation is missing.
    ValueError
        If the maps were made of couplings of cells, the cells that they were fitted to are missing, or some of them are
        found in what would be kept.
    """
    done = fitted.fit
    if done.kind == COUPLINGS:
        raise ValueError(
            "maps that were made of couplings hold the cells that these are between, so that no model can be made of "
            "them: fit with cs.tl.cellot or cs.tl.trajectory."
        )
    if fitted.is_standalone:
        return fitted
    done.space(adata)
    solver = SOLVERS.get(done.solver)
    if solver is not None and solver.keeps_cells:
        fitted = _condensed(fitted, adata, solver)
    names = (*_defaults.BASELINES, *(_defaults.GROUP_BASELINES if done.context else ()))
    baselines = done.refit(adata, [name for name in names if name != done.solver], done.targets)
    made = null(done, adata, done.targets, seed=SEED, without_cells=True).thinned()
    sizes = _sizes(done, adata)
    if sizes:
        few, mean = [path for path, n in sizes.items() if n < LEAST], _mean(done, adata)
        # of halves of its cells, any context may have few
        made = made.each(lambda one: _anchored(one, sizes, mean))
        baselines = {
            name: {to: _anchored(one, few, mean) for to, one in maps.items()} for name, maps in baselines.items()
        }
        fitted = replace(fitted, maps={name: _anchored(one, few, mean) for name, one in fitted.maps.items()})
    origin = None if done.origin is None else replace(done.origin, marks=Marks.read(None))
    # where files of the fit are is nobody else's business
    options = {name: value for name, value in done.options.items() if name not in NOT_REPEATED}
    kept = replace(done, cells=(), origin=origin, options=options)
    out = replace(fitted, fit=kept, null=made, baselines=baselines)
    _check(out, done, adata)
    return out


def _condensed(fitted: FittedMaps, adata: AnnData, solver: Solver) -> FittedMaps:
    """Return maps that are fitted to means of cells."""
    done = fitted.fit
    problems = [condensed(problem) for problem in done.problems(adata)]
    if not solver.weighs:
        weights: dict[str, Any] = dict.fromkeys(("source_weights", "target_weights"))
        problems = [replace(problem, **weights) for problem in problems]
    logger.warning(
        "maps of solver %r hold the cells that they were fitted to: they are fitted again, to %d means of at least %d "
        "neighbouring control cells and likewise of treated ones, and are coarser than before",
        *(solver.name, len(problems[0].source), LEAST),
    )
    _, _, options = solvers_of(done)
    # between few means, barycentres alone would lose what varies within them: E .0035 in place of .054 for 20,000 cells
    options |= solver.of_means
    solutions = fit(problems, solver, seed=done.seed, **options)
    steps = [done.unscaled(solution.map) for solution in solutions]
    maps = dict(zip(done.targets, steps if done.times is None else chained(steps), strict=True))
    histories = {name: solution.history for name, solution in zip(done.targets, solutions, strict=True)}
    return replace(fitted, maps=maps, history=history_table(histories))


def _train_controls(done: Fit, adata: AnnData) -> np.ndarray:
    controls = done.controls(adata)
    return controls[done.parts(adata)[controls] == _keys.TRAIN]


def _sizes(done: Fit, adata: AnnData) -> Counter[tuple[str, ...]]:
    """Return how many control train cells each context has, of all levels; nothing without contexts."""
    contexts = done.contexts(adata, _train_controls(done, adata))
    if contexts is None:
        return Counter()
    return Counter(tuple(row[:depth]) for row in contexts.tolist() for depth in range(1, 1 + len(row)))


def _mean(done: Fit, adata: AnnData) -> np.ndarray:
    x = Space(adata, done.use_rep, origin=done.origin).read(_train_controls(done, adata))
    return done.scaled(x).mean(axis=0, dtype=np.float64)


def _anchored(fitted: TransportMap, few: Contexts, mean: np.ndarray) -> TransportMap:
    """Return the same map, in which affine maps of contexts with few cells do not say where these cells lie.

    Of a context with one cell, an affine map would hold that cell: A (x - m) + n is the same for every m, with its n.

    Parameters
    ----------
    fitted
        A map.
    few
        The contexts.
    mean
        What to take for m.
    """
    return TransportMap.from_state(_anchored_state(fitted.state(), few, mean, ())) if few else fitted


def _anchored_state(state: Any, few: Contexts, mean: np.ndarray, path: tuple[str, ...]) -> Any:
    if not isinstance(state, Mapping):
        return state
    out = {name: _anchored_state(part, few, mean, path) for name, part in state.items() if name != "maps"}
    if state.get("kind") == "context":
        inner = zip(state["maps"].items(), state["names"], strict=True)
        return out | {"maps": {i: _anchored_state(one, few, mean, (*path, str(name))) for (i, one), name in inner}}
    if "maps" in state:
        out["maps"] = _anchored_state(state["maps"], few, mean, path)
    if state.get("kind") == "affine" and path in few:
        start, end, matrix = (state[name].astype(np.float64) for name in ("source_mean", "target_mean", "matrix"))
        out |= {
            "source_mean": mean.astype(np.float32),
            "target_mean": (end + (mean - start) @ matrix).astype(np.float32),
        }
    return out


def _check(made: FittedMaps, done: Fit, adata: AnnData) -> None:
    """Raise :class:`ValueError` if cells that were fitted to are found in what is kept."""
    assert made.null is not None
    tree = {
        "maps": {name: one.state() for name, one in made.maps.items()},
        "null": made.null.state(),
        "baselines": {name: {to: one.state() for to, one in maps.items()} for name, maps in made.baselines.items()},
        "support": {} if made.support is None else made.support.state(),
    }
    seen = np.isin(done.labels(adata), [done.control, *done.targets])
    seen &= np.isin(done.parts(adata).astype(str), (_keys.TRAIN, _keys.VALID))
    x = Space(adata, done.use_rep, origin=done.origin).read(np.flatnonzero(seen))
    spaces = [x] if done.feature_weights is None else [x, done.scaled(x)]
    if path := next(filter(None, (holds_cells(tree, cells) for cells in spaces)), None):
        raise ValueError(
            f"what is kept of solver {done.solver!r} holds a cell that was learnt from, in {path}, so that no model "
            "can be made of it: fit with another solver, or say keeps_cells=True in the record of this one, so "
            "that it is given means of cells."
        )
