"""Fitted maps that need none of the cells that they were fitted to, and hold none."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from anndata import AnnData

from ... import _defaults, _keys
from ..._settings import logger
from ...ot import SOLVERS, Problem, Solver, TransportMap, fit
from ...ot._condensed import condensed
from ...ot._unseen import LEAST
from ...pp import Space
from ...pp._origin import Marks
from .few_cells import ContextPath, effective, few_contexts, without_few
from .fit import COUPLINGS, Fit, chained
from .held_cells import holds_cells
from .null import NOT_REPEATED, null, solvers_of
from .store import FittedMaps, history_table

SEED = 0
"""Of the null: that of the verbs that make one, unless they are given another."""
N_NAMED = 3
"""Contexts that a line names."""


def standalone(fitted: FittedMaps, adata: AnnData) -> FittedMaps:
    """Return fitted maps with their null and their baselines, and without the marks of their cells.

    Maps of a solver that keeps cells are fitted again, to means of at least 20 neighbouring cells. What would tell of
    single cells of a context that has few is left out; see :func:`.without_few`.

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
        If the maps were made of couplings of cells, the cells that they were fitted to are missing or too few, or some
        of them are found in what would be kept.
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
    fitted, problems = _with_cells_enough(fitted, done.problems(adata))
    done = fitted.fit
    sizes = _sizes(done, problems)
    solver = SOLVERS.get(done.solver)
    if solver is not None and solver.keeps_cells:
        fitted = _condensed(fitted, problems, solver)
    names = (*_defaults.BASELINES, *(_defaults.GROUP_BASELINES if done.context else ()))
    baselines = done.refit(adata, [name for name in names if name != done.solver], done.targets)
    made = null(done, adata, done.targets, seed=SEED, without_cells=True).thinned(sizes[0] // 2)
    if done.context:
        few, mean = _few(done, problems), problems[0].source.mean(axis=0, dtype=np.float64)
        _tell(fitted, few)
        fitted = replace(fitted, maps=_without_few(fitted.maps, few, mean))
        baselines = {name: _without_few(maps, few, mean) for name, maps in baselines.items()}
    origin = None if done.origin is None else replace(done.origin, marks=Marks.read(None))
    # where files of the fit are is nobody else's business
    options = {name: value for name, value in done.options.items() if name not in NOT_REPEATED}
    kept = replace(done, cells=(), origin=origin, options=options)
    out = replace(fitted, fit=kept, null=made, baselines=baselines)
    _check(out, done, adata)
    return out


def _condensed(fitted: FittedMaps, given: Sequence[Problem], solver: Solver) -> FittedMaps:
    """Return maps that are fitted to means of cells."""
    done = fitted.fit
    problems = [condensed(problem) for problem in given]
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


def _with_cells_enough(fitted: FittedMaps, problems: Sequence[Problem]) -> tuple[FittedMaps, list[Problem]]:
    """Return the maps to targets that have as many cells as a mean is to be of, and their problems, if any has."""
    done = fitted.fit
    sizes = {
        name: effective(of.target, of.target_weights) + 1e-6 for name, of in zip(done.targets, problems, strict=True)
    }
    few = [name for name, size in sizes.items() if size < LEAST]
    if not few or done.times is not None or len(few) == len(sizes):
        return fitted, [*problems]
    logger.warning(
        "%s: fewer than %d train cells, whose mean would tell of them: the model has no map there",
        *(", ".join(map(repr, few[:N_NAMED])) + f" and {len(few) - N_NAMED} more" * (len(few) > N_NAMED), LEAST),
    )
    names = tuple(name for name in done.targets if name not in few)
    history = fitted.history
    kept = replace(
        fitted,
        fit=replace(done, targets=names, cells=()),
        maps={name: fitted.maps[name] for name in names},
        history=history[~history["perturbation"].isin(few)].reset_index(drop=True),
        residuals={name: of for name, of in fitted.residuals.items() if name in names},
    )
    return kept, [of for name, of in zip(done.targets, problems, strict=True) if name in names]


def _sizes(done: Fit, problems: Sequence[Problem]) -> list[int]:
    """Return the number of train cells of the control and of every target.

    Raises :class:`ValueError` if these, or half of the control cells, are so few that their mean would tell of them.
    """
    sides = [(problems[0].source, problems[0].source_weights)]
    sides += [(problem.target, problem.target_weights) for problem in problems]
    sizes = [int(effective(*side) + 1e-6) for side in sides]
    needed = [2 * LEAST, *[LEAST] * len(problems)]
    names = (done.control, *done.targets)
    if few := [(name, n, least) for name, n, least in zip(names, sizes, needed, strict=True) if n < least]:
        name, n, least = few[0]
        others = "" if len(few) == 1 else f" (and {len(few) - 1} more have too few)"
        weighed = "" if sides[names.index(name)][1] is None else ", by their weights,"
        raise ValueError(
            f"{name!r} has {n} train cells{weighed}{others}, and a model keeps their mean: {least} are needed, so that "
            "no cell is told by it. Fit without it (targets=), or to more cells."
        )
    return sizes


def _few(done: Fit, problems: Sequence[Problem]) -> dict[str, set[ContextPath]]:
    """Return the contexts that have few cells on either side, by target."""
    found = [few_contexts(problem) for problem in problems]
    # a map of a course is a chain of those of its steps
    found = found if done.times is None else [set.union(*found)] * len(found)
    return dict(zip(done.targets, found, strict=True))


def _without_few(
    maps: Mapping[str, TransportMap], few: Mapping[str, Collection[ContextPath]], mean: np.ndarray
) -> dict[str, TransportMap]:
    return {name: without_few(one, few[name], mean) for name, one in maps.items()}


def _tell(fitted: FittedMaps, few: Mapping[str, Collection[ContextPath]]) -> None:
    """Say in the log which contexts do not keep a shift of their own."""
    solver = SOLVERS.get(fitted.fit.solver)
    paths = sorted(set().union(*few.values()))
    if solver is None or solver.affine != "shift" or not paths:
        return
    some = ", ".join(repr("/".join(path)) for path in paths[:N_NAMED]) + ", ..." * (len(paths) > N_NAMED)
    logger.warning(
        "%d contexts have fewer than 20 train cells on either side (%s): their shifts would tell of single cells, so "
        "that in the model they move as what they lie in",
        *(len(paths), some),
    )


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
