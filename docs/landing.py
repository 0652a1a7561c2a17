"""Draws the picture of the landing page: ``python docs/landing.py FOLDER``."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes

import cellot_sc as cs

MODELS = {
    "identity": "no effect",
    "mean_shift": "mean shift",
    "gaussian": "Gaussian map",
    "icnn": "network",
    "group_shift": "mean shift per type",
    "group_gaussian": "Gaussian map per type",
    "icnn per type": "network, told types",
    "observed": "real treated cells",
}
GREY, BLUE, ORANGE = "0.72", "#0072B2", "#D55E00"


def energies(adata: AnnData, split: str, keys: dict[str, str]) -> pd.Series:
    """Return the energy distance within cell types, the mean over them, of every prediction.

    Parameters
    ----------
    adata
        Cells with maps.
    split
        Part of the cells to judge by.
    keys
        What networks are called, by the key of their maps.
    """
    rows = []
    for key, name in keys.items():
        scores = cs.tl.evaluate(adata, key=key, groupby="cell_type", split=split, metrics="energy_distance", n_boot=0)
        found = scores[(scores["metric"] == "energy_distance") & (scores["group"] == "mean")]
        rows.append(found.set_index("model")["value"].rename({"icnn": name}))
    together = pd.concat(rows)
    return together[~together.index.duplicated()].reindex([model for model in MODELS if model in together])


def draw(adata: AnnData, energy: pd.Series, file: Path, *, split: str, key: str = "cellot") -> None:
    """Draw cells in two components, and distances as bars, both to be read on a phone.

    Parameters
    ----------
    adata
        Cells with maps of one perturbation.
    energy
        As :func:`energies` returns it.
    file
        PNG to write.
    split
        Part of the cells to draw.
    key
        Key of the maps.
    """
    mpl.use("Agg")
    with mpl.rc_context({"font.size": 13}):
        figure, (plane, bars) = plt.subplots(1, 2, figsize=(7.2, 3.5), width_ratios=[1, 1.05], layout="constrained")
        _cells(plane, adata, split, key)
        _bars(bars, energy)
        figure.savefig(file, dpi=150)
        plt.close(figure)


def _cells(ax: Axes, adata: AnnData, split: str, key: str) -> None:
    fit = cs.tl.maps(adata, key).fit
    [target] = fit.targets
    labels, shown = fit.labels(adata), fit.parts(adata) == split
    before, after = (shown & (labels == label) for label in (fit.control, target))
    moved = cs.tl.predict(adata, target, key=key, cells=before, decode=False).X
    x = adata.obsm["X_cellot"]
    for cells, color, size in ((x[after], GREY, 16), (x[before], BLUE, 5), (moved, ORANGE, 5)):
        ax.scatter(*cells[:, :2].T, s=size, color=color, linewidths=0)
    ax.set(xticks=[], yticks=[], xlabel="component 1", ylabel="component 2")
    ax.spines[["top", "right"]].set_visible(False)
    for i, (name, color) in enumerate((("untreated", BLUE), ("predicted", ORANGE), ("treated, measured", "0.45"))):
        ax.text(0.0, 1.26 - 0.09 * i, name, color=color, transform=ax.transAxes, weight="bold", va="top")


def _bars(ax: Axes, energy: pd.Series) -> None:
    y = np.arange(len(energy))
    ax.barh(y, energy, color=[ORANGE if model.startswith("icnn") else GREY for model in energy.index])
    for at, value in zip(y, energy, strict=True):
        ax.text(max(value, 0) + 0.02 * energy.max(), at, f"{value:.2f}", va="center")
    names = [MODELS[model] for model in energy.index]
    ax.set(yticks=y, yticklabels=names, xticks=[], xlim=(min(0, energy.min()), energy.max() * 1.25))
    ax.set_title("distance to treated cells", fontsize="medium", loc="right")
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "bottom"]].set_visible(False)
    ax.invert_yaxis()


def main(folder: Path) -> None:
    """Draw the cells of the quick start of the README."""
    cs.settings.progress = False
    adata = cs.datasets.simulate(n_cell_types=12, perturbations=["drug_a"])
    cs.pp.split(adata)
    cs.pp.represent(adata, n_components=10)
    cs.tl.cellot(adata)
    draw(adata, energies(adata, "test", {"cellot": "icnn"}), folder / "landing.png", split="test")


if __name__ == "__main__":
    logging.getLogger("cellot_sc").setLevel("WARNING")
    main(Path(sys.argv[1]))
