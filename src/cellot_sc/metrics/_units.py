"""Patients, animals or wells as the unit of inference: contrasts of their means, and what exchanges of them make."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.spatial.distance import cdist

from ._moderated import moderated, t_pvalues

N_EXCHANGES = 128
"""Of more exchanges than this, as many are drawn: all that 8 patients have."""
MOST_CELLS = 500
"""Cells of a unit and condition between which distances are computed."""
ALPHA = 0.05
"""Where no p-value could be smaller, none is given."""
LEAST_DF = 2
"""Degrees of freedom between units below which features are not tested: two patients cannot tell how they vary."""


class Contrast(NamedTuple):
    """Treated minus control, over units: effect and its squared standard error, shape ``(n_features,)``, and its df."""

    effect: np.ndarray
    variance: np.ndarray
    df: int

    def pvalues(self) -> np.ndarray:
        """Return two-sided p-values of no effect, with variances moderated over features."""
        variance, df = moderated(self.variance, self.df)
        return t_pvalues(self.effect, variance, df)


@dataclass(frozen=True)
class Units:
    """Cells of control and treated units.

    Parameters
    ----------
    codes
        Number of the unit of each cell, from 0, or -1 for cells that do not count, shape ``(n_cells,)``.
    treated
        Whether each cell is treated, shape ``(n_cells,)``.
    paired
        Whether every unit has cells of both conditions. If not, each has cells of one.
    n_control, n_treated
        Number of units of either condition; the same ones, if they are paired.
    names
        Their names, in the order of their numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.metrics._units import units
    >>> animals = units(np.repeat(["a", "b", "c", "d"], 5), np.repeat([False, True], 10))
    >>> animals.paired, animals.n_units, round(animals.p_min, 3)
    (False, 4, 0.333)
    """

    codes: np.ndarray
    treated: np.ndarray
    paired: bool
    n_control: int
    n_treated: int
    names: np.ndarray

    @property
    def n_units(self) -> int:
        """Number of units."""
        return self.n_control if self.paired else self.n_control + self.n_treated

    @property
    def df(self) -> int:
        """Degrees of freedom of the variance between units."""
        return max(self.n_units - (1 if self.paired else 2), 0) if min(self.n_control, self.n_treated) else 0

    @property
    def n_exchanges(self) -> int:
        """Number of exchanges that there are, those left out that exchange what others keep and keep what they do."""
        if self.paired:
            return 2 ** max(self.n_units - 1, 0)
        n = math.comb(self.n_units, self.n_control)
        return n // 2 if self.n_control == self.n_treated and n > 1 else n

    @property
    def p_min(self) -> float:
        """The smallest p-value that exchanges of whole units can have."""
        return 1 / min(self.n_exchanges, N_EXCHANGES)

    def __str__(self) -> str:
        return f"{self.n_units} paired" if self.paired else f"{self.n_control} control and {self.n_treated} treated"

    def among(self, labels: np.ndarray, treated: np.ndarray) -> Units:
        """Return the same units among other cells."""
        place = {name: code for code, name in enumerate(self.names)}
        codes = np.array([place.get(label, -1) for label in labels], dtype=int)
        return dataclasses.replace(self, codes=codes, treated=treated)

    def exchanges(self, *, seed: int) -> np.ndarray:
        """Return which units change sides in each exchange, bool, shape ``(n, n_units)``; none does in the first.

        Exchanges of a unit with itself (paired), or of control with treated units (nested): all that there are, or
        :data:`N_EXCHANGES` of them at random.
        """
        n, rng = self.n_units, np.random.default_rng(seed)
        if self.paired:
            if self.n_exchanges <= N_EXCHANGES:
                return np.array([(False, *flips) for flips in itertools.product([False, True], repeat=n - 1)])
            return np.vstack([np.zeros((1, n), dtype=bool), rng.random((N_EXCHANGES - 1, n)) < 0.5])
        sides = np.zeros(n, dtype=bool)
        sides[self.codes[self.treated & (self.codes >= 0)]] = True
        if self.n_exchanges <= N_EXCHANGES:
            chosen = np.zeros((math.comb(n, self.n_treated), n), dtype=bool)
            for row, of in zip(chosen, itertools.combinations(range(n), self.n_treated), strict=True):
                row[list(of)] = True
            if self.n_control == self.n_treated:
                chosen = chosen[chosen[:, 0] == sides[0]]
        else:
            chosen = np.vstack([sides, *(rng.permutation(sides) for _ in range(N_EXCHANGES - 1))])
        flips = chosen ^ sides
        return flips[np.argsort(flips.any(axis=1), kind="stable")]

    def after(self, flips: np.ndarray) -> np.ndarray:
        """Return which cells count as treated once some units have changed sides, shape ``(n_cells,)``."""
        return self.treated ^ (flips[self.codes] & (self.codes >= 0))

    def contrast(self, x: np.ndarray | sp.spmatrix | sp.sparray) -> Contrast:
        """Return treated minus control over units, every unit counting alike.

        Parameters
        ----------
        x
            Features, dense or sparse, shape ``(n_cells, n_features)``.
        """
        means, sides = self._means(x)
        if self.df < 1:
            effect = means[sides].mean(axis=0) - means[~sides].mean(axis=0)
            return Contrast(effect, np.full_like(effect, np.nan), 0)
        if self.paired:
            differences = means[sides] - means[~sides]
            return Contrast(differences.mean(axis=0), differences.var(axis=0, ddof=1) / self.n_units, self.df)
        squares = sum((means[side].var(axis=0) * side.sum() for side in (sides, ~sides)), np.zeros(means.shape[1]))
        variance = squares / self.df * (1 / self.n_control + 1 / self.n_treated)
        return Contrast(means[sides].mean(axis=0) - means[~sides].mean(axis=0), variance, self.df)

    def energies(self, x: np.ndarray, flips: np.ndarray, *, seed: int) -> np.ndarray:
        """Return the energy distance of treated to control cells after each exchange, every unit counting alike.

        Of at most :data:`MOST_CELLS` cells of each unit and condition; a cell is not paired with itself.

        Parameters
        ----------
        x
            Cells, shape ``(n_cells, n_dims)``.
        flips
            Which units change sides, of :meth:`exchanges`, shape ``(n, n_units)``.
        seed
            Seed of the choice of cells.
        """
        rng, blocks = np.random.default_rng(seed), []
        for unit, side in self._blocks():
            cells = np.flatnonzero((self.codes == unit) & (self.treated == side))
            blocks.append(x[cells if len(cells) <= MOST_CELLS else rng.choice(cells, MOST_CELLS, replace=False)])
        sizes = np.array([len(block) for block in blocks])
        starts, every = np.cumsum(sizes) - sizes, np.concatenate(blocks).astype(np.float64)
        sums = np.zeros((len(sizes), len(sizes)))
        for block, (start, n) in enumerate(zip(starts, sizes, strict=True)):
            # those before have met this one already
            rest = cdist(every[start : start + n], every[start:]).sum(axis=0)
            sums[block, block:] = sums[block:, block] = np.add.reduceat(rest, starts[block:] - start)
        pairs = np.outer(sizes, sizes) - np.diag(sizes)
        distance = np.divide(sums, pairs, out=np.zeros_like(sums), where=pairs > 0)
        unit_of, side_of = (np.array(column) for column in zip(*self._blocks(), strict=True))
        weights = np.where(side_of ^ flips[:, unit_of], 1 / self.n_treated, -1 / self.n_control)
        return -np.einsum("kb,bc,kc->k", weights, distance, weights)

    def _blocks(self) -> list[tuple[int, bool]]:
        """Return every unit with every condition it has cells of, units of one condition after the other."""
        counted = self.codes >= 0
        return [
            (int(unit), side)
            for side in (False, True)
            for unit in np.unique(self.codes[counted & (self.treated == side)])
        ]

    def _means(self, x: np.ndarray | sp.spmatrix | sp.sparray) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean of every unit and condition, in double precision, and which of them are treated."""
        blocks = self._blocks()
        rows = [np.flatnonzero((self.codes == unit) & (self.treated == side)) for unit, side in blocks]
        means = [np.asarray(x[cells].mean(axis=0, dtype=np.float64)).ravel() for cells in rows]
        return np.stack(means), np.array([side for _, side in blocks])


def units(labels: np.ndarray | Sequence[str], treated: np.ndarray, *, least: int = 1) -> Units:
    """Return the units of control and treated cells.

    If any unit has cells of both conditions, units are paired, and those that have one only do not count.

    Parameters
    ----------
    labels
        Unit of each cell, ``""`` for none, shape ``(n_cells,)``.
    treated
        Whether each cell is treated, shape ``(n_cells,)``.
    least
        How many cells of a condition a unit needs there.
    """
    names, codes = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    counts = np.stack([np.bincount(codes[treated == side], minlength=len(names)) for side in (False, True)], axis=1)
    enough = (counts >= least) & (names != "")[:, None]
    both = enough.all(axis=1)
    paired = bool(both.any())
    kept = both if paired else enough.any(axis=1)
    # cells of a condition of which their unit has too few do not count, either
    counted = kept[codes] & enough[codes, treated.astype(int)]
    new = np.cumsum(kept) - 1
    n_control, n_treated = (int((enough[:, side] & kept).sum()) for side in (0, 1))
    return Units(np.where(counted, new[codes], -1), treated.astype(bool), paired, n_control, n_treated, names[kept])


def exchange_pvalue(values: np.ndarray) -> float:
    """Return the share of exchanges whose value is no smaller than that of the first, which is what was seen."""
    return float((values >= values[0] - 1e-9 * abs(values[0])).mean())
