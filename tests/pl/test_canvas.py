from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
from anndata import AnnData
from matplotlib.cm import ScalarMappable
from matplotlib.lines import Line2D

import cellot_sc as cs
from cellot_sc.pl import _canvas


class TestShow:
    @pytest.fixture
    def shown(self, monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
        calls: list[list[int]] = []
        monkeypatch.setattr(plt, "show", lambda: calls.append(plt.get_fignums()))
        return calls

    @pytest.mark.parametrize(
        ("show", "save", "is_shown", "is_open"),
        [
            (None, False, False, True),
            (None, True, False, False),
            (True, False, True, True),
            (True, True, True, True),
            (False, False, False, False),
            (False, True, False, False),
        ],
    )
    def test_own_figure(
        self, shown: list[list[int]], tmp_path: Path, show: bool | None, save: bool, is_shown: bool, is_open: bool
    ) -> None:
        canvas = _canvas.Canvas.of(None, ["a"], size=(1, 1), n_cols=1)
        canvas.finish(show=show, save=tmp_path / "a.png" if save else None)
        assert bool(shown) is is_shown
        assert bool(plt.get_fignums()) is is_open

    @pytest.mark.parametrize("show", [None, False])
    def test_figure_of_the_caller_stays_open(self, shown: list[list[int]], tmp_path: Path, show: bool | None) -> None:
        figure, ax = plt.subplots()
        _canvas.Canvas.of(ax, ["a"], size=(1, 1), n_cols=1).finish(show=show, save=tmp_path / "a.png")
        assert plt.get_fignums() == [figure.number]
        assert shown == []

    def test_closed_figures_can_still_be_changed_and_saved(self, iterated: AnnData, tmp_path: Path) -> None:
        [ax] = cs.pl.marginals(iterated, "drug_a", features="gene_00", show=False).values()
        ax.set_title("mine")
        figure = ax.get_figure(root=True)
        assert figure is not None
        figure.savefig(tmp_path / "mine.png")
        assert (tmp_path / "mine.png").stat().st_size > 0


class TestCanvas:
    def test_no_more_axes_than_panels(self) -> None:
        canvas = _canvas.Canvas.of(None, range(5), size=(1, 1), n_cols=3)
        assert canvas.figure is not None
        assert canvas.figure.axes == canvas.axes
        assert [ax.get_subplotspec().rowspan.start for ax in canvas.axes] == [0, 0, 0, 1, 1]  # type: ignore[union-attr]
        assert canvas.figure.get_size_inches().tolist() == [3, 2]

    def test_size_that_was_asked_for_is_kept(self) -> None:
        canvas = _canvas.Canvas.of(None, "ab", size=(1, 1), n_cols=2, figsize=(3, 2))
        canvas.legend(Line2D([], [], label=name) for name in "abc")
        canvas.panels["a"].set_title("a title of several lines", loc="left")
        canvas.finish(show=False, save=None)
        assert canvas.figure is not None
        assert canvas.figure.get_size_inches().tolist() == [3, 2]

    @pytest.mark.parametrize("figsize", [3, (3,), (3, 0), (3, float("nan")), ("3", "2"), (1e9, 2), (True, 2)])
    def test_what_is_no_size(self, figsize: Any) -> None:
        with pytest.raises(ValueError, match="figsize is .*; width and height in inches are needed"):
            _canvas.Canvas.of(None, "a", size=(1, 1), n_cols=1, figsize=figsize)

    def test_axes_have_a_size_already(self) -> None:
        _, ax = plt.subplots()
        with pytest.raises(ValueError, match="ax has one already"):
            _canvas.single(ax, (1, 1), figsize=(3, 2))

    def test_dpi_is_a_setting(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        sizes = []
        for dpi in (50, 100):
            monkeypatch.setattr(cs.settings, "figure_dpi", dpi)
            _canvas.Canvas.of(None, ["a"], size=(2, 2), n_cols=1).finish(show=False, save=tmp_path / "a.png")
            sizes.append(plt.imread(tmp_path / "a.png").shape[0])
        assert sizes[1] == pytest.approx(2 * sizes[0], abs=2)

    def test_rows_are_named_in_the_first_column(self) -> None:
        canvas = _canvas.Canvas.of(None, range(5), size=(1, 1), n_cols=3)
        canvas.name_rows_once()
        named = [bool(ax.yaxis.get_tick_params()["labelleft"]) for ax in canvas.axes]
        assert named == [True, False, False, True, False]

    def test_all_axes_of_the_caller_keep_the_names_of_their_rows(self) -> None:
        _, grid = plt.subplots(1, 2)
        canvas = _canvas.Canvas.of(grid, "ab", size=(1, 1), n_cols=2)
        canvas.name_rows_once()
        assert list(canvas.panels.items()) == [("a", grid[0]), ("b", grid[1])]
        assert [label.get_text() != "" for ax in grid for label in ax.get_yticklabels()[:1]] == [True, True]

    def test_labels_stand_once_on_a_figure_and_on_each_of_the_axes_of_the_caller(self) -> None:
        own = _canvas.Canvas.of(None, "ab", size=(1, 1), n_cols=2)
        own.label(x="time")
        assert own.figure is not None
        assert own.figure.get_supxlabel() == "time"
        assert [ax.get_xlabel() for ax in own.axes] == ["", ""]
        _, grid = plt.subplots(1, 2)
        grid[0].set_ylabel("mine")
        _canvas.Canvas.of(grid, "ab", size=(1, 1), n_cols=2).label(x="time")
        assert [ax.get_xlabel() for ax in grid] == ["time", "time"]
        assert grid[0].get_ylabel() == "mine"


@pytest.mark.parametrize(("n", "expected"), [(1, "one"), (2, "few"), (6, "few"), (7, "many")])
def test_rooms_by_number(n: int, expected: str) -> None:
    assert _canvas.by_number(n, "one", "few", "many") == expected


def test_single() -> None:
    canvas, panel = _canvas.single(None, (3, 2))
    assert canvas.axes == [panel]
    assert canvas.figure is not None
    assert canvas.figure.get_size_inches().tolist() == [3, 2]


class TestRoom:
    """Figures of a size that was asked for, which is less than their names take."""

    @pytest.mark.parametrize("figsize", [(1, 1), (6, 0.4), (0.5, 6)])
    def test_too_small_a_figure_is_enlarged(self, figsize: Any, caplog: pytest.LogCaptureFixture, tables: Any) -> None:
        ax = cs.pl.evaluation(tables.scores(3), figsize=figsize, show=False)["energy_distance"]
        figure = ax.get_figure(root=True)
        assert figure is not None
        figure.draw_without_rendering()
        size = figure.get_size_inches()
        assert size[0] / size[1] == pytest.approx(figsize[0] / figsize[1])
        [line] = [record.getMessage() for record in caplog.records if "leaves no room" in record.getMessage()]
        assert line.startswith(f"figsize ({figsize[0]:g}, {figsize[1]:g}) leaves no room beside names and legend")
        box = ax.get_window_extent()
        assert min(box.width, box.height) > 0.5 * _canvas.LEAST * figure.dpi

    def test_others_are_as_they_were_asked_for(self, caplog: pytest.LogCaptureFixture, tables: Any) -> None:
        ax = cs.pl.evaluation(tables.scores(3), figsize=(7, 4), show=False)["energy_distance"]
        figure = ax.get_figure(root=True)
        assert figure is not None and figure.get_size_inches().tolist() == [7, 4]
        assert "leaves no room" not in caplog.text

    @pytest.mark.parametrize(("figsize", "label"), [(None, "and 40 more"), ((5, 2), None)])
    def test_legends_of_many_stay_within(self, figsize: Any, label: str | None) -> None:
        canvas, ax = _canvas.single(None, (4, 1.5), figsize=figsize)
        ax.plot([0, 1])
        legend = canvas.legend(Line2D([], [], label=f"a type of cells {i}") for i in range(100))
        canvas.finish(show=False, save=None)
        figure = ax.get_figure(root=True)
        assert figure is not None
        figure.draw_without_rendering()
        names = [text.get_text() for text in legend.get_texts()]
        assert names[-1] == (label or f"and {100 - len(names) + 1} more")
        box = legend.get_window_extent()
        assert box.x0 >= 0 and box.y0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1
        assert not box.overlaps(ax.get_window_extent())
        assert figure.get_figwidth() < 12


def test_panels_are_below_each_other_on_a_small_screen() -> None:
    with _canvas.at_most(4.0):
        assert _canvas.is_narrow()
        columns = {
            (side, n_cols): _canvas.Canvas.of(None, range(6), size=(side, 2.0), n_cols=n_cols) for side, n_cols in
            ((2.7, 3), (2.7, 6), (3.6, 3), (2.8, 2))
        }  # fmt: skip
        bar = columns[2.7, 3]
        assert bar.figure is not None
        height = bar.figure.get_figheight()
        bar.colorbar(ScalarMappable(), "effect")
        assert bar.figure.get_size_inches().tolist() == [4.0, height + _canvas.BELOW]
    grids = {of: one.axes[0].get_gridspec() for of, one in columns.items()}
    assert {of: grid.ncols for of, grid in grids.items() if grid is not None} == {
        (2.7, 3): 1, (2.7, 6): 2, (3.6, 3): 1, (2.8, 2): 2
    }  # fmt: skip
    assert not _canvas.is_narrow()
    plt.close("all")
