"""How every figure looks, where it is drawn, and when it is shown, saved or closed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from matplotlib.layout_engine import ConstrainedLayoutEngine
from scanpy.plotting import palettes

from .. import _defaults, _validate
from .._settings import settings

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from matplotlib.legend import Legend

type Panels = Axes | Sequence[Axes] | None

# Okabe and Ito, https://jfly.uni-koeln.de/color/, which differ for every kind of colour vision; but for their yellow,
# which is lost on white
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK = COLORS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
)
GREY = "#8C8C8C"
FAINT = "#DDDDDD"

CONTROL, OBSERVED, PREDICTED = "control", "observed", "predicted"
MODEL_COLORS = dict(zip((*_defaults.CONTROLS, OBSERVED), (GREY, PURPLE, GREEN, BLUE), strict=True))
"""Colours of what a model is compared with."""

DIVERGING = "RdBu_r"
"""Colour map of what has a sign, with white for nothing."""
BAR = 1.6
"""Height of a bar of colours, in inches."""
ROW = 0.22
"""Room of a row or column with a name, in inches."""

RASTERISE_ABOVE = 50_000
"""More points than this become an image even in a vector file."""


@dataclass(frozen=True)
class Canvas:
    """The panels of a figure.

    Parameters
    ----------
    axes
        A matplotlib Axes per panel.
    figure
        The figure, if it was made here and not by the caller.
    """

    axes: list[Axes]
    figure: Figure | None

    @classmethod
    def of(
        cls,
        ax: Panels,
        n_panels: int,
        *,
        size: tuple[float, float],
        n_cols: int,
        widths: Sequence[float] | None = None,
    ) -> Canvas:
        """Take the caller's axes, or make a figure with panels of a mean size in inches, row by row.

        With ``widths``, columns share the width of the figure like these.

        Raises
        ------
        ValueError
            If there are not as many axes as panels.
        """
        if ax is not None:
            given: list[Axes] = list(np.ravel(np.asarray(ax, dtype=object)))
            _validate.panels(len(given), n_panels)
            return cls(given, None)
        n_cols = min(n_cols, n_panels)
        n_rows = math.ceil(n_panels / n_cols)
        shape = (size[0] * n_cols, size[1] * n_rows)
        # room between the numbers of neighbouring axes
        layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06)
        figure, grid = plt.subplots(n_rows, n_cols, figsize=shape, squeeze=False, layout=layout, width_ratios=widths)
        for unused in grid.flat[n_panels:]:
            unused.remove()
        return cls(list(grid.flat[:n_panels]), figure)

    def label(self, x: str | None = None, y: str | None = None) -> None:
        """Name what is on the axes: once for the figure, or on each of the caller's axes."""
        if self.figure is not None and len(self.axes) > 1:
            if x is not None:
                self.figure.supxlabel(x, fontsize="medium")
            if y is not None:
                self.figure.supylabel(y, fontsize="medium")
            return
        for ax in self.axes:
            if x is not None:
                ax.set_xlabel(x)
            if y is not None:
                ax.set_ylabel(y)

    def legend(self, handles: Iterable[Artist]) -> Legend:
        """Put a legend where it covers nothing: above the figure, or to the right of the caller's last axes."""
        items: list[Any] = list(handles)
        if self.figure is None:
            anchor = (_right_end(self.axes[-1]) + 0.02, 1)
            return self.axes[-1].legend(
                handles=items, loc="upper left", bbox_to_anchor=anchor, borderaxespad=0, frameon=False
            )
        # as many columns as the figure is wide
        for n_cols in range(len(items), 0, -1):
            legend = self.figure.legend(handles=items, loc="outside upper center", ncols=n_cols, frameon=False)
            if n_cols == 1 or legend.get_window_extent().width <= self.figure.bbox.width:
                break
            legend.remove()
        # the panels keep the room they were given
        height = legend.get_window_extent().height / self.figure.dpi
        self.figure.set_figheight(self.figure.get_figheight() + height)
        return legend

    def colorbar(self, mappable: ScalarMappable, label: str) -> None:
        """Say what colours stand for: to the right of the panels, or of the caller's last axes."""
        if self.figure is None:
            inset = self.axes[-1].inset_axes((_right_end(self.axes[-1]) + 0.03, 0, 0.04, 1))
            self.axes[-1].figure.colorbar(mappable, cax=inset, label=label)
            return
        # about as tall whatever the figure is, without what is above and below its panels
        shrink = min(1.0, BAR / max(self.figure.get_figheight() - 0.8, 0.1))
        self.figure.colorbar(mappable, ax=self.axes, label=label, shrink=shrink, aspect=12, anchor=(0, 1))

    @contextmanager
    def settled(self) -> Iterator[None]:
        """Lay the figure out, and leave it so as long as something is fitted into it."""
        figure = self.axes[0].figure.get_figure(root=True)
        figure.draw_without_rendering()
        engine = figure.get_layout_engine()
        figure.set_layout_engine("none")
        try:
            yield
        finally:
            figure.set_layout_engine(engine)

    def finish(self, *, show: bool | None, save: str | Path | None) -> None:
        """Save, show and close.

        The rule of every figure: ``save`` writes a file, ``show=True`` shows. ``show=None`` leaves a new figure that
        was not saved to pyplot, which shows it by itself in an interactive session, and else with ``plt.show()``. In
        all other cases a figure made here is closed: its axes can still be changed and saved, and no memory is held.
        """
        figure = self.axes[0].figure.get_figure(root=True)
        if save is not None:
            figure.savefig(save, dpi=settings.figure_dpi, bbox_inches="tight")
        if show:
            plt.show()
        elif self.figure is not None and (show is False or save is not None):
            plt.close(self.figure)


def _right_end(ax: Axes) -> float:
    """Return where what is drawn on axes, beside them too, ends on the right, as a fraction of their width."""
    box = ax.get_tightbbox()
    return 1.0 if box is None else max(1.0, float(ax.transAxes.inverted().transform((box.x1, box.y0))[0]))


def room(names: Iterable[str]) -> float:
    """Return how much room the longest of small labels takes, in inches."""
    # a letter is about as wide as 0.6 of the font's size, which is 8.3 points
    return 0.07 * max(map(len, names), default=0)


def tidy(ax: Axes) -> None:
    """Take off the lines that carry nothing."""
    ax.spines[["top", "right"]].set_visible(False)


def palette(adata: AnnData, column: str) -> dict[str, str]:
    """Return the colours kept in ``adata.uns[f"{column}_colors"]`` by category of the column, if there are any."""
    stored = adata.uns.get(f"{column}_colors")
    if stored is None or not isinstance(adata.obs[column].dtype, pd.CategoricalDtype):
        return {}
    categories = [str(category) for category in adata.obs[column].cat.categories]
    return dict(zip(categories, stored, strict=False)) if len(stored) >= len(categories) else {}


def category_colors(adata: AnnData, column: str, categories: Sequence[str]) -> dict[str, Any]:
    """Return a colour per category: those kept in ``uns``, or as many that differ as are needed."""
    kept = palette(adata, column)
    if set(categories) <= set(kept):
        return {category: kept[category] for category in categories}
    return dict(zip(categories, distinct(len(categories)), strict=True))


def distinct(n: int) -> list[Any]:
    """Return ``n`` colours: those of Okabe and Ito if they are enough, else scanpy's, else steps of a colour map."""
    for colors in (COLORS, palettes.default_20, palettes.default_28, palettes.default_102):
        if n <= len(colors):
            return list(colors[:n])
    return list(plt.get_cmap("viridis")(np.linspace(0, 0.95, n)))


def role_colors(adata: AnnData, config: Mapping[str, Any], target: str | None) -> dict[str, str]:
    """Return the colours of control, observed and predicted cells.

    The first two are those kept in ``uns`` where there are any; the last is then the one that is least like them.
    """
    kept = palette(adata, config["perturbation_key"])
    colors = {CONTROL: kept.get(config["control"], GREY), OBSERVED: kept.get(target or "", BLUE)}
    candidates = (VERMILION, BLUE, GREEN, BLACK)

    def distance(candidate: str) -> float:
        return min(math.dist(to_rgb(candidate), to_rgb(color)) for color in colors.values())

    plain = colors == {CONTROL: GREY, OBSERVED: BLUE}
    return colors | {PREDICTED: VERMILION if plain else max(candidates, key=distance)}


def model_colors(models: Sequence[str]) -> dict[str, str]:
    """Return a colour per model: the controls have their own, and the first other one stands out."""
    others = [model for model in models if model not in MODEL_COLORS]
    free = [VERMILION, ORANGE, SKY, BLACK]
    return MODEL_COLORS | {model: free[i % len(free)] for i, model in enumerate(others)}


def matrix(ax: Axes, values: pd.DataFrame, limit: float | None = None) -> AxesImage:
    """Draw numbers with a sign as colours, with the name of every row and column.

    The darkest colour is that of ``limit``; missing numbers are grey. Names are small where there are many.
    """
    x = values.to_numpy(dtype=float)
    end = float(np.nanmax(np.abs(x), initial=0)) if limit is None else limit
    colors = plt.get_cmap(DIVERGING).with_extremes(bad=FAINT)
    end = end or 1.0
    image = ax.imshow(x, cmap=colors, vmin=-end, vmax=end, aspect="auto", interpolation="nearest")
    sizes = ["small" if n <= 60 else "xx-small" for n in x.shape]
    ax.set_yticks(range(x.shape[0]), [str(name) for name in values.index], fontsize=sizes[0])
    ax.set_xticks(range(x.shape[1]), [str(name) for name in values.columns], fontsize=sizes[1], rotation=90)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return image


def points(ax: Axes, xy: np.ndarray, *, n_total: int, **kwargs: Any) -> PathCollection:
    """Scatter cells, shape (n_cells, 2), of a figure with ``n_total`` of them: the more, the smaller."""
    size = float(np.clip(12_000 / max(n_total, 1), 1, 14))
    return ax.scatter(xy[:, 0], xy[:, 1], s=size, linewidths=0, rasterized=n_total > RASTERISE_ABOVE, **kwargs)
