from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from cellot_sc._report import _items
from cellot_sc.pl import _canvas


def test_a_section_needs_a_name_a_title_and_a_meaning() -> None:
    item = _items.Item("scores", "Scores", "How good it is.")
    assert (item.figure, item.table, item.note, item.more) == (None, "", "", "")
    assert item.whole is None and item.data is None


def test_wide_figures_have_a_narrow_twin() -> None:
    def draw(names: str, *, show: bool) -> dict[str, Axes]:
        return _canvas.Canvas.of(None, names, size=(2.5, 2.0), n_cols=3).finish(show=show, save=None)

    wide, narrow = _items.drawn(draw, "abc")
    assert wide.get_size_inches().tolist() == [7.5, 2.0]
    # below each other
    assert narrow is not None and narrow.get_size_inches().tolist() == [_items.PHONE, 6.0]
    single = _items.drawn(draw, "a")
    assert single.figure.get_size_inches().tolist() == [2.5, 2.0] and single.narrow is None


def test_figure_of_panels() -> None:
    figure, grid = plt.subplots(1, 2)
    assert _items.drawn(lambda show: {"a": grid[0], "b": grid[1]}).figure is figure
    assert _items.drawn(lambda show: grid[1]).figure is figure
    # of a figure within a figure, the whole
    outer = plt.figure(figsize=(4, 4))
    inner = outer.add_subfigure(outer.add_gridspec(1, 1)[0])
    assert _items.drawn(lambda show: {"a": inner.subplots()}).figure is outer
