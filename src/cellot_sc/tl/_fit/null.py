"""What no effect looks like: maps between halves of the control cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from anndata import AnnData

from ... import _defaults
from ..._settings import logger
from ..._states import POSITIVE, Demand, Field, Reals, StateReading, Texts, Whole, read_fields
from ...ot import SOLVERS, Problem, Solver, TransportMap, fit
from ...ot._condensed import condensed
from ...ot._maps.base import Inner, Several
from ...ot._problem import CLOUDS
from .few_cells import few_contexts, without_few
from .fit import Fit
from .packed import packed, unpacked

N_NULL = 50
"""Random halvings of the control train cells."""
LEAST_KEPT, MOST_KEPT = 20, 16_000_000
"""Halvings whose maps a model keeps at least, and bytes that they may have beyond that."""
NOT_REPEATED = ("checkpoint_dir", "resume")
"""Options of a fit that are about its files."""
SHARES = Demand("numbers from 0 to 1 are", lambda x: ((x >= 0) & (x <= 1)).all())


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

    fields: ClassVar[dict[str, Field]] = {
        "own": Inner(),
        "twin": Inner(),
        "names": Texts("t"),
        "scale": Reals(POSITIVE),
        "shared": Reals(SHARES),
        "df": Whole(),
    }

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

    def thinned(self, most: int) -> Null:
        """Return it with as many of its maps as a model keeps, and so many degrees of freedom.

        Parameters
        ----------
        most
            Maps at most: means of known halves are equations, and as many as there are cells have one solution.
        """
        size = packed([self.maps[0].state()])["numbers"].nbytes
        n_kept = min(max(MOST_KEPT // max(size, 1), LEAST_KEPT), self.n_maps, most)
        return replace(self, maps=self.maps[:n_kept], df=n_kept)

    def state(self) -> dict[str, Any]:
        """Return arrays, numbers, texts and dicts of them from which :meth:`read` makes it again."""
        return {
            "maps": packed([fitted.state() for fitted in self.maps]),
            **({} if self.own is None else {"own": self.own.state()}),
            "twin": self.twin.state(),
            "names": np.array([*self.scale], dtype=object),
            "scale": np.array([*self.scale.values()]),
            "shared": np.array([self.shared[name] for name in self.scale]),
            "df": self.df,
        }

    @classmethod
    def read(cls, state: Mapping[str, Any]) -> Self:
        """Return what was kept; raise :class:`ValueError` if it is something else."""
        reading = StateReading()
        read = read_fields(state, cls.fields, reading, path="null", optional=["own"], others=["maps"])
        states = unpacked(state["maps"], path="null.maps")
        maps = Several().read({str(i): one for i, one in enumerate(states)}, "null.maps", reading)
        names = read.pop("names")
        for what in ("scale", "shared"):
            if len(read[what]) != len(names):
                raise ValueError(f"null.{what} has {len(read[what])} numbers; {len(names)} are needed.")
            read[what] = dict(zip(names, read[what], strict=True))
        return cls(**{"own": None} | read, maps=maps)


def null(repeated: Fit, adata: AnnData, names: Sequence[str], *, seed: int, without_cells: bool = False) -> Null:
    """Fit maps between random halves of the control train cells.

    Affine maps, because that is what closed forms fit and what networks start from and keep where it explains the
    cells. Other solvers fit one halving themselves, which says how much noisier they are. Control cells weigh what they
    weighed in the fit.

    Parameters
    ----------
    repeated
        The fit in question.
    adata
        The cells.
    names
        The perturbations in question.
    seed
        Seed of the halvings.
    without_cells
        Whether maps are to tell of no cell: a solver whose maps hold cells fits means of these instead, and what tells
        of contexts with few cells in either half is left out.

    Raises
    ------
    KeyError
        If the column of the split is missing.
    ValueError
        If the train cells that the maps were fitted to are not among the cells.
    """
    solver, affine, options = solvers_of(repeated)
    problems = repeated.problems(adata, [(repeated.control, name) for name in names])
    rng = np.random.default_rng(seed)
    halvings = [_halving(problems[0], rng) for _ in range(N_NULL + 1)]

    def kept(fitted: TransportMap, halving: Problem) -> TransportMap:
        whole = repeated.unscaled(fitted)
        if not (without_cells and repeated.context):
            return whole
        mean = problems[0].source.mean(axis=0, dtype=np.float64)
        return without_few(whole, few_contexts(halving), mean, every=True)

    maps = [*map(kept, stand_ins(halvings, affine), halvings)]
    own = None
    if solver.affine is None:
        logger.info("fitting %s to control cells against control cells", solver.name)
        halving = halvings[-1]
        if without_cells and solver.keeps_cells:
            halving, options = condensed(halving), {**options, **solver.of_means}
        [solution] = fit([halving], solver, seed=repeated.seed, **options)
        own = kept(solution.map, halvings[-1])
    halving_size = sum(_inverse_sizes(halvings[0]))
    sizes = {name: _inverse_sizes(problem) for name, problem in zip(names, problems, strict=True)}
    # what a solver that is not affine adds need not shrink with the number of cells
    least = 0.0 if own is None else 1.0
    return Null(
        maps=maps[:-1],
        scale={name: max(least, float(np.sqrt(sum(sizes[name]) / halving_size))) for name in names},
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
