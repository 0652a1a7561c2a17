"""What no effect looks like: maps between halves of the control cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from ... import _defaults
from ..._settings import logger
from ...ot import SOLVERS, Problem, Solver, TransportMap, fit
from ...ot._problem import CLOUDS
from .._fit.fit import Fit
from .displacements import Displacements

N_NULL = 50
"""Random halvings of the control train cells."""
LEVEL = 0.05
"""False discovery rate at which cells are said to respond."""
NOT_REPEATED = ("checkpoint_dir", "resume")
"""Options of a fit that are about its files."""


@dataclass(frozen=True)
class Null:
    """Maps between control cells and other control cells.

    Parameters
    ----------
    maps
        An affine map per random halving of the control train cells.
    scale
        By perturbation, what a displacement by these maps is multiplied by: they come from half as many control cells,
        and from as many of the other half, as the map in question comes from control and treated cells. 1 at least
        for solvers that are not affine.
    shared
        By perturbation, the share of that displacement's square that is due to the control cells alone.
    own
        The map that the solver in question fits to one more halving, where that is not affine.
    twin
        The affine map to the same halving.
    df
        Degrees of freedom of what is estimated from the spread of the maps.
    """

    maps: list[TransportMap]
    scale: dict[str, float]
    shared: dict[str, float]
    own: TransportMap | None
    twin: TransportMap
    df: int = N_NULL

    @property
    def n_maps(self) -> int:
        """Number of maps."""
        return len(self.maps)

    def excess(self, summary: Callable[[TransportMap], np.ndarray]) -> float:
        """Return by what factor the solver's own noise exceeds that of affine maps, 1 at least.

        Parameters
        ----------
        summary
            What is looked at: an array of displacements, such as those of single cells or of means over groups.
        """
        if self.own is None:
            return 1.0
        own, twin = (float((summary(fitted).astype(np.float64) ** 2).mean()) for fitted in (self.own, self.twin))
        return max(1.0, float(np.sqrt(own / twin))) if twin > 0 else 1.0


def null(moves: Displacements, *, seed: int) -> Null:
    """Fit maps between random halves of the control train cells.

    Affine maps, because that is what closed forms fit and what networks start from and keep where it explains the
    cells. Other solvers fit one halving themselves, which says how much noisier they are. Control cells weigh what they
    weighed in the fit.

    Parameters
    ----------
    moves
        The maps in question and their control cells.
    seed
        Seed of the halvings.

    Raises
    ------
    KeyError
        If the column of the split is missing.
    ValueError
        If the train cells that the maps were fitted to are not among the cells.
    """
    adata, repeated = moves.space.adata, moves.fitted.fit
    solver, affine, options = solvers_of(repeated)
    problems = repeated.problems(adata, [(repeated.control, name) for name in moves.names])
    rng = np.random.default_rng(seed)
    halvings = [_halving(problems[0], rng) for _ in range(N_NULL + 1)]
    maps = [repeated.unscaled(fitted) for fitted in stand_ins(halvings, affine)]
    own = None
    if solver.affine is None:
        logger.info("fitting %s to control cells against control cells", solver.name)
        [solution] = fit(halvings[-1:], solver, seed=repeated.seed, **options)
        own = repeated.unscaled(solution.map)
    halving_size = sum(_inverse_sizes(halvings[0]))
    sizes = {name: _inverse_sizes(problem) for name, problem in zip(moves.names, problems, strict=True)}
    # what a solver that is not affine adds need not shrink with the number of cells
    least = 0.0 if own is None else 1.0
    return Null(
        maps=maps[:-1],
        scale={name: max(least, float(np.sqrt(sum(sizes[name]) / halving_size))) for name in moves.names},
        shared={name: control / (control + target) for name, (control, target) in sizes.items()},
        own=own,
        twin=maps[-1],
    )


def solvers_of(repeated: Fit) -> tuple[Solver, str, dict[str, Any]]:
    """Return the solver of a fit, the affine one that stands in for it, and the options of the former."""
    options = {name: value for name, value in repeated.options.items() if name not in NOT_REPEATED}
    solver = SOLVERS.get(repeated.solver)
    if solver is None:
        # what moscot has solved is such a map; of others it is not known how noisy they are
        solver, options = SOLVERS[_defaults.DISCRETE], {}
    affine = _defaults.GROUP_BASELINES if repeated.context else (_defaults.SHIFT, _defaults.AFFINE)
    return solver, affine[solver.affine != "shift"], options


def stand_ins(problems: Sequence[Problem], solver: str) -> list[TransportMap]:
    """Return affine maps that stand in for those of another solver; none is asked for contexts that were not seen."""
    options: dict[str, Any] = {"unseen": False} if "unseen" in SOLVERS[solver].options() else {}
    return [solution.map for solution in fit(problems, solver, **options)]


def _halving(whole: Problem, rng: np.random.Generator) -> Problem:
    """Return one random half of the control cells as the source and the other as the target."""
    halves = [*_halves(len(whole.source), rng), *_halves(len(whole.source_valid), rng)]
    given: dict[str, Any] = {"context_names": whole.context_names}
    for cloud, rows, of in zip(CLOUDS, halves, ("source",) * 2 + ("source_valid",) * 2, strict=True):
        given[cloud] = getattr(whole, of)[rows]
        weights, contexts = getattr(whole, f"{of}_weights"), getattr(whole, f"{of}_contexts")
        # none count where all have the weight 0
        given[f"{cloud}_weights"] = None if weights is None or not weights[rows].any() else weights[rows]
        given[f"{cloud}_contexts"] = None if contexts is None else contexts[rows]
    return Problem(**given)


def _halves(n_cells: int, rng: np.random.Generator) -> list[np.ndarray]:
    return np.array_split(rng.permutation(n_cells), 2)


def _inverse_sizes(problem: Problem) -> tuple[float, float]:
    """Return one over the effective number (Kish 1965) of source and of target cells: their weights' share of noise."""
    clouds = (problem.source, problem.source_weights), (problem.target, problem.target_weights)
    source, target = (
        1 / len(cells) if weights is None else float((weights**2).sum() / weights.sum() ** 2)
        for cells, weights in clouds
    )
    return source, target


def spread(
    null_maps: Null, moves: Displacements, groups: Mapping[str, np.ndarray], features: slice | list[int]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return how far the null moves features: the root mean square change of cells and of means over groups.

    A perturbation's is its ``scale`` times that.

    Parameters
    ----------
    null_maps
        The null.
    moves
        The cells.
    groups
        Mask of the cells of each group.
    features
        Which features.

    Returns
    -------
    Arrays of shape ``(n_control, n_features)`` and, by group, ``(n_features,)``.
    """
    start = moves.space.view(moves.x)[:, features]

    def change(fitted: TransportMap) -> np.ndarray:
        return moves.space.view(moves.moved(fitted))[:, features] - start

    def means(changed: np.ndarray) -> np.ndarray:
        group_means = [changed[mask].mean(axis=0, dtype=np.float64) for mask in groups.values()]
        return np.reshape(group_means, (len(groups), start.shape[1]))

    cell_spread = np.zeros(start.shape, dtype=np.float32)
    group_spread = np.zeros((len(groups), start.shape[1]))
    for fitted in null_maps.maps:
        changed = change(fitted)
        group_spread += means(changed) ** 2 / null_maps.n_maps
        cell_spread += np.square(changed, out=changed) / null_maps.n_maps
    cell_spread = np.sqrt(cell_spread) * np.float32(null_maps.excess(change))
    group_spread = np.sqrt(group_spread) * (null_maps.excess(lambda fitted: means(change(fitted))) if groups else 1.0)
    return cell_spread, dict(zip(groups, group_spread, strict=True))


def responding(z: np.ndarray, null_maps: Null) -> np.ndarray:
    """Return which cells respond, at a false discovery rate among the cells, feature by feature.

    The procedure of Benjamini and Hochberg (1995, doi 10.1111/j.2517-6161.1995.tb02031.x), on the scale of ``z``.

    Parameters
    ----------
    z
        Standardised effects, shape ``(n_cells, n_features)``.
    null_maps
        The null.
    """
    n_cells = len(z)
    critical = stats.t.isf(LEVEL * np.arange(1, n_cells + 1) / (2 * n_cells), null_maps.df)
    ordered = -np.sort(-z, axis=0)
    n_called = np.where(ordered >= critical[:, None], np.arange(1, n_cells + 1)[:, None], 0).max(axis=0)
    least = np.take_along_axis(ordered, np.maximum(n_called - 1, 0)[None], axis=0)[0]
    return (z >= least) & (n_called > 0)
