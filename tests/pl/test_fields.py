from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from cellot_sc.pl import _fields

LIMITS = [(0.0, 4.0), (0.0, 4.0)]


def test_limits_hold_all_clouds_and_a_margin() -> None:
    limits = _fields.limits([np.array([[0.0, 5], [10, 6]]), np.array([[20.0, -15]])])
    np.testing.assert_allclose(limits, [(-1, 21), (-16.05, 7.05)])


def test_frame() -> None:
    _, ax = plt.subplots()
    _fields.frame(ax, [(0.0, 1.0), (2.0, 5.0)])
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, 1), (2, 5))
    assert len(ax.get_xticks()) == len(ax.get_yticks()) == 0


def test_an_arrow_is_the_mean_of_a_square() -> None:
    start = np.array([[0.2, 0.2], [0.4, 0.6], [3.5, 3.5]])
    end = start + [[1.0, 0], [3, 0], [0, -1]]
    _, ax = plt.subplots()
    _fields.arrows(ax, start, end, LIMITS, 4, "black")
    quiver: Any = ax.collections[0]
    order = np.argsort(quiver.X)
    np.testing.assert_allclose(np.stack([quiver.X, quiver.Y], axis=1)[order], [[0.3, 0.4], [3.5, 3.5]])
    np.testing.assert_allclose(np.stack([quiver.U, quiver.V], axis=1)[order], [[2, 0], [0, -1]], atol=1e-12)


def test_streams_follow_the_field_and_stay_where_cells_are() -> None:
    rng = np.random.default_rng(0)
    start = rng.uniform([0, 0], [4, 2], size=(4000, 2))
    _, ax = plt.subplots()
    _fields.streams(ax, start, start + [0.1, 0.0], LIMITS, 12, "black")
    lines: Any = ax.collections[0]
    paths = lines.get_segments()
    assert len(paths) > 5
    along = np.array([np.ptp(path, axis=0) for path in paths])
    assert along[:, 1].max() < 0.05 * along[:, 0].max()
    # cells are below 2, and the smoothing reaches no further than a few squares
    assert max(path[:, 1].max() for path in paths) < 3
