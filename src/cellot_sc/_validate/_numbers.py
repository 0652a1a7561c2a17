"""Single numbers, and numbers of cells and of panels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import _keys
from .._numbers import is_real, shown, whole

MAX_RESAMPLES = 10**5
"""More resamples change no interval, and their counts fill the memory."""
MAX_INCHES = 400
"""Sides of a figure beyond this have more pixels than matplotlib draws."""
MIN_TRAIN_CELLS = 10
"""Fewer train cells than this in a condition cannot define a distribution."""
N_NAMED = 6
"""Conditions that an error names with their numbers of cells."""


def enough_cells(n_cells: int, *, what: str) -> None:
    """Raise :class:`ValueError` if ``what`` has fewer train cells than :data:`MIN_TRAIN_CELLS`."""
    if n_cells < MIN_TRAIN_CELLS:
        raise ValueError(f"{what} has {n_cells} train cells; at least {MIN_TRAIN_CELLS} are needed.")


def fraction(value: float, *, what: str) -> float:
    """Return ``value`` if it lies in [0, 1); raise :class:`ValueError` otherwise."""
    if not is_real(value) or not 0 <= value < 1:
        raise ValueError(f"{what} is {shown(value)}; a number in [0, 1) is needed.")
    return float(value)


def taus(value: float | Sequence[float]) -> tuple[float, float]:
    """Return how firmly either marginal of a coupling is held, of one number for both or a pair.

    Raises
    ------
    ValueError
        If it is not one or two numbers in (0, 1].
    """
    pair = np.atleast_1d(np.asarray(value, dtype=object))
    if pair.ndim != 1 or pair.size not in (1, 2) or not all(is_real(v) and 0 < v <= 1 for v in pair):
        raise ValueError(
            f"tau is {shown(value)}; a number in (0, 1], or one for the source and one for the target, is needed."
        )
    return float(pair[0]), float(pair[-1])


def at_least(value: int, least: int, *, what: str, why: str) -> int:
    """Return ``value`` if it is a whole number, ``least`` or more; raise :class:`ValueError` otherwise."""
    if whole(value, 0, what=what) < least:
        raise ValueError(f"{what} is {value}; at least {least} are needed: {why}.")
    return value


def whole_numbers(given: Any, *, what: str) -> list[int]:
    """Return positive whole numbers, each once; raise :class:`ValueError` if one is not, or there is none."""
    values = np.atleast_1d(np.asarray(given, dtype=object))
    if not values.size or values.ndim > 1:
        raise ValueError(f"{what} is {shown(given)}; a positive whole number, or several, is needed.")
    return list(dict.fromkeys(whole(value, 1, what=what) for value in values))


def resamples(n_boot: int) -> int:
    """Return the number of resamples, 0 for none; raise :class:`ValueError` if it is none, or too large."""
    return whole(n_boot, 0, what="n_boot", most=MAX_RESAMPLES)


def sampled_cells(sizes: Sequence[int], most: int, *, split: str) -> None:
    """Raise :class:`ValueError` if there are too few cells for any of the samples."""
    if min(sizes) > most:
        raise ValueError(
            f"n_cells is {min(sizes)}, and split {split!r} has at most {most} cells of a kind: sample fewer."
        )


def genes_compared(genes: bool) -> None:
    """Raise :class:`ValueError` if markers are wanted of dimensions that are no genes."""
    if not genes:
        raise ValueError("n_markers needs genes to choose from: give space='genes', or maps fitted with use_rep='X'.")


def whole_effects(metrics: Sequence[str], **given: object) -> None:
    """Raise :class:`ValueError` if metrics across perturbations are wanted of some features or some cells only."""
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"metric {metrics[0]!r} compares perturbations by all features of all cells: leave {name} out."
            )


def cells_to_judge(counts: Mapping[str, int], control: str, *, split: str) -> list[str]:
    """Return the perturbations that have cells to be judged by, given the number of cells of each in the split.

    Raises
    ------
    ValueError
        If there are fewer than 2 control cells, or no perturbation has 2.
    """
    judged = [name for name, n_cells in counts.items() if name != control and n_cells > 1]
    if counts[control] < 2 or not judged:
        had = ", ".join(f"{n_cells} of {name!r}" for name, n_cells in [*counts.items()][:N_NAMED])
        had += f" and {len(counts) - N_NAMED} more" * (len(counts) > N_NAMED)
        needed = "2 control cells and 2 of a perturbation are needed to judge by"
        raise ValueError(f"split {split!r} has {had}: {needed}{_remedy(split)}.")
    return judged


def _remedy(split: str) -> str:
    """Return how a split comes to have cells to judge by."""
    if split == _keys.OOD:
        return (
            ". In this split are groups that were held out: hold one out, such as a patient, with "
            f"holdout={{'patient': '101'}} of cs.pp.split, or judge by split={_keys.TEST!r}"
        )
    # the share of validation cells has no flag
    maker = "test_fraction= of cs.pp.split" if split == _keys.TEST else "cs.pp.split"
    return f": give another split, or make one that has some {split} cells of each by {maker}"


def panels(n_axes: int, n_panels: int) -> None:
    """Raise :class:`ValueError` if there are not as many axes as panels to draw."""
    if n_axes != n_panels:
        raise ValueError(f"ax holds {n_axes} axes for {n_panels} panels: give {n_panels}, or None for a new figure.")


def figure_size(size: Any, *, has_axes: bool) -> tuple[float, float]:
    """Return the width and height of a figure in inches.

    Raises
    ------
    ValueError
        If they are not two positive numbers, or the figure is that of given axes.
    """
    if has_axes:
        raise ValueError("figsize is the size of a figure that is made here, and ax has one already: give one of them.")
    pair = np.atleast_1d(np.asarray(size, dtype=object))
    if pair.shape != (2,) or not all(is_real(side) and 0 < side <= MAX_INCHES for side in pair):
        raise ValueError(f"figsize is {shown(size)}; width and height in inches are needed, such as (6, 4).")
    return float(pair[0]), float(pair[1])


def has_history(n_rows: int, *, solver: str, key: str) -> None:
    """Raise :class:`ValueError` if maps have no history."""
    if not n_rows:
        raise ValueError(f"The maps in adata.uns[{key!r}] have no history: solver {solver!r} took no steps.")


def side_by_side(color: str, *, overlay: bool) -> None:
    """Raise :class:`ValueError` if a column is to colour cells whose colours say what they are."""
    if overlay:
        raise ValueError(f"color {color!r} needs overlay=False: the colours of overlaid cells say which are predicted.")
