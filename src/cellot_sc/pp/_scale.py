"""What kind of numbers expression is made of, and how large they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from scipy import sparse

from cellot_sc._arrays import is_whole
from cellot_sc._chunks import chunks
from cellot_sc._settings import logger
from cellot_sc._states import FLAG, NOT_NEGATIVE, Bound, Field, Group, Numbers, OneOf

from ._pca import CHUNK
from ._rows import read
from ._target_sum import have_one_sum, target_sum

COUNTS, LOGS, SIGNED, OTHER = "counts", "logarithms", "signed", "other"
"""Whole numbers; small ones that are none; with some below 0; anything else."""
LARGEST_LOG = 15.0
"""No natural logarithm of counts per million is larger."""
MOST_TIMES = 10.0
"""How often totals may go into each other. Means of 18 parts of Kang (patients, types, stimuli), of 3 mice, of 13 parts
of mass cytometry and of 4 cell lines and the 2 studies that they are of, each against the others, differ by .15 to 6.5
times, counts per million and per ten thousand by 100."""
BASES = {"ln": np.e, "log2": 2.0, "log10": 10.0}
"""Logarithms that are told apart."""
N_CELLS = 200
"""Cells by which they are."""
N_MULTIPLES, LEAST_WHOLE, LEAST_LEAD = 50, 0.8, 0.2
"""Values that this needs, the share of whole multiples among them, and by how much the second best has fewer."""
SAME_TARGET = 1.05
"""How often target sums may go into each other to be the same: ln changes by .05."""
TOLD_TIMES, TOLD_GENES = 2.0, 200
"""From how often on totals that go into each other are told where target sums are not known, and from how many genes.
Totals of one cell type of Kang over 1,000 variable genes go .44 to 2.4 times into those of the others, of one patient
.75 to 1.33 times, at one target sum; panels of tens of markers differ by more."""


@dataclass(frozen=True, repr=False, eq=False)
class Scale:
    """What kind of numbers expression is made of, and how large they are.

    Parameters
    ----------
    kind
        ``"counts"``, ``"logarithms"``, ``"signed"`` or ``"other"``.
    low, high
        Range.
    below
        Share of the values that are below 0.
    logarithm
        Which one was taken of counts, or multiples of them: ``"ln"``, ``"log2"``, ``"log10"``; empty if not known.
    normalised
        Whether the counts had been normalised before; true if not known.
    target
        What counts were normalised to in each cell (over all genes, be they here or not), 0 if not known.
    one_sum
        Whether these genes come to the same in all cells: these alone were normalised over.
    totals
        Mean of each gene over cells, of logarithms as what they were taken of, shape ``(g,)``.
    """

    kind: str
    low: float
    high: float
    below: float
    logarithm: str
    normalised: bool
    target: float
    one_sum: bool
    totals: np.ndarray

    @classmethod
    def of(cls, x: Any) -> Self:
        """Return what cells, dense, sparse or :class:`.Stored`, of shape ``(n_cells, n_genes)``, are made of."""
        values = _Values.of(x)
        if values.low < 0:
            kind = SIGNED
        elif values.whole:
            kind = COUNTS
        else:
            kind = LOGS if values.high <= LARGEST_LOG else OTHER
        how = _How.of(x, kind)
        return cls(kind, values.low, values.high, values.below, *how, _totals(x, kind))

    @property
    def words(self) -> str:
        """What the numbers are, in a few words."""
        if self.kind in (LOGS, OTHER) and self.logarithm:
            return f"{self.logarithm} of {'normalised ' * self.normalised}counts"
        return {COUNTS: "counts", LOGS: "small positive numbers", SIGNED: "with values below 0"}.get(
            self.kind, "positive numbers"
        )

    def state(self) -> dict[str, Any]:
        """Return the values from which :data:`SCALE` makes it again."""
        return dict(vars(self))

    def check(self, x: Any, there: np.ndarray, *, what: str, layers: Sequence[str]) -> None:
        """Raise :class:`ValueError` in one sentence if other expression does not compare with this.

        Parameters
        ----------
        x
            Other cells, dense, sparse or :class:`.Stored`, shape ``(n_cells, n_there)``.
        there
            Mask of the genes that they have.
        what
            What their expression is called.
        layers
            Names of the layers that there are.
        """
        if not x.shape[0]:
            return
        named = [name for name in layers if name is not None]
        instead = f", or put there what one of adata.layers holds ({', '.join(map(repr, named))})" if named else ""
        values = _Values.of(x)
        low, whole = values.low, values.whole
        if low < 0 <= self.low:
            raise ValueError(
                f"{what} has values down to {low:.3g}, and none was below 0 in what was fitted: it was scaled or "
                f"centred. Give it as it was before{instead}."
            )
        # by chance, as few as none are below 0 in few values only
        if low >= 0 and self.below * x.shape[0] * x.shape[1] > 20:
            raise ValueError(
                f"{what} has no value below 0, and {100 * self.below:.0f} % were in what was fitted, which was scaled "
                f"or centred: do the same here, with the means and deviations from there{instead}."
            )
        if whole and self.kind in (LOGS, OTHER):
            to = f", target_sum={self.target:g}" * (self.target > 0)
            raise ValueError(
                f"{what} holds whole numbers only, as counts do, and what was fitted did not: normalise it as that was "
                f"(as by scanpy.pp.normalize_total{to}) and take log1p{instead}."
            )
        if self.kind == COUNTS and not whole:
            raise ValueError(
                f"{what} holds numbers that are not whole, and what was fitted were counts: give counts{instead}."
            )
        if self.kind == LOGS and values.high > 2 * LARGEST_LOG:
            raise ValueError(
                f"{what} has values up to {values.high:.3g}, which are no logarithms, and what was fitted up to "
                f"{self.high:.3g}: take log1p{instead}."
            )
        how = _How.of(x, self.kind)
        self._check_logarithm(how, what=what, instead=instead)
        if self.kind != SIGNED:
            self._check_totals(
                how, float(_totals(x, self.kind).sum(dtype=np.float64)), there, what=what, instead=instead
            )

    def _check_totals(self, how: _How, found: float, there: np.ndarray, *, what: str, instead: str) -> None:
        """Raise :class:`ValueError` if the other expression was normalised otherwise; say so if that may be.

        Parameters
        ----------
        how
            How it was made of counts.
        found
            What its genes come to per cell.
        there, what, instead
            As in :meth:`check`.
        """
        expected, n_genes = float(self.totals[there].sum(dtype=np.float64)), int(there.sum())
        ratio, then = found / expected if expected else 1.0, ", then take the logarithm" if self.kind == LOGS else ""
        if self.target and how.target and not _alike(how.target / self.target, SAME_TARGET):
            raise ValueError(
                f"{what} was normalised to {how.target:,g} counts per cell, and what was fitted to {self.target:,g}: "
                f"normalise raw counts with scanpy.pp.normalize_total(adata, target_sum={self.target:.10g}), over all "
                f"genes{then}{instead}."
            )
        if not _alike(ratio, MOST_TIMES):
            raise ValueError(
                f"{what} comes to {found:.3g} per cell over the {n_genes:,} genes in common, and what was fitted to "
                f"{expected:.3g}: it is on another scale. Normalise it as that was (as by scanpy.pp.normalize_total "
                f"with the same target_sum){then}{instead}."
            )
        if how.one_sum and not _alike(ratio, SAME_TARGET):
            over = "to another sum, or over these genes only" if self.one_sum else "over these genes only"
            raise ValueError(
                f"the genes in common come to the same in all cells of {what}, {ratio:.2g} times what they came to in "
                f"what was fitted: it was normalised {over}. Normalise raw counts as those were (as by "
                f"scanpy.pp.normalize_total{' before genes are chosen' * (not self.one_sum)}){then}{instead}."
            )
        is_unknown = self.kind in (LOGS, OTHER) and n_genes >= TOLD_GENES and not (self.target and how.target)
        if (is_unknown or self.one_sum) and not _alike(ratio, TOLD_TIMES):
            logger.warning(
                "%s comes to %.3g per cell over the %d genes in common, and what was fitted to %.3g%s: unless these "
                "are other kinds of cells, it was normalised to another total, or over other genes, which shifts all "
                "predictions. Normalise it as that was%s.",
                *(what, found, n_genes, expected, " in each" * self.one_sum, instead),
            )

    def _check_logarithm(self, how: _How, *, what: str, instead: str) -> None:
        """Raise :class:`ValueError` if the other expression is another logarithm, or of counts as they are."""
        logarithm, normalised = how.logarithm, how.normalised
        if not (self.logarithm and logarithm):
            return
        if logarithm != self.logarithm:
            raise ValueError(
                f"{what} is {logarithm} of counts, and what was fitted {self.logarithm}: take {self.logarithm} of 1 + "
                f"the normalised counts{instead}."
            )
        if normalised != self.normalised:
            raise ValueError(
                f"the counts that {what} is {logarithm} of were {'' if normalised else 'not '}normalised, and those of "
                f"what was fitted were{'' if self.normalised else ' not'}: normalise alike{instead}."
            )


SCALE: Field = Group(
    Scale,
    {
        "kind": OneOf((COUNTS, LOGS, SIGNED, OTHER)),
        "low": Bound(),
        "high": Bound(),
        "below": Bound(),
        "logarithm": OneOf(("", *BASES)),
        "normalised": FLAG,
        "target": Bound(),
        "one_sum": FLAG,
        "totals": Numbers("g", NOT_NEGATIVE),
    },
)
"""What is kept of it."""


class _Values(NamedTuple):
    """Range of values, whether all are whole numbers, and the share of those below 0."""

    low: float
    high: float
    whole: bool
    below: float

    @classmethod
    def of(cls, x: Any) -> Self:
        """Return it of cells, which are read once."""
        low, high, whole, n_below = np.inf, -np.inf, True, 0
        for _, few in chunks(x):
            low, high = min(low, float(few.min())), max(high, float(few.max()))
            whole = whole and is_whole(few)
            n_below += int((few < 0).sum()) if low < 0 else 0
        return cls(low, high, whole, n_below / (x.shape[0] * x.shape[1]))


class _How(NamedTuple):
    """How expression was made of counts; parameters as those of :class:`Scale`."""

    logarithm: str = ""
    normalised: bool = True
    target: float = 0.0
    one_sum: bool = False

    @classmethod
    def of(cls, x: Any, kind: str) -> Self:
        """Return it of cells, as far as it can be told from some of them."""
        if kind not in (LOGS, OTHER):
            return cls()
        rows = np.unique(np.linspace(0, x.shape[0] - 1, N_CELLS).astype(int))
        cells = [row[row > 0].astype(np.float64) for row in read(x, rows)]
        cells = [row for row in cells if len(row)]
        logarithm, normalised = _logarithm([row for row in cells if row.max() < 2 * LARGEST_LOG])
        if kind == LOGS or logarithm:
            # of numbers that cannot be told, the most usual one; what was none comes to no one sum
            cells = [np.expm1(np.minimum(row, 2 * LARGEST_LOG) * np.log(BASES[logarithm or "ln"])) for row in cells]
        known = normalised and (logarithm or kind == OTHER)
        one_sum = x.shape[1] > 1 and have_one_sum(cells)
        return cls(logarithm, normalised, target_sum(cells) if known else 0.0, one_sum)


def _logarithm(cells: Sequence[np.ndarray]) -> tuple[str, bool]:
    """Return which logarithm of 1 + counts, or multiples of them, cells hold, and whether they were normalised.

    What is undone by the right one is, in each cell, a whole multiple of the same number: what a single transcript
    comes to, which is 1 where nothing was normalised.
    """
    shares, units = {}, {}
    for name, base in BASES.items():
        linear = [np.expm1(row * np.log(base)) for row in cells]
        units[name] = np.array([row.min() for row in linear])
        times = np.concatenate([row / row.min() for row in linear] or [np.empty(0)])
        times = times[(times > 1.5) & (times < 20)]
        shares[name] = float((np.abs(times - times.round()) < 0.01).mean()) if len(times) >= N_MULTIPLES else 0.0
    best, second, *_ = sorted(shares, key=lambda name: -shares[name])
    if shares[best] < LEAST_WHOLE or shares[best] - shares[second] < LEAST_LEAD:
        return "", True
    return best, bool((np.abs(units[best] - 1) > 1e-3).mean() > 0.5)


def _alike(ratio: float, times: float) -> bool:
    return 1 / times <= ratio <= times


def _totals(x: Any, kind: str) -> np.ndarray:
    """Return the mean of each gene over cells, of logarithms as what they were taken of; of signed numbers, 0."""
    total = np.zeros(x.shape[1])
    if kind == SIGNED:
        return total.astype(np.float32)
    for _, few in chunks(x, CHUNK):
        rows = few.astype(np.float64)
        if kind == LOGS:
            values = rows.data if sparse.issparse(rows) else rows
            np.expm1(values, out=values)
        total += np.asarray(rows.sum(axis=0)).ravel()
    return (total / x.shape[0]).astype(np.float32)
