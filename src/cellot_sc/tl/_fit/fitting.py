"""Runs a solver with a progress meter on the screen, and keeps what it has fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from anndata import AnnData

from ... import _progress, _validate
from ..._settings import logger
from ...ot import Problem, Solution, Solver
from . import blocks, displaced, store
from .contexts import describe
from .described import CellReader
from .fit import Fit, chained
from .prepared import Prepared
from .residuals import residuals


def fit_and_keep(
    adata: AnnData,
    fit: Fit,
    solver: Solver,
    cells: Prepared,
    config: Any,
    *,
    key_added: str,
    copy: bool,
    displacements: bool = False,
    folder: blocks.Folder | None = None,
) -> AnnData | None:
    """Fit the maps, and write them and what had to be made for them, with a line in the log.

    Parameters
    ----------
    adata
        Where to write, or what to copy first.
    fit
        What to fit.
    solver
        By what.
    cells
        To which cells.
    config
        Its checked options.
    key_added
        Where in ``uns`` the maps are written.
    copy
        Whether to write to a copy, and return that.
    displacements
        Whether to write where control cells are moved to, too.
    folder
        Where finished blocks are kept.
    """
    names = displaced.kept_names(adata, fit.targets, key_added) if displacements else {}
    fit = fit.tied(cells.cells)
    problems, solutions = fit_blocks(fit, solver, cells, config, folder)
    steps = [fit.unscaled(solution.map) for solution in solutions]
    maps = zip(fit.targets, steps if fit.times is None else chained(steps), strict=True)
    histories = zip(fit.targets, (solution.history for solution in solutions), strict=True)
    by_target = dict(maps)
    moves = displaced.displaced(cells.cells, fit, by_target) if displacements else {}

    out = _validate.writable(adata, copy=copy)
    added = cells.write(out)
    [first] = CellReader(fit)(fit.targets[:1], problems[:1])
    support = fit.support(first)
    history = store.history_table(dict(histories))
    beyond = residuals(fit, out, by_target, problems)
    store.save(out, key_added, store.FittedMaps(fit, by_target, history, support, beyond))
    plural = "s" * (len(solutions) != 1)
    added.append(f"uns[{key_added!r}] with {len(solutions)} {fit.solver} map{plural} on {fit.use_rep!r}")
    added += displaced.write(out, moves, names)
    order = "" if fit.times is None else f": times {' > '.join([fit.control, *fit.targets])}"
    logger.info("added %s%s", ", ".join(added), order)
    return out if copy else None


def fit_blocks(
    fit: Fit,
    solver: Solver,
    cells: Prepared,
    config: Any,
    folder: blocks.Folder | None = None,
    *,
    only: Sequence[int] | None = None,
) -> tuple[list[Problem], list[Solution]]:
    """Return the problems of a fit and, of all blocks or some, the solutions; see :func:`.blocks.fit`.

    Cells of problems that are not in memory are read by who fits them.
    """
    problems = fit.problems(cells.cells, tell=True, streams=True, describes=True)
    reading = CellReader(replace(fit, origin=None, cells=()))
    if fit.context:
        describe(fit, dict(zip(fit.targets, problems, strict=True)))
    with _progress.meter(solver.name, "fitting") as progress:
        return problems, blocks.fit(
            solver, fit.targets, problems, config, fit.seed, progress, reading, folder=folder, only=only
        )
