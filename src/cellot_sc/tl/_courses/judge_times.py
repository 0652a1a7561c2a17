"""What cells that were moved to times left out are worth, and the choice of how far they are out of step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from anndata import AnnData

from ... import _keys, _progress, _validate, ot
from ..._settings import logger
from ...metrics import energy_distance
from ...metrics._bootstrap import PairBootstrap, interval, resample_counts
from .._fit.fit import COUPLINGS
from .._fit.tables import keeper
from . import time_course
from .out_of_step import IN_STEP, ranks
from .time_course import Course

MODEL = "interpolate"
NEAREST, MIXTURE = "nearest_time", "mixture"
"""What moved cells are compared with."""
CANDIDATES = (IN_STEP, 0.25, 0.5, 0.75, 1.0)
"""How far cells may be out of step."""
GAIN = 0.05
"""By what share of the distance a value between the two ends has to be better: gaps left out are longer than that asked
about, and what is best in them is not quite what is best there."""
N_CELLS = 2000
COLUMNS = ["time", "model", "out_of_step", "metric", "value", "ci_low", "ci_high", "n_cells"]


@_validate.takes_adata
def judge_times(
    adata: AnnData,
    *,
    path: Literal["spline", "linear"] = "spline",
    key: str = _keys.TRAJECTORY,
    n_cells: int = N_CELLS,
    n_boot: int = 100,
    seed: int = 0,
    key_added: str | None = None,
) -> pd.DataFrame:
    """Judge cells that are moved to times left out, beside simple rules.

    Each time between the first and the last is left out in turn: a map is fitted over the gap, by the solver of the
    course and with its options, and cells of both sides are moved to the time left out, as :func:`interpolate` does.
    Train and validation cells are moved and judged by. All these maps are fitted together, which takes about as long as
    the course did. With growth, cells weigh over a gap what they weigh until the next time. A representation that was
    made of cells of all times has seen those left out.

    Parameters
    ----------
    adata
        Annotated data with a time course fitted by :func:`cellot_sc.tl.trajectory`.
    path
        As :func:`interpolate` has it.
    key
        Where in ``uns`` the maps are.
    n_cells
        Of more cells on either side, a random sample is taken.
    n_boot
        Number of resamples of the cells for intervals.
    seed
        Seed of the samples, and of which cells are ahead of others.
    key_added
        Where in ``uns`` the table is kept as well, so that files have it; nowhere with ``None``. What is there already
        has to be an older one of this function.

    Returns
    -------
    Tidy table with a row per time left out and model:

    - ``model``: ``"interpolate"``, once for each value of ``out_of_step``; ``"mixture"``: cells of the time before and
      of that after as they are, in proportion to nearness in time; ``"nearest_time"``: those of the nearest time, the
      earlier of two; ``"observed"``: the ceiling, one half of the cells of this time against the other.
    - ``metric``, ``value``: the energy distance to the observed cells, in the space of the maps.
    - ``ci_low``, ``ci_high``: central 95 % over resampled cells.
    - ``n_cells``: number of cells judged by.

    Raises
    ------
    KeyError
        If there is no time course, or a column or the representation is missing.
    ValueError
        If the course has two times only, its maps or cells are from elsewhere, so that none can be fitted again, the
        path is unknown, or a number is not one it can be.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate_branching(600, 30)
    >>> cs.tl.trajectory(adata, solver="gaussian")
    >>> table = cs.tl.judge_times(adata, n_boot=10)
    >>> table["model"].unique().tolist()
    ['interpolate', 'mixture', 'nearest_time', 'observed']
    """
    keep = keeper(adata, key_added, COLUMNS)
    _validate.one_of(path, time_course.PATHS, what="path")
    n_cells = _validate.whole(n_cells, 2, what="n_cells")
    n_boot, seed = _validate.resamples(n_boot), _validate.seed(seed)
    course = time_course.load(adata, key)
    _validate.time_between(course.labels)
    rows = []
    for gap in _gaps(adata, course, n_cells, seed):
        counts = resample_counts(len(gap.observed), n_boot, seed=seed)
        distance = PairBootstrap(gap.observed, counts, gammas=None)
        row = {"time": gap.label, "metric": energy_distance.__name__, "n_cells": len(gap.observed)}
        clouds = [(MODEL, spread, gap.moved(spread, path)) for spread in CANDIDATES]
        for model, spread, cloud in [*clouds, *((name, np.nan, cloud) for name, cloud in gap.controls())]:
            found = distance(cloud, resample_counts(len(cloud), n_boot, seed=seed + 1))
            rows.append(row | {"model": model, "out_of_step": spread} | _estimate(*found))
        a, b = np.array_split(gap.observed, 2)
        ceiling = PairBootstrap(b, resample_counts(len(b), n_boot, seed=seed), gammas=None)
        found = ceiling(a, resample_counts(len(a), n_boot, seed=seed + 1))
        rows.append(row | {"model": _keys.OBSERVED, "out_of_step": np.nan} | _estimate(*found))
    return keep(pd.DataFrame(rows, columns=COLUMNS))


def chosen(adata: AnnData, course: Course, *, path: str, seed: int) -> float:
    """Return how far cells are out of step, by the mean energy distance to times left out, with a line in the log.

    It is the better of the two ends, or what is nearest to that of all that are as good as the best, if the end is not.
    """
    if len(course.labels) < 3:
        logger.info("out_of_step is 0: a course of two times has none between to leave out, by which to choose")
        return IN_STEP
    gaps = list(_gaps(adata, course, N_CELLS, seed))
    means = {
        spread: float(np.mean([energy_distance(gap.moved(spread, path), gap.observed) for gap in gaps]))
        for spread in CANDIDATES
    }
    best, end = min(means.values()), min((CANDIDATES[0], CANDIDATES[-1]), key=means.__getitem__)
    good = [spread for spread, mean in means.items() if mean <= best + GAIN * abs(best)]
    taken = min(good, key=lambda spread: abs(spread - end))
    logger.info(
        "out_of_step=%g was chosen: energy distance with %s left out: %s",
        taken,
        ", ".join(gap.label for gap in gaps),
        ", ".join(f"{mean:.3g} for {spread:g}" for spread, mean in means.items()),
    )
    return taken


@dataclass(frozen=True)
class _Gap:
    """A time left out of a course, the cells taken then, and those around it.

    Parameters
    ----------
    course
        The course without it.
    label, value
        The time, and where it lies on the axis of time.
    observed
        Cells taken at this time, shape ``(n_cells, n_dims)``.
    x, taken
        Cells of the times before and after it, and which time of the course each is of.
    seed
        Seed of everything random.
    """

    course: Course
    label: str
    value: float
    observed: np.ndarray
    x: np.ndarray
    taken: np.ndarray
    seed: int

    @classmethod
    def of(
        cls, course: Course, index: int, x: np.ndarray, taken: np.ndarray, n_cells: int, seed: int, step: Any
    ) -> Self:
        """Draw the cells of a time left out, and of those around it."""
        rng = np.random.default_rng([seed, index])
        here, around = (
            rng.permutation(np.flatnonzero(np.isin(taken, times)))[:n_cells]
            for times in ([index], [index - 1, index + 1])
        )
        # without this time, the one after it has its place
        places = taken[around] - (taken[around] > index)
        rest = course.without(index, step)
        return cls(rest, course.labels[index], course.values[index], x[here], x[around], places, seed)

    def moved(self, spread: float, path: str) -> np.ndarray:
        """Return cells of both sides moved to this time."""
        around = self.course.around(self.value)
        own_times = self.course.own_times(self.value, ranks(self.taken, around, self.seed), spread)
        moved = np.empty_like(self.x)
        for start in around:
            cohort = self.taken == start
            own = None if spread == IN_STEP else own_times[cohort]
            moved[cohort] = self.course.move(self.x[cohort], start, self.value, path=path, own_times=own)
        return moved

    def controls(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield cells as they are, of both times around or of one, and the name of it."""
        times = self.course.around(self.value)
        before, after = (self.x[self.taken == time] for time in times)
        start, end = (self.course.values[time] for time in times)
        share = (self.value - start) / (end - start)
        # as many as there are of the time that is scarce
        n_cells = min(len(before) / (1 - share), len(after) / share)
        parts = before[: max(1, round(n_cells * (1 - share)))], after[: max(1, round(n_cells * share))]
        yield MIXTURE, np.concatenate(parts)
        yield NEAREST, before if share <= 0.5 else after


def _gaps(adata: AnnData, course: Course, n_cells: int, seed: int) -> Iterator[_Gap]:
    """Yield each time between the first and the last, left out; see :class:`_Gap`."""
    fit, labels = course.fit, course.labels
    _validate.fitted_here(fit.kind != COUPLINGS, fit.solver)
    solver = ot.SOLVERS.resolve(fit.solver)
    inner = range(1, len(labels) - 1)
    problems = fit.problems(adata, [(labels[i - 1], labels[i + 1]) for i in inner])
    with _progress.meter(solver.name, "leaving out times") as progress:
        solutions = ot.fit(problems, solver, seed=fit.seed, progress=progress, **fit.options)
    taken = course.indices(adata)
    taken[~np.isin(fit.parts(adata), [_keys.TRAIN, _keys.VALID])] = -1
    x = fit.space(adata).read(used=np.flatnonzero(taken >= 0))
    for i, solution in zip(inner, solutions, strict=True):
        yield _Gap.of(course, i, x, taken, n_cells, seed, fit.unscaled(solution.map))


def _estimate(value: float, resamples: np.ndarray) -> dict[str, float]:
    low, high = interval(resamples)
    return {"value": value, "ci_low": low, "ci_high": high}
