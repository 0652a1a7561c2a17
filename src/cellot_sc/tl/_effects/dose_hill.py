"""Hill curves, many at once: least squares on a grid of the half-way dose and the slope."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

N_PARAMETERS = 4
STEP, MARGIN = 0.02, 1.0
"""Distance of half-way doses on the grid, and how far it goes beyond the doses, in decades."""
SLOPES = np.geomspace(0.3, 6.0, 20)
BLOCK = 256
"""Features that are fitted at once: what is kept for each is as large as the grid."""


def positions(doses: np.ndarray, lowest: float) -> np.ndarray:
    """Return doses as decades, of which 0 stands at a tenth of the lowest other one."""
    return np.log10(np.where(doses > 0, doses, lowest / 10))


@dataclass(frozen=True)
class Hill:
    """Curves y = bottom + rise / (1 + (EC50 / dose)^slope), each the nearest to the means of a feature.

    The bottom and the rise that are best for given EC50 and slope are those of a straight line (variable projection,
    Golub and Pereyra 1973, doi 10.1137/0710036), so that a grid of two numbers serves all features. At dose 0, y is the
    bottom.

    Parameters
    ----------
    doses
        Increasing, of which the first may be 0, shape ``(n_doses,)``.
    mean
        Means at these, shape ``(n_doses, n_features)``.
    """

    doses: np.ndarray
    mean: np.ndarray

    @cached_property
    def halfway(self) -> np.ndarray:
        """Half-way doses on the grid, in decades."""
        at = np.log10(self.doses[self.doses > 0])
        n = round((at[-1] - at[0] + 2 * MARGIN) / STEP) + 1
        return np.linspace(at[0] - MARGIN, at[-1] + MARGIN, n)

    @cached_property
    def profile(self) -> np.ndarray:
        """Least sum of squares for every half-way dose, shape ``(n_halfway, n_features)``."""
        return self._fitted[0]

    @cached_property
    def residual(self) -> np.ndarray:
        """Least sum of squares of each feature, shape ``(n_features,)``."""
        least: np.ndarray = self.profile.min(axis=0)
        return least

    @cached_property
    def ec50(self) -> np.ndarray:
        """Half-way dose of each feature, in decades, between the points of the grid by a parabola."""
        best = np.clip(self.profile.argmin(axis=0), 1, len(self.halfway) - 2)
        before, at, after = (np.take_along_axis(self.profile, (best + i)[None], 0)[0] for i in (-1, 0, 1))
        bend = before - 2 * at + after
        with np.errstate(divide="ignore", invalid="ignore"):
            off = np.where(bend > 0, 0.5 * (before - after) / bend, 0)
        return self.halfway[best] + STEP * np.clip(off, -1, 1)

    @property
    def slope(self) -> np.ndarray:
        """Slope of each feature."""
        return SLOPES[self._fitted[1]]

    def within(self, most: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return between which half-way doses, in decades, a sum of squares is reached: infinite beyond the grid."""
        inside, n = self.profile <= most, len(self.halfway)
        first, last = inside.argmax(axis=0), n - 1 - inside[::-1].argmax(axis=0)
        return (
            np.where(first == 0, -np.inf, self._crossing(first, np.maximum(first - 1, 0), most)),
            np.where(last == n - 1, np.inf, self._crossing(last, np.minimum(last + 1, n - 1), most)),
        )

    def at(self, doses: np.ndarray) -> np.ndarray:
        """Return the curves at doses, shape ``(len(doses), n_features)``."""
        shape = shapes(np.asarray(doses, dtype=float), self.ec50, self.slope)
        bottom, rise = self.lines
        return bottom + rise * shape

    @cached_property
    def lines(self) -> tuple[np.ndarray, np.ndarray]:
        """Bottom and rise of each feature."""
        shape = shapes(self.doses, self.ec50, self.slope)
        centred = shape - shape.mean(axis=0)
        rise = (centred * self.mean).sum(axis=0) / np.maximum(np.square(centred).sum(axis=0), 1e-12)
        return self.mean.mean(axis=0) - rise * shape.mean(axis=0), rise

    def without(self, dose: int) -> Self:
        """Return the curves without one of the doses."""
        return type(self)(np.delete(self.doses, dose), np.delete(self.mean, dose, axis=0))

    @cached_property
    def _fitted(self) -> tuple[np.ndarray, np.ndarray]:
        """The profile, and the best slope of each feature."""
        shape = np.moveaxis(shapes(self.doses, self.halfway[:, None], SLOPES), 0, -1)
        shape = shape - shape.mean(axis=-1, keepdims=True)
        length = np.sqrt(np.maximum(np.square(shape).sum(axis=-1, keepdims=True), 1e-12))
        centred = self.mean - self.mean.mean(axis=0)
        profiles, slopes = [], []
        for start in range(0, centred.shape[1], BLOCK):
            block = centred[:, start : start + BLOCK]
            squares = np.square(block).sum(axis=0) - np.square(shape / length @ block)
            # between the slopes of the grid, too: intervals of means that hardly scatter are narrower than its steps
            at = np.clip(squares.argmin(axis=1), 1, len(SLOPES) - 2)
            around = [np.take_along_axis(squares, (at + i)[:, None], 1)[:, 0] for i in (-1, 0, 1)]
            profiles.append(np.minimum(squares.min(axis=1), _lowest(*around)))
            best = profiles[-1].argmin(axis=0)
            slopes.append(squares[best, :, np.arange(len(best))].argmin(axis=1))
        return np.maximum(np.concatenate(profiles, axis=1), 0), np.concatenate(slopes)

    def _crossing(self, inside: np.ndarray, outside: np.ndarray, most: np.ndarray) -> np.ndarray:
        """Return where the profile, about a parabola, crosses a height between two neighbouring points of the grid."""
        near, far = (np.take_along_axis(self.profile, i[None], 0)[0] for i in (inside, outside))
        near, far, most = (np.sqrt(np.maximum(height - self.residual, 0)) for height in (near, far, most))
        with np.errstate(divide="ignore", invalid="ignore"):
            part = np.where(far > near, (most - near) / (far - near), 0)
        return self.halfway[inside] + part * (self.halfway[outside] - self.halfway[inside])


def _lowest(before: np.ndarray, at: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return the least height of parabolas through three points alike far apart, the middle one if it is not below."""
    bend = before - 2 * at + after
    with np.errstate(divide="ignore", invalid="ignore"):
        lowest = at - np.square(before - after) / (8 * bend)
    return np.where((at <= before) & (at <= after) & (bend > 0), lowest, at)


def shapes(doses: np.ndarray, halfway: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + (EC50 / dose)^slope), shape ``(n_doses, ...)``, given EC50 in decades; 0 at dose 0."""
    with np.errstate(divide="ignore"):
        decades = np.log10(doses).reshape(-1, *[1] * np.broadcast(halfway, slope).ndim)
    # further than that, a float is 0 or 1
    return 1 / (1 + 10 ** np.clip(slope * (halfway - decades), -300, 300))
