"""Draws what one map makes of a change in abundance: ``python docs/contexts.py FOLDER``."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

import cellot_sc as cs

COLORS = {"type_0": "#0072B2", "type_1": "#D55E00", "type_2": "#009E73", "type_3": "#CC79A7"}
"""Those of the other figures, which differ for every kind of colour vision."""
FITS: dict[str, dict[str, Any]] = {"one map": {"match_abundance": False}, "a map per type": {"context": "cell_type"}}
N_LINES = 40
"""Cells of a type whose way is drawn."""


def draw(file: Path) -> None:
    """Draw where cells of each type go after one map and after a map per type, and how far from the truth that is."""
    mpl.use("Agg")
    file.parent.mkdir(parents=True, exist_ok=True)
    cs.settings.progress = False
    # the drug changes all types, and leaves a quarter of one of them
    adata = cs.datasets.simulate(2000, 100, perturbations=["drug"], abundance={"drug": {"type_1": 0.25}})
    cs.pp.split(adata, test_fraction=0.3)
    cs.pp.represent(adata, n_components=20)

    figure, axes = plt.subplots(1, 3, figsize=(12.5, 3.8), width_ratios=[1, 1, 0.9], layout="constrained")
    scores: dict[str, Any] = {}
    for (name, options), ax in zip(FITS.items(), axes[:2], strict=True):
        # of the size and by the options of the gallery, so that what is compiled serves both
        cs.tl.cellot(adata, key_added=name, n_steps=1000, check_every=50, **options)
        table = cs.tl.evaluate(adata, key=name, groupby="cell_type", metrics="energy_distance", n_boot=0)
        energy = table[table["metric"] == "energy_distance"].pivot_table(index="model", columns="group", values="value")
        scores |= {"no effect": energy.loc["identity"], name: energy.loc["icnn"]}
        baselines = {"one Gaussian map": "gaussian", "a shift per type": "group_shift", "observed": "observed"}
        scores |= {label: energy.loc[model] for label, model in baselines.items()}
        _ways(ax, adata, name)
    _errors(axes[2], scores)
    titles = ("one map for all cells", 'a map per type: context="cell_type"', "distance to observed cells, by type")
    for ax, letter, title in zip(axes, "abc", titles, strict=True):
        ax.set_title(f"{letter}  {title}", loc="left", fontsize="medium")
        ax.spines[["top", "right"]].set_visible(False)
    figure.legend(handles=_handles(), frameon=False, loc="outside lower left", ncols=7, fontsize="small")
    figure.savefig(file, dpi=150)
    plt.close(figure)


def _ways(ax: Axes, adata: AnnData, key: str) -> None:
    """Draw a line from some test cells of every type to where they are predicted, over the treated test cells."""
    plane, test = adata.obsm["X_cellot"][:, :2], (adata.obs["split"] == "test").to_numpy()
    treated = test & (adata.obs["perturbation"] == "drug").to_numpy()
    ax.scatter(*plane[treated].T, s=14, color="0.8", linewidths=0)
    rows = np.flatnonzero(test & ~treated)
    end = cs.tl.predict(adata, "drug", key=key, cells=rows).obsm["X_cellot"][:, :2]
    for kind, color in COLORS.items():
        of = np.flatnonzero(adata.obs["cell_type"].to_numpy()[rows] == kind)
        some = of[:: max(1, len(of) // N_LINES)]
        ax.plot(*np.stack([plane[rows][some], end[some]]).transpose(2, 0, 1), color=color, linewidth=0.6, alpha=0.6)
        ax.scatter(*plane[rows][of].T, s=10, color=color, linewidths=0)
        ax.scatter(*end[of].T, s=14, facecolors="none", edgecolors=color, linewidths=0.8)
    ax.set(xticks=[], yticks=[], xlabel="component 1", ylabel="component 2")


def _errors(ax: Axes, scores: dict[str, Any]) -> None:
    """Draw the distance within every type as a point and the mean over types as a bar, a row per prediction."""
    order = ["no effect", "one map", "one Gaussian map", "a shift per type", "a map per type", "observed"]
    for y, name in enumerate(order):
        ax.barh(y, scores[name]["mean"], height=0.6, color="0.85")
        for i, (kind, color) in enumerate(COLORS.items()):
            ax.scatter(scores[name][kind], y + 0.13 * (i - 1.5), s=22, color=color, zorder=3, clip_on=False)
    ax.set(yticks=range(len(order)), yticklabels=order, xlabel="energy distance (bar: mean over types)")
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()


def _handles() -> list[Line2D]:
    dots = [(kind, color, color) for kind, color in COLORS.items()]
    dots += [("predicted", "none", "0.3"), ("treated, observed", "0.8", "0.8")]
    return [
        Line2D([], [], marker="o", linestyle="", markersize=5, label=label, markerfacecolor=face, markeredgecolor=edge)
        for label, face, edge in dots
    ]


if __name__ == "__main__":
    logging.getLogger("cellot_sc").setLevel("WARNING")
    draw(Path(sys.argv[1]) / "contexts.png")
