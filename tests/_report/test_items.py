from __future__ import annotations

import matplotlib.pyplot as plt

from cellot_sc._report import _items


def test_a_section_needs_a_name_a_title_and_a_meaning() -> None:
    item = _items.Item("scores", "Scores", "How good it is.")
    assert (item.figure, item.table, item.note, item.more) == (None, "", "", "")
    assert item.whole is None and item.data is None


def test_figure_of_panels() -> None:
    figure, grid = plt.subplots(1, 2)
    assert _items.figure_of({"a": grid[0], "b": grid[1]}) is figure
    # of a figure within a figure, the whole
    outer = plt.figure()
    inner = outer.add_subfigure(outer.add_gridspec(1, 1)[0])
    assert _items.figure_of({"a": inner.subplots()}) is outer
