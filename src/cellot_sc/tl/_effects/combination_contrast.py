"""Sums and differences of the means of several conditions, with the errors that cells or units give them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ...metrics._moderated import moderated
from ...metrics._units import LEAST_DF
from .observed import MIN_CELLS, Sample, sample

CONDITIONS = ("control", "a", "b", "both")
"""Cells with neither of two perturbations, with one, and with both."""


class WeighedSum(NamedTuple):
    """A weighted sum of means, its squared standard error and the degrees of freedom of that, ``(n_features,)``.

    The last two are NaN where nothing tells them.
    """

    effect: np.ndarray
    variance: np.ndarray
    df: np.ndarray


class Means(ABC):
    """Means of :data:`CONDITIONS`, and how certain they are."""

    @property
    @abstractmethod
    def mean(self) -> Mapping[str, np.ndarray]:
        """Mean of each, shape ``(n_features,)``."""

    @property
    @abstractmethod
    def n_units(self) -> int:
        """Number of units behind them, 0 where cells speak for themselves."""

    @property
    @abstractmethod
    def why_untested(self) -> str:
        """Why there are no tests, empty if there are."""

    @abstractmethod
    def spread(self, weights: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
        """Return the squared standard error of a weighted sum of means, and its degrees of freedom."""

    def estimate(self, weights: Mapping[str, float]) -> WeighedSum:
        """Return a weighted sum of means."""
        effect = np.sum([weight * self.mean[name] for name, weight in weights.items()], axis=0)
        if self.why_untested:
            return WeighedSum(effect, *[np.full_like(effect, np.nan)] * 2)
        return WeighedSum(effect, *self.spread(weights))


@dataclass(frozen=True)
class CellMeans(Means):
    """Means over cells, each of which counts.

    Parameters
    ----------
    samples
        Number, mean and variance of the cells of every condition.
    """

    samples: Mapping[str, Sample]

    @property
    def n_units(self) -> int:
        """None is asked for."""
        return 0

    @property
    def mean(self) -> Mapping[str, np.ndarray]:
        """Mean over the cells of each condition."""
        return {name: of.mean for name, of in self.samples.items()}

    @property
    def why_untested(self) -> str:
        """Which condition has too few cells."""
        few = [f"{of.n_cells} {name}" for name, of in self.samples.items() if of.n_cells < MIN_CELLS]
        return f"{', '.join(few)} cells, {MIN_CELLS} are needed" if few else ""

    def spread(self, weights: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
        """Variances differ between conditions (Welch 1947, doi 10.2307/2332510)."""
        parts = [
            (weight**2 * self.samples[name].variance / self.samples[name].n_cells, self.samples[name].n_cells - 1)
            for name, weight in weights.items()
        ]
        return satterthwaite(parts)


@dataclass(frozen=True)
class UnitMeans(Means):
    """Means over units, each of which counts, however many cells it has.

    Parameters
    ----------
    means
        By condition, the mean over the cells of every unit that counts, shape ``(n_units, n_features)``.
    paired
        Whether rows of all conditions are the same units.
    reason
        Why there are no tests, empty if there are.
    """

    means: Mapping[str, np.ndarray]
    paired: bool
    reason: str

    @property
    def why_untested(self) -> str:
        """The reason."""
        return self.reason

    @property
    def mean(self) -> Mapping[str, np.ndarray]:
        """Mean over the units of each condition."""
        return {name: of.mean(axis=0) for name, of in self.means.items()}

    @property
    def n_units(self) -> int:
        """Those of all conditions, paired ones once."""
        sizes = [len(of) for of in self.means.values()]
        return sizes[0] if self.paired else sum(sizes)

    def spread(self, weights: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
        """Of units with all conditions, the scatter of their own sums; else that within conditions, pooled."""
        if self.paired:
            own = np.sum([weight * self.means[name] for name, weight in weights.items()], axis=0)
            variance, df = own.var(axis=0, ddof=1) / len(own), len(own) - 1
        else:
            squares = np.sum([of.var(axis=0) * len(of) for of in self.means.values()], axis=0)
            df = self.n_units - len(self.means)
            variance = squares / df * sum(weight**2 / len(self.means[name]) for name, weight in weights.items())
        shrunk, df_shrunk = moderated(variance, df)
        return shrunk, np.full(shrunk.shape, float(df_shrunk))


def cell_means(cells: Mapping[str, Any]) -> CellMeans:
    """Return the means of cells, dense, sparse or :class:`.Stored`, by condition."""
    return CellMeans({name: sample(x) for name, x in cells.items()})


def unit_means(cells: Mapping[str, Any], labels: Mapping[str, np.ndarray]) -> UnitMeans:
    """Return the means of units.

    A unit counts in a condition where it has :data:`.MIN_CELLS` cells of it. If any counts in all four, these are
    paired, and others do not count. If each counts in one only, as animals do, they are compared as they are. What is
    between, such as units with two of four, would be neither, and is not tested.

    Parameters
    ----------
    cells
        Cells by condition.
    labels
        The unit of each, empty where it has none.
    """
    counted = {
        name: [str(unit) for unit in np.unique(of) if unit and (of == unit).sum() >= MIN_CELLS]
        for name, of in labels.items()
    }
    all_four = sorted(set.intersection(*map(set, counted.values())))
    every = [unit for units in counted.values() for unit in units]
    used = {name: all_four or units for name, units in counted.items()}
    why = _why_untested(all_four, every, counted)
    n_features = next(iter(cells.values())).shape[1]
    means = {}
    for name, units in used.items():
        rows = [sample(cells[name][np.flatnonzero(labels[name] == unit)]).mean for unit in units]
        # where no unit counts, the cells say at least how large the effect is
        means[name] = np.stack(rows or [sample(cells[name]).mean]).reshape(-1, n_features)
    return UnitMeans(means, bool(all_four), why)


def _why_untested(all_four: Sequence[str], every: Sequence[str], counted: Mapping[str, Sequence[str]]) -> str:
    if all_four:
        few = len(all_four) - 1 < LEAST_DF
        return f"{len(all_four)} units with all four conditions, {LEAST_DF + 1} are needed" if few else ""
    if any(not units for units in counted.values()):
        none = [name for name, units in counted.items() if not units]
        return f"no unit has {MIN_CELLS} cells of {' or '.join(none)}"
    if len(set(every)) < len(every):
        return "units have some of the four conditions, none has all"
    few = len(every) - len(counted) < LEAST_DF
    return f"{len(every)} units for four conditions, {LEAST_DF + len(counted)} are needed" if few else ""


def satterthwaite(parts: Sequence[tuple[np.ndarray, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the sum of independent squared errors and its degrees of freedom (Satterthwaite 1946).

    Parameters
    ----------
    parts
        Squared errors of shape ``(n_features,)``, and the degrees of freedom of each.
    """
    total = np.sum([variance for variance, _ in parts], axis=0)
    below = np.sum([variance**2 / max(df, 1) for variance, df in parts], axis=0)
    return total, np.divide(total**2, below, out=np.full_like(total, np.inf), where=below > 0)
