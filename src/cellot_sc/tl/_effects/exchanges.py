"""What no effect looks like where whole patients answer: maps refitted after exchanging control and treated."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...ot import Problem, TransportMap, fit
from .units import Units


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
    train = _joined(problem.source, problem.source_weights, problem.target, problem.target_weights)
    valid = _joined(
        problem.source_valid, problem.source_valid_weights, problem.target_valid, problem.target_valid_weights
    )
    weights = np.concatenate([train, valid])
    counted, is_train = members.codes >= 0, np.arange(len(cells)) < n_train
    for flip in flips:
        treated = members.after(flip)
        sides = [counted & part & side for part in (is_train, ~is_train) for side in (~treated, treated)]
        # equal weights are none, as they are where all are 0
        names = ("source_weights", "target_weights", "source_valid_weights", "target_valid_weights")
        yield Problem(
            *(cells[side] for side in sides),
            **{name: weights[side] if weights[side].any() else None for name, side in zip(names, sides, strict=True)},
        )


def refitted(problem: Problem, members: Units, flips: np.ndarray, solver: str) -> list[TransportMap]:
    """Return a map by an affine solver after each exchange."""
    # one at a time: all exchanged cells together would take a hundred times the memory of the cells
    return [fit([other], solver)[0].map for other in exchanged(problem, members, flips)]


def net_of_effect(squares: np.ndarray, actual: np.ndarray, df: int) -> np.ndarray:
    """Return the squared standard error of an effect, given how large it is after exchanges.

    With an effect, exchanges of some units leave a part of it. Of means of units, the mean square over all exchanges is
    (df s^2 + effect^2) / (df + 1) with the variance s^2 of their difference within conditions, so that s^2 follows.

    Parameters
    ----------
    squares
        Mean over exchanges of the squared effect.
    actual
        The effect without an exchange, squared.
    df
        Degrees of freedom of the units.
    """
    return np.maximum((df + 1) * squares - actual, 0) / df if df else np.full_like(squares, np.nan)


def _joined(
    source: np.ndarray, source_weights: np.ndarray | None, target: np.ndarray, target_weights: np.ndarray | None
) -> np.ndarray:
    """Return the weights of source and target cells, relative to the mean of their side; 1 without any."""
    sides = (source, source_weights), (target, target_weights)
    return np.concatenate([np.ones(len(x)) if w is None else w / w.mean() for x, w in sides])
