"""What the counts of a cell were made to come to when they were normalised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

CANDIDATES = np.concatenate([np.arange(200, 100_001) / 2, [1e5, 2e5, 5e5, 1e6]])
"""Sums that are looked for: medians of totals, and what is asked for."""
AT_ONCE = 5000
N_CELLS = 10
"""Cells by which it is known, at least, and different totals that they have."""
N_MULTIPLES = 3
"""Values of a cell, at least, that say that its least is a single count."""
OFF, LEAST_WHOLE = 0.02, 0.8
"""How far from whole numbers totals may be, and the share of cells of which they may not be further."""
SAME = 0.01
"""Relative difference within which sums are the same."""


def target_sum(cells: Sequence[np.ndarray]) -> float:
    """Return what normalised counts come to in each cell over all genes that they were normalised over, 0 if not known.

    It need not be seen in full: what is normalised is a whole multiple of what a single count comes to, the target sum
    over the total of the cell. Totals are whole numbers, and no other target sum makes them so in all cells.

    Parameters
    ----------
    cells
        What is above 0 of some genes of each cell, not as logarithms, float64.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.pp._target_sum import target_sum
    >>> counts = np.random.default_rng(0).poisson(0.5, size=(50, 2000))
    >>> normalised = 1e4 * counts / counts.sum(axis=1, keepdims=True)
    >>> target_sum([cell[cell > 0] for cell in normalised[:, :300]])
    10000.0
    """
    per_unit = np.array([1 / cell.min() for cell in cells if _is_of_single_counts(cell / cell.min())])
    # of cells of one total, anything that it divides would do
    if len(np.unique(per_unit.round(9))) < N_CELLS:
        return 0.0
    for start in range(0, len(CANDIDATES), AT_ONCE):
        some = CANDIDATES[start : start + AT_ONCE]
        totals = some[:, None] * per_unit
        share = ((np.abs(totals - totals.round()) < OFF) & (totals > 0.5)).mean(axis=1)
        if (share >= LEAST_WHOLE).any():
            first = int((share >= LEAST_WHOLE).argmax())
            # what is nearly it comes before
            near = slice(first, first + int((some[first:] < some[first] * (1 + SAME)).sum()))
            return float(some[near][share[near].argmax()])
    return 0.0


def have_one_sum(cells: Sequence[np.ndarray]) -> bool:
    """Return whether what cells hold, as in :func:`target_sum`, comes to the same in nearly all of them."""
    sums = np.array([cell.sum() for cell in cells])
    if len(sums) < N_CELLS:
        return False
    low, middle, high = np.quantile(sums, [0.05, 0.5, 0.95])
    return bool(high - low < SAME * middle)


def _is_of_single_counts(times: np.ndarray) -> bool:
    """Return whether values, in multiples of the least of a cell, are whole numbers."""
    beyond = times[(times > 1.5) & (times < 20)]
    return len(beyond) >= N_MULTIPLES and bool((np.abs(beyond - beyond.round()) < 0.01).all())
