"""Where figures are drawn, how large they are, and when they are shown, saved or closed."""

from __future__ import annotations

import math
import warnings
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from .. import _files, _validate
from .._settings import logger, settings
from . import _labels

BAR = 1.6
"""Height of a bar of colours, in inches."""
MAX_ENTRIES = 60
"""Entries of a legend; of more, it says how many there are."""
HIGH = 0.4
"""Height of a legend, as a part of that of its figure, beyond which it stands beside the panels."""
ENTRY = 0.24
"""Height of an entry of a legend, in inches."""
NARROWEST = 0.5
"""Width of an entry of a legend, in inches, that none is narrower than."""
SIDE = 3
"""Columns of a legend beside the panels."""
MAX_LAYOUTS = 3
"""A title that got more lines changes the layout, and that how wide titles may be."""
LINE = 0.17
"""Height of a line of a title, in inches."""
LETTER = 0.085
"""Width of a letter of the name of an axis, in inches."""
LEAST = 0.4
"""Width and height of a panel, in inches, that none has less of."""
LARGEST = 60.0
"""Inches up to which a figure that was asked for too small is enlarged."""
STEP = 1.15
"""How many times larger it becomes, until its panels have room."""
ROW = 0.22
"""Room of a row or column with a name, in inches."""
TIGHT = 0.7
"""A panel of a figure for a small screen is no narrower than this part of the width that it asks for."""
BELOW = 0.7
"""Height of a bar of colours below the panels, with its numbers and name, in inches."""
FEW = 6
"""Up to so many perturbations have as much room as they need; of more, each has less."""


_at_most: ContextVar[float | None] = ContextVar("at_most", default=None)


@contextmanager
def at_most(width: float) -> Iterator[None]:
    """Make figures of so many inches, for a small screen: panels below each other, legends and bars above and below."""
    token = _at_most.set(width)
    try:
        yield
    finally:
        _at_most.reset(token)


def is_narrow() -> bool:
    """Return whether figures are made for a small screen."""
    return _at_most.get() is not None


def by_number[T](n: int, one: T, few: T, many: T) -> T:
    """Return what suits one perturbation, a few of them, or many."""
    return one if n == 1 else few if n <= FEW else many


def room(names: Iterable[object]) -> float:
    """Return how much room the longest of small labels takes, in inches."""
    # a letter is about as wide as 0.6 of the font's size, which is 8.3 points
    return 0.07 * max((len(_labels.short(name)) for name in names), default=0)


@dataclass(frozen=True)
class Canvas[Name: Hashable]:
    """The panels of a figure.

    Parameters
    ----------
    panels
        A matplotlib Axes per name of a panel.
    figure
        The figure, if it was made here and not by the caller.
    asked
        The size of the figure that was asked for. Of none, it gets as much higher as its legend and its titles need.
    """

    panels: dict[Name, Axes]
    figure: Figure | None
    asked: tuple[float, float] | None = None

    @classmethod
    def of(
        cls,
        ax: Axes | Sequence[Axes] | None,
        names: Iterable[Name],
        *,
        size: tuple[float, float],
        n_cols: int,
        widths: Sequence[float] | None = None,
        figsize: tuple[float, float] | None = None,
    ) -> Canvas[Name]:
        """Take the caller's axes, or make a figure with a panel per name, of a mean size in inches, row by row.

        With ``widths``, columns share the width of the figure like these; with ``figsize``, that is its size.

        Raises
        ------
        TypeError
            If something is no axes.
        ValueError
            If there are not as many axes as panels, the size is none, or given beside axes.
        """
        keys = list(names)
        n_panels = len(keys)
        if figsize is not None:
            figsize = _validate.figure_size(figsize, has_axes=ax is not None)
        if ax is not None:
            given: list[Axes] = list(np.ravel(np.asarray(ax, dtype=object)))
            if other := [one for one in given if not isinstance(one, Axes)]:
                raise TypeError(f"ax holds {other[0]!r}: matplotlib Axes are needed.")
            _validate.panels(len(given), n_panels)
            return cls(dict(zip(keys, given, strict=True)), None)
        n_cols = min(n_cols, n_panels)
        width, limit = size[0] * n_cols, _at_most.get()
        if limit is not None and figsize is None:
            width, fitting = limit, max(1, int(limit / (TIGHT * size[0])))
            # panels that belong together in a row are in one, or below each other
            n_cols = next(n for n in range(min(fitting, n_cols), 0, -1) if n_cols % n == 0)
            widths = None if n_cols == 1 else widths
        n_rows = math.ceil(n_panels / n_cols)
        shape = figsize or (width, size[1] * n_rows)
        # room between the numbers of neighbouring axes
        layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06)
        figure, grid = plt.subplots(n_rows, n_cols, figsize=shape, squeeze=False, layout=layout, width_ratios=widths)
        for unused in grid.flat[n_panels:]:
            unused.remove()
        return cls(dict(zip(keys, grid.flat, strict=False)), figure, asked=figsize)

    @property
    def axes(self) -> list[Axes]:
        """The panels in order."""
        return list(self.panels.values())

    def label(self, x: str | None = None, y: str | None = None) -> None:
        """Name what is on the axes: once for the figure, or on each of the caller's axes."""
        for axis, name in (("x", x), ("y", y)):
            if name is not None and self.figure is not None and len(self.axes) > 1:
                side = self.figure.get_figwidth() if axis == "x" else self.figure.get_figheight()
                getattr(self.figure, f"sup{axis}label")(_lines(name, side), fontsize="medium", **_labels.PLAIN)
            elif name is not None:
                for panel in self.axes:
                    box = panel.get_window_extent()
                    side = (box.width if axis == "x" else box.height) / panel.figure.dpi
                    getattr(panel, f"set_{axis}label")(_lines(name, side), **_labels.PLAIN)

    def name_rows_once(self) -> None:
        """Leave the names of rows to the first panel of each row, if the figure was made here."""
        for panel in self.axes if self.figure is not None else []:
            spec = panel.get_subplotspec()
            panel.tick_params(axis="y", labelleft=spec is None or spec.is_first_col())

    def legend(self, handles: Iterable[Artist]) -> Legend:
        """Put a legend where it covers nothing: above the figure, or to the right of the caller's last axes.

        One that would be high above the figure stands to its right, too.
        """
        every = list(handles)
        items = _first(every, MAX_ENTRIES + 1)
        if self.figure is None:
            anchor = (_right_end(self.axes[-1]) + 0.02, 1)
            owner, options = self.axes[-1], {"loc": "upper left", "bbox_to_anchor": anchor, "borderaxespad": 0}
            return _legend(owner, items, options)
        # as many columns as the figure is wide
        for n_cols in range(min(len(items), max(1, int(self.figure.get_figwidth() / NARROWEST))), 0, -1):
            legend = _legend(self.figure, items, {"loc": "outside upper center", "ncols": n_cols})
            if n_cols == 1 or legend.get_window_extent().width <= self.figure.bbox.width:
                break
            legend.remove()
        # the panels keep the room they were given
        height = legend.get_window_extent().height / self.figure.dpi
        if is_narrow() or height <= HIGH * self.figure.get_figheight():
            self.grow(height)
            return legend
        legend.remove()
        return self._legend_beside(self.figure, every)

    def _legend_beside(self, figure: Figure, items: list[Any]) -> Legend:
        """Put a legend to the right of the panels, in a few columns; the figure becomes as high as it, if it may."""
        most = MAX_ENTRIES + 1
        n_cols = min(SIDE, math.ceil(min(len(items), most) * ENTRY / figure.get_figheight()))
        if self.asked is None:
            items = _first(items, most)
            self.grow(max(0.0, math.ceil(len(items) / n_cols) * ENTRY - figure.get_figheight()))
        else:
            # no more than there is room for in half of the figure
            legend = _legend(figure, items, {"loc": "outside right upper"})
            n_cols = max(1, min(n_cols, int(figure.bbox.width / 2 / legend.get_window_extent().width)))
            legend.remove()
            items = _first(items, max(2, min(most, n_cols * int(figure.get_figheight() / ENTRY))))
        legend = _legend(figure, items, {"loc": "outside right upper", "ncols": n_cols})
        self.grow(width=legend.get_window_extent().width / figure.dpi)
        return legend

    def grow(self, height: float = 0.0, *, width: float = 0.0) -> None:
        """Make a figure that was made here, and is of no size that was asked for, so many inches larger."""
        if self.figure is not None and self.asked is None:
            self.figure.set_size_inches(self.figure.get_figwidth() + width, self.figure.get_figheight() + height)

    def colorbar(self, mappable: ScalarMappable, label: str) -> None:
        """Say what colours stand for: to the right of the panels, or of the caller's last axes."""
        if self.figure is None:
            inset = self.axes[-1].inset_axes((_right_end(self.axes[-1]) + 0.03, 0, 0.04, 1))
            bar = self.axes[-1].figure.colorbar(mappable, cax=inset)
            bar.set_label(_labels.short(label), **_labels.PLAIN)
            return
        if is_narrow():
            self.grow(BELOW)
            bar = self.figure.colorbar(mappable, ax=self.axes, location="bottom", shrink=0.6, aspect=20)
            bar.set_label(_labels.short(label), **_labels.PLAIN)
            return
        # about as tall whatever the figure is, without what is above and below its panels
        shrink = min(1.0, BAR / max(self.figure.get_figheight() - 0.8, 0.1))
        bar = self.figure.colorbar(mappable, ax=self.axes, shrink=shrink, aspect=12, anchor=(0, 1))
        bar.set_label(_labels.short(label), **_labels.PLAIN)

    def wrap_titles(self) -> None:
        """Break titles that would reach into the next panel; panels keep the room they were given."""
        titles = [panel._left_title for panel in self.axes]  # type: ignore[attr-defined]
        # one that is not broken yet takes the room of panels
        plt.setp(titles, visible=False)
        self._enlarge()
        plt.setp(titles, visible=True)
        for _ in range(MAX_LAYOUTS):
            lines = _labels.wrap_titles(self.axes)
            if not lines:
                break
            self.grow(LINE * lines)
        self._enlarge()

    def _enlarge(self) -> None:
        """Make a figure of a size that was asked for larger, if its names leave no room for its panels."""
        if self.figure is None or self.asked is None:
            return
        size = self.figure.get_size_inches()
        while not _has_room(self.figure, self.axes) and max(size) < LARGEST:
            size = size * STEP
            self.figure.set_size_inches(*size)

    @contextmanager
    def settled(self) -> Iterator[None]:
        """Lay the figure out, and leave it so as long as something is fitted into it."""
        figure = self.axes[0].figure.get_figure(root=True)
        self.wrap_titles()
        figure.draw_without_rendering()
        engine = figure.get_layout_engine()
        figure.set_layout_engine("none")
        try:
            yield
        finally:
            figure.set_layout_engine(engine)

    def finish(self, *, show: bool | None, save: Path | None) -> dict[Name, Axes]:
        """Save, show and close; return the panels.

        The rule of every figure: ``save`` writes a file, ``show=True`` shows. ``show=None`` leaves a new figure that
        was not saved to pyplot, which shows it by itself in an interactive session, and else with ``plt.show()``. In
        all other cases a figure made here is closed: its axes can still be changed and saved, and no memory is held.
        """
        figure = self.axes[0].figure.get_figure(root=True)
        self.wrap_titles()
        if self.figure is not None and self.asked is not None:
            size = self.figure.get_size_inches()
            if size[0] > self.asked[0]:
                given, needed = ("({:.3g}, {:.3g})".format(*pair) for pair in (self.asked, size))
                logger.warning("figsize %s leaves no room beside names and legend: the figure is %s", given, needed)
        if save is not None:
            with _files.replacing(save) as new:
                figure.savefig(new, dpi=settings.figure_dpi, bbox_inches="tight")
        if show:
            plt.show()
        elif self.figure is not None and (show is False or save is not None):
            plt.close(self.figure)
        return self.panels


def single(
    ax: Axes | None, size: tuple[float, float], *, figsize: tuple[float, float] | None = None
) -> tuple[Canvas[str], Axes]:
    """Return a canvas with one panel of a size in inches, or of that which was asked for, and that panel."""
    canvas = Canvas.of(ax, [""], size=size, n_cols=1, figsize=figsize)
    return canvas, canvas.panels[""]


def _first(items: list[Any], n: int) -> list[Any]:
    """Return what a legend of ``n`` entries has: if there are more, the last of them says how many."""
    if len(items) <= n:
        return items
    return [*items[: n - 1], Line2D([], [], linestyle="none", label=f"and {len(items) - n + 1} more")]


def _has_room(figure: Figure, axes: Iterable[Axes]) -> bool:
    """Lay a figure out; return whether all panels have some room then."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="constrained_layout not applied", category=UserWarning)
        try:
            # what stands beside a panel that became smaller takes more of it
            for _ in range(MAX_LAYOUTS):
                figure.draw_without_rendering()
        except UserWarning:
            return False
    boxes = [ax.get_window_extent() for ax in axes]
    return min(min(box.width, box.height) for box in boxes) / figure.dpi >= LEAST


def _lines(name: str, side: float) -> str:
    """Return a name in lines that are no longer than so many inches."""
    return "\n".join(_labels.lines(_labels.short(name, 2 * _labels.LONGEST), max(12, int(side / LETTER))))


def _legend(owner: Axes | Figure, items: list[Any], options: dict[str, Any]) -> Legend:
    """Return a legend of the items; a name is shown as it is, be it one that matplotlib takes for a private one."""
    names = [_labels.short(item.get_label()) for item in items]
    if is_narrow():
        options = {"columnspacing": 1.0, "handletextpad": 0.4} | options
    legend = owner.legend(handles=items, labels=["name"] * len(names), frameon=False, **options)
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set(text=name, **_labels.PLAIN)
    return legend


def _right_end(ax: Axes) -> float:
    """Return where what is drawn on axes, beside them too, ends on the right, as a fraction of their width."""
    box = ax.get_tightbbox()
    return 1.0 if box is None else max(1.0, float(ax.transAxes.inverted().transform((box.x1, box.y0))[0]))
