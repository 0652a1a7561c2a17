"""How every figure looks, where it is drawn, and when it is shown, saved or closed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from matplotlib.layout_engine import ConstrainedLayoutEngine
from scanpy.plotting import palettes

from .. import _validate
from .._settings import settings

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
MODEL_COLORS = {"identity": GREY, "mean_shift": PURPLE, "gaussian": GREEN, "observed": BLUE}
"""Colours of what a model is compared with."""

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
    def of(cls, ax: Panels, n_panels: int, *, size: tuple[float, float], n_cols: int) -> Canvas:
        """Take the caller's axes, or make a figure with panels of a size in inches, row by row.

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
        figure, grid = plt.subplots(n_rows, n_cols, figsize=shape, squeeze=False, layout=layout)
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

    def legend(self, handles: Iterable[Artist]) -> None:
        """Put a legend where it covers nothing: above the figure, or to the right of the caller's last axes."""
        items: list[Any] = list(handles)
        if self.figure is None:
            self.axes[-1].legend(
                handles=items, loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0, frameon=False
            )
            return
        # as many columns as the figure is wide
        for n_cols in range(len(items), 0, -1):
            legend = self.figure.legend(handles=items, loc="outside upper center", ncols=n_cols, frameon=False)
            if n_cols == 1 or legend.get_window_extent().width <= self.figure.bbox.width:
                break
            legend.remove()

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


def points(ax: Axes, xy: np.ndarray, *, n_total: int, **kwargs: Any) -> None:
    """Scatter cells, shape (n_cells, 2), of a figure with ``n_total`` of them: the more, the smaller."""
    size = float(np.clip(12_000 / max(n_total, 1), 1, 14))
    ax.scatter(xy[:, 0], xy[:, 1], s=size, linewidths=0, rasterized=n_total > RASTERISE_ABOVE, **kwargs)
