"""Displacements on a map of cells: its limits, arrows and stream lines."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from scipy.ndimage import gaussian_filter
from scipy.stats import binned_statistic_2d

from ._draw import tidy

type Limits = list[tuple[float, float]]

FEWEST = 0.05
"""There are no streams where the density of control cells is below this part of its maximum."""


def limits(clouds: list[np.ndarray]) -> Limits:
    """Return limits of both axes that hold all points."""
    low, high = (np.array([getattr(cloud, end)(axis=0) for cloud in clouds]) for end in ("min", "max"))
    low, high = low.min(axis=0), high.max(axis=0)
    margin = (high - low) / 20
    return [(float(a), float(b)) for a, b in zip(low - margin, high + margin, strict=True)]


def frame(ax: Axes, limits: Limits) -> None:
    """Show this part of a map of cells, whose axes have no unit."""
    ax.set(xlim=limits[0], ylim=limits[1], xticks=[], yticks=[])
    tidy(ax)


def arrows(ax: Axes, start: np.ndarray, end: np.ndarray, limits: Limits, n_squares: int, color: str) -> None:
    """Draw an arrow per square that has control cells, in the units of the axes."""
    means = binned_statistic_2d(*start.T, [*start.T, *end.T], bins=n_squares, range=limits).statistic.reshape(4, -1)
    x, y, to_x, to_y = means[:, np.isfinite(means[0])]
    ax.quiver(
        x, y, to_x - x, to_y - y, color=color, angles="xy", scale_units="xy", scale=1, units="inches", width=0.016,
        headwidth=4.5, headlength=5, headaxislength=4.5, minlength=0.5, zorder=3,
    )  # fmt: skip


def streams(ax: Axes, start: np.ndarray, end: np.ndarray, limits: Limits, n_squares: int, color: str) -> None:
    """Draw stream lines of the mean displacement of control cells near by, where there are any."""
    edges = [np.linspace(low, high, 3 * n_squares + 1) for low, high in limits]
    middle = [(line[1:] + line[:-1]) / 2 for line in edges]

    def smooth(weights: np.ndarray | None) -> np.ndarray:
        # rows are y, as the streams want it
        found, _, _ = np.histogram2d(start[:, 1], start[:, 0], bins=(edges[1], edges[0]), weights=weights)
        return gaussian_filter(found, sigma=2.0, mode="constant")

    density = smooth(None)
    absent = density < FEWEST * density.max()
    speed = [smooth((end - start)[:, i]) / np.where(absent, 1, density) for i in range(2)]
    u, v = (np.ma.masked_array(part, mask=absent) for part in speed)
    ax.streamplot(
        middle[0], middle[1], u, v, color=color, density=n_squares / 16, linewidth=0.9, arrowsize=0.9, zorder=3
    )
