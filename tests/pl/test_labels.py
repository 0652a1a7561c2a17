from __future__ import annotations

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from cellot_sc.pl import _canvas, _draw, _labels


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


@pytest.mark.parametrize(
    ("name", "shown"),
    [("drug_a", "drug_a"), ("$x$", "$x$"), ("", "''"), (" ", "' '"), ("a\nb\tc", "a b c"), (3, "3"), ("Δ é☃", "Δ é☃")],
)
def test_short_names_stay_as_they_are(name: object, shown: str) -> None:
    assert _labels.short(name) == shown


def test_long_names_lose_their_middle() -> None:
    name = "begin" + 100 * "x" + "end"
    shown = _labels.short(name)
    assert len(shown) == _labels.LONGEST and shown.startswith("begin") and shown.endswith("end") and "…" in shown


def test_missing_names_in_tables() -> None:
    assert _labels.texts(pd.Series(["a", None, 3, np.nan], dtype=object)) == ["a", "missing", "3", "missing"]


def test_titles_are_broken_once_and_no_wider_than_there_is_room() -> None:
    canvas = _canvas.Canvas.of(None, range(3), size=(2, 2), n_cols=3)
    name = "a title of many words that " + "x" * 60
    for ax in canvas.axes:
        _draw.title(ax, name)
    canvas.wrap_titles()
    titles = [ax.get_title(loc="left") for ax in canvas.axes]
    assert all(1 < len(title.split("\n")) <= _labels.N_LINES for title in titles)
    canvas.wrap_titles()
    assert [ax.get_title(loc="left") for ax in canvas.axes] == titles
    boxes = [ax._left_title.get_window_extent() for ax in canvas.axes]  # type: ignore[attr-defined]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("stimulated_with_interferon-beta", ["stimulated_", "with_", "interferon-", "beta"]),
        ("LPS+IL10/TNF alpha chain", ["LPS+IL10/TNF", "alpha chain"]),
        ("x" * 25, ["x" * 12, "x" * 12, "x"]),
        ("short", ["short"]),
        ("-" * 30, ["-" * 12, "-" * 12, "-" * 6]),
    ],
)
def test_lines_end_between_words(name: str, broken: list[str]) -> None:
    assert _labels.lines(name, 12) == broken
    assert "".join(_labels.lines(name, 12)) == name.replace(" ", "")[: len(name)] or " " in name


def test_titles_are_broken_between_words() -> None:
    canvas, ax = _canvas.single(None, (2.4, 2))
    _draw.title(ax, "stimulated_with_interferon-beta/6h")
    canvas.wrap_titles()
    first, *others = ax.get_title(loc="left").split("\n")
    assert others and first[-1] in "_-/"


def test_a_name_that_is_wider_than_its_axes_is_shortened() -> None:
    canvas, ax = _canvas.single(None, (2, 2))
    ax.set(xlim=(0, 1), ylim=(0, 1))
    with canvas.settled():
        [text] = _labels.beside(ax, np.array([[0.5, 0.5]]), ["$" + 80 * "x"], others=np.empty((0, 2)))
        assert "…" in text.get_text() and not text.get_parse_math()
