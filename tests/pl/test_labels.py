from __future__ import annotations

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np

from cellot_sc.pl import _canvas, _labels


def named(xy: np.ndarray) -> list[str]:
    """Write a name beside each point, and return those that are left; none covers another."""
    canvas, ax = _canvas.single(None, (3, 3))
    ax.scatter(*xy.T)
    ax.set(xlim=(0, 1), ylim=(0, 1))
    with canvas.settled():
        kept = _labels.beside(ax, xy, [f"name {i}" for i in range(len(xy))], others=xy)
        boxes = [text.get_window_extent() for text in kept]
        assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
        inside = ax.get_window_extent().padded(_labels.SLACK)
        assert all((np.clip(box.get_points(), inside.min, inside.max) == box.get_points()).all() for box in boxes)
    assert list(ax.texts) == kept
    return [text.get_text() for text in kept]


def test_all_names_find_room_where_there_is_enough() -> None:
    assert named(np.array([[0.3, 0.3], [0.7, 0.7], [0.3, 0.8]])) == ["name 0", "name 1", "name 2"]


def test_where_there_is_not_the_first_names_are_kept() -> None:
    crowd = np.random.default_rng(0).uniform(0.4, 0.6, size=(25, 2))
    kept = named(crowd)
    assert 0 < len(kept) < 25
    assert kept[0] == "name 0"


def test_no_names() -> None:
    _, ax = plt.subplots()
    assert _labels.beside(ax, np.empty((0, 2)), [], others=np.empty((0, 2))) == []
