"""A fitted time course, and moving cells along it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from anndata import AnnData
from scipy.interpolate import CubicHermiteSpline

from ... import _validate
from ...ot import ChainMap, TransportMap
from .._fit import store
from .._fit.fit import Fit
from . import out_of_step

LINEAR, SPLINE = PATHS = ("linear", "spline")
"""The ways in which cells get from one time to the next."""


@dataclass(frozen=True)
class Course:
    """The maps between consecutive times that :func:`cellot_sc.tl.trajectory` fitted.

    Parameters
    ----------
    fit
        What was fitted.
    labels
        Labels of the times, the earliest first.
    values
        Where each lies on the axis of time.
    steps
        The map from every time to the next.
    digest
        What the maps are known by.
    """

    fit: Fit
    labels: list[str]
    values: list[float]
    steps: list[TransportMap]
    digest: str = ""

    def index(self, time: Any, *, what: str) -> int:
        """Return which of the times is meant."""
        return _validate.time_index(time, self.labels, self.values, what=what)

    def label(self, t: Any, value: float) -> str:
        """Return how ``t``, which lies at ``value`` on the axis of time, is written: like the time that lies there."""
        return self.labels[self.values.index(value)] if value in self.values else str(t)

    def indices(self, adata: AnnData) -> np.ndarray:
        """Return which of the times each cell was taken at, -1 for any other.

        Raises
        ------
        KeyError
            If there is no column of times.
        ValueError
            If a cell has no time, or none was taken at a time of the course.
        """
        labels = _validate.as_named(_validate.time_labels(adata, self.fit.label_key), self.labels)
        positions = {label: i for i, label in enumerate(self.labels)}
        taken = np.array([positions.get(label, -1) for label in labels], dtype=np.int64)
        _validate.some_in_course(taken, self.labels)
        return taken

    def own_times(self, value: float, ranks: np.ndarray, spread: float) -> np.ndarray:
        """Return where on the axis of time each cell is when cells are at ``value`` on average.

        Parameters
        ----------
        value
            Where on the axis of time, between the first and the last time.
        ranks, spread
            How early each cell goes, and how far cells are out of step; see :func:`.out_of_step.fractions`.
        """
        if value in self.values:
            return np.full(len(ranks), value)
        before, after = self.around(value)
        start, length = self.values[before], self.values[after] - self.values[before]
        return start + length * out_of_step.fractions(ranks, (value - start) / length, spread)

    def around(self, value: float) -> list[int]:
        """Return the last time before and the first after a place on the axis of time, as far as there are any."""
        values = np.array(self.values)
        return [*np.flatnonzero(values < value)[-1:].tolist(), *np.flatnonzero(values > value)[:1].tolist()]

    def move(
        self, x: np.ndarray, start: int, value: float, *, path: str, own_times: np.ndarray | None = None
    ) -> np.ndarray:
        """Return where cells of a time are, or were, at another.

        Parameters
        ----------
        x
            Cells, shape ``(n_cells, n_dims)``.
        start
            Which of the times they were taken at.
        value
            Where on the axis of time they are wanted, between the first and the last time.
        path
            ``"linear"`` or ``"spline"``, as :func:`cellot_sc.tl.interpolate` has it.
        own_times
            Where each of them is then, within the same interval, shape ``(n_cells,)``; at ``value`` with ``None``.
        """
        if value in self.values:
            end = self.values.index(value)
            return self.at(x, start, end, end)[0]
        after = int(np.searchsorted(self.values, value))
        # a spline turns with the path before and after the interval
        margin = int(path == SPLINE)
        first, last = max(after - 1 - margin, 0), min(after + margin, len(self.values) - 1)
        points = np.stack(self.at(x, start, first, last)).astype(np.float64)
        times = np.array(self.values[first : last + 1])
        spline = CubicHermiteSpline(times, points, np.gradient(points, times, axis=0))
        if own_times is None:
            return spline(value).astype(np.float32)
        since = (own_times - self.values[after - 1])[:, None]
        places = np.zeros_like(points[0])
        for coefficient in spline.c[:, after - 1 - first]:
            places = places * since + coefficient
        return places.astype(np.float32)

    def without(self, index: int, step: TransportMap) -> Course:
        """Return the course without a time between the first and the last, with a map over the gap."""
        labels, values = ([*of[:index], *of[index + 1 :]] for of in (self.labels, self.values))
        return replace(
            self, labels=labels, values=values, steps=[*self.steps[: index - 1], step, *self.steps[index + 1 :]]
        )

    def at(self, x: np.ndarray, start: int, first: int, last: int) -> list[np.ndarray]:
        """Return where cells of time ``start`` are at every time from ``first`` to ``last``."""
        places = {start: x}
        for i in range(start, last):
            places[i + 1] = self.steps[i].transport(places[i])
        for i in range(start, first, -1):
            places[i - 1] = self.steps[i - 1].inverse(places[i])
        return [places[i] for i in range(first, last + 1)]


def load(adata: AnnData, key: str) -> Course:
    """Read a time course from ``adata.uns[key]``.

    Raises
    ------
    KeyError
        If there is none under that key, or the representation it was fitted on is missing.
    """
    _validate.has_course(adata, key)
    fitted = store.maps(adata, key)
    fit = fitted.fit
    if fit.times is None:
        raise KeyError(f"adata.uns[{key!r}] holds maps of perturbations, not of a time course: call cs.tl.trajectory.")
    fit.space(adata)
    labels = [fit.control, *fit.targets]
    last = fitted.maps[labels[-1]]
    steps = last.steps if isinstance(last, ChainMap) else [last]
    return Course(fit, labels, list(fit.times), steps, fitted.digest)
