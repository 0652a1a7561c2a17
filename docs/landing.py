"""Draws the picture of the landing page: ``python docs/landing.py FILE``, and each build of the documentation."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

import cellot_sc as cs


def draw(file: Path) -> None:
    """Draw from untreated cells to findings, in three steps, of simulated cells."""
    mpl.use("Agg")
    file.parent.mkdir(parents=True, exist_ok=True)
    cs.settings.progress = False
    adata = cs.datasets.simulate(2000, 100, perturbations=["drug_a", "drug_b", "drug_c"])
    cs.pp.split(adata, test_fraction=0.3)
    cs.pp.represent(adata, n_components=20)
    # of the size and by the options of the gallery, so that what is compiled serves both
    cs.tl.cellot(adata, n_steps=1000, check_every=50)

    figure, (where, how_good, how_far) = plt.subplots(
        1, 3, figsize=(12.5, 3.6), width_ratios=[1, 0.9, 0.9], layout="constrained"
    )
    cs.pl.displacement(adata, "drug_a", color="cell_type", ax=where, show=False)
    scores = cs.tl.evaluate(adata, metrics=["energy_distance"])
    cs.pl.evaluation(scores, ax=how_good, show=False)
    cs.pl.transport_cost(cs.tl.transport_cost(adata, groupby="cell_type"), ax=how_far, show=False)
    titles = ("where each cell goes", "energy distance to observed cells", "whom a drug acts on, and how much")
    for ax, letter, title in zip((where, how_good, how_far), "abc", titles, strict=True):
        ax.set_title(f"{letter}  {title}", loc="left", fontsize="medium")
    figure.savefig(file, dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    logging.getLogger("cellot_sc").setLevel("WARNING")
    draw(Path(sys.argv[1]))
