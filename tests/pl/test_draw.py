from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import same_color, to_rgba

from cellot_sc.pl import _draw
from cellot_sc.pl._colors import FAINT


@pytest.mark.parametrize(("n_total", "rasterised"), [(50_000, False), (50_001, True)])
def test_many_points_become_an_image(n_total: int, rasterised: bool) -> None:
    _, ax = plt.subplots()
    _draw.points(ax, np.zeros((10, 2)), n_total=n_total, color="red")
    [points] = ax.collections
    assert points.get_rasterized() is rasterised


def test_points_shrink_as_there_are_more() -> None:
    sizes = []
    for n in (10, 5000, 10**6):
        _, ax = plt.subplots()
        _draw.points(ax, np.zeros((3, 2)), n_total=n, color="red")
        sizes.append(ax.collections[0].get_sizes()[0])  # type: ignore[attr-defined]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] >= 1


def test_titles_with_and_without_a_note() -> None:
    _, axes = plt.subplots(1, 2)
    _draw.title(axes[0], "drug_a")
    _draw.title(axes[1], "drug_a", "r = 0.9")
    assert [ax.get_title(loc="left") for ax in axes] == ["drug_a", "drug_a"]
    assert [ax.texts[0].get_text() for ax in axes] == ["", "r = 0.9"]


def test_rows_are_named_from_the_top() -> None:
    _, ax = plt.subplots()
    _draw.name_rows(ax, ["first", "second"])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["first", "second"]
    assert ax.get_ylim() == (1.5, -0.5)


def test_missing_numbers_of_a_matrix_are_grey() -> None:
    _, ax = plt.subplots()
    image = _draw.matrix(ax, pd.DataFrame([[1.0, np.nan], [-3.0, 0.5]], index=["a", "b"], columns=["x", "y"]))
    assert image.get_clim() == (-3, 3)
    assert same_color(tuple(image.get_cmap().get_bad()), to_rgba(FAINT))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["x", "y"]


def test_dots_of_a_legend() -> None:
    dots = _draw.dots({"a": "red", "b": "blue"})
    assert [(dot.get_label(), dot.get_color(), dot.get_linestyle()) for dot in dots] == [
        ("a", "red", "None"),
        ("b", "blue", "None"),
    ]
