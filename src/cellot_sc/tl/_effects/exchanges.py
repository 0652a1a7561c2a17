"""What no effect looks like where whole patients answer: maps refitted after exchanging control and treated."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ... import _keys
from ..._settings import logger
from ...metrics._units import Units, units
from ...ot import Problem, Solver, TransportMap, fit
from ...ot._problem import CLOUDS
from .._fit.fit import Fit
from .._fit.null import Null, solvers_of, stand_ins
from .displacements import Displacements


class Exchanges(NamedTuple):
    """What exchanges of whole units make of one perturbation.

    Parameters
    ----------
    null
        Maps refitted after exchanges, the effect taken off before.
    members
        The units, among the cells that were fitted to.
    flips
        Which of them change sides, shape ``(n, n_units)``; none in the first exchange.
    maps
        Maps of scaled cells, refitted after exchanges, the effect left on.
    """

    null: Null
    members: Units
    flips: np.ndarray
    maps: list[TransportMap]


class ExchangePlan(NamedTuple):
    """What it takes to refit the map of one perturbation after exchanges, in whatever process.

    Parameters
    ----------
    name
        The perturbation.
    problem
        Its control and treated cells.
    members, flips
        As of :class:`Exchanges`.
    exact
        Whether to refit with the effect left on, too: what an exact test compares with.
    fit
        The fit in question.
    solver, affine, options
        Its solver, the affine one that stands in for it, and the options of the former.
    """

    name: str
    problem: Problem
    members: Units
    flips: np.ndarray
    exact: bool
    fit: Fit
    solver: Solver
    affine: str
    options: dict[str, Any]

    def run(self) -> Exchanges:
        """Refit the map after exchanging control and treated for whole units.

        By an affine solver; others fit one exchange of about half of the units themselves, which says how much noisier
        they are.

        Exchanges of some units leave a part of an effect. Where the maps are to say how large an error is, treated
        cells are therefore moved back by the affine map before (as Freedman and Lane 1983 permute residuals): of means
        of units, (df + 1) / df times the mean square of the effect over exchanges is then the usual squared standard
        error.
        """
        problem, members, flips = self.problem, self.members, self.flips
        maps = refitted(problem, members, flips if self.exact else flips[:1], self.affine)
        back = {
            cloud: maps[0].inverse(getattr(problem, cloud), problem.named(getattr(problem, f"{cloud}_contexts")))
            for cloud in ("target", "target_valid")
        }
        still = dataclasses.replace(problem, **back)
        at_rest = [self.fit.unscaled(fitted) for fitted in refitted(still, members, flips, self.affine)]
        half, own = int(np.argmin(np.abs(flips.mean(axis=1) - 0.5))), None
        if self.solver.affine is None:
            logger.info("fitting %s after an exchange of units", self.solver.name)
            halved = [*exchanged(still, members, flips[[half]])]
            [solution] = fit(halved, self.solver, seed=self.fit.seed, **self.options)
            own = self.fit.unscaled(solution.map)
        scale = float(np.sqrt((members.df + 1) / members.df)) if members.df else float("nan")
        null = Null(at_rest, {self.name: scale}, {}, own, at_rest[half], df=members.df)
        return Exchanges(null, members, flips, maps)


def exchange_plans(
    moves: Displacements, labels: np.ndarray, *, seed: int, exact: bool = False
) -> dict[str, ExchangePlan]:
    """Return by perturbation what it takes to refit its map after exchanges of whole units.

    Parameters
    ----------
    moves
        The maps in question and their control cells.
    labels
        Unit of every cell of the AnnData, ``""`` for none.
    seed
        Seed of the exchanges, where there are too many.
    exact
        Whether to refit with the effect left on, too.

    Raises
    ------
    ValueError
        If no train cell of the control, or of a perturbation, has a unit, or the maps come from a model.
    """
    if moves.fitted.is_standalone:
        raise ValueError(
            "unit= needs the cells that the maps were fitted to, which a model does not have: leave it out, or call it "
            "in the AnnData of the fit."
        )
    adata, repeated = moves.space.adata, moves.fitted.fit
    solver, affine, options = solvers_of(repeated)
    problems = repeated.problems(adata, [(repeated.control, name) for name in moves.names])
    conditions, parts = repeated.labels(adata), repeated.parts(adata)
    bare = dataclasses.replace(repeated, origin=None, cells=())
    plans = {}
    for name, problem in zip(moves.names, problems, strict=True):
        rows = np.concatenate(
            [
                np.flatnonzero((conditions == condition) & (parts == part))
                for part in (_keys.TRAIN, _keys.VALID)
                for condition in (repeated.control, name)
            ]
        )
        members = units(labels[rows], conditions[rows] == name)
        if not min(members.n_control, members.n_treated):
            raise ValueError(
                f"no train cell of {repeated.control if not members.n_control else name!r} has a unit: name the column "
                "that holds the patient or the animal of every cell."
            )
        logger.info("the units of %r are %s", name, members)
        flips = members.exchanges(seed=seed)
        plans[name] = ExchangePlan(name, problem, members, flips, exact, bare, solver, affine, options)
    return plans


def costs_after(
    maps: list[TransportMap], x: np.ndarray, contexts: np.ndarray | None, members: Units, flips: np.ndarray
) -> np.ndarray:
    """Return the mean cost of moving what counts as control cells by the map after each exchange.

    Parameters
    ----------
    maps
        A map per exchange.
    x
        Control and treated cells, shape ``(n_cells, n_dims)``.
    contexts
        The context of each, if the maps know any; see :meth:`.Fit.contexts`.
    members
        Their units; cells of none stay what they are.
    flips
        Which units change sides, shape ``(n, n_units)``.
    """
    costs = []
    for fitted, flip in zip(maps, flips, strict=True):
        counted = ~members.after(flip)
        # units of which no cell is here leave none
        rows = np.flatnonzero(counted if counted.any() else ~members.treated)
        moved = fitted.transport(x[rows], None if contexts is None else contexts[rows])
        costs.append(0.5 * ((moved - x[rows]) ** 2).sum(axis=1, dtype=np.float64).mean())
    return np.array(costs)


def exchanged(problem: Problem, members: Units, flips: np.ndarray) -> Iterator[Problem]:
    """Yield the problem after each exchange of whole units, train and validation cells alike.

    Cells of no unit are left out. Every cell takes its weight along, relative to the mean weight of its side.

    Parameters
    ----------
    problem
        The control and treated cells.
    members
        Units of its train cells, source first, then of its validation cells.
    flips
        Which units change sides, shape ``(n, n_units)``.
    """
    n_train = len(problem.source) + len(problem.target)
    cells = np.concatenate([problem.source, problem.target, problem.source_valid, problem.target_valid])
    weights, contexts = _joined(problem), _joined_contexts(problem)
    counted, is_train = members.codes >= 0, np.arange(len(cells)) < n_train
    for flip in flips:
        treated = members.after(flip)
        sides = [counted & part & side for part in (is_train, ~is_train) for side in (~treated, treated)]
        # equal weights are none, as they are where all are 0
        counts = [None if weights is None or not weights[side].any() else weights[side] for side in sides]
        given: dict[str, Any] = {"context_names": problem.context_names}
        for cloud, side, weight in zip(CLOUDS, sides, counts, strict=True):
            known = None if contexts is None else contexts[side]
            given |= {cloud: cells[side], f"{cloud}_weights": weight, f"{cloud}_contexts": known}
        yield Problem(**given)


def refitted(problem: Problem, members: Units, flips: np.ndarray, solver: str) -> list[TransportMap]:
    """Return a map by an affine solver after each exchange."""
    # one at a time: all exchanged cells together would take a hundred times the memory of the cells
    return [stand_ins([other], solver)[0] for other in exchanged(problem, members, flips)]


def _joined_contexts(problem: Problem) -> np.ndarray | None:
    """Return the contexts of all cells of a problem, if there are any."""
    known = [getattr(problem, f"{cloud}_contexts") for cloud in CLOUDS]
    return None if known[0] is None else np.concatenate(known)


def _joined(problem: Problem) -> np.ndarray | None:
    """Return the weights of all cells of a problem, relative to the mean of their side; ``None`` if none has any."""
    sides = [(getattr(problem, cloud), getattr(problem, f"{cloud}_weights")) for cloud in CLOUDS]
    if all(weights is None for _, weights in sides):
        return None
    return np.concatenate([np.ones(len(x)) if w is None else w / w.mean() for x, w in sides])
