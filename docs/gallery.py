"""Draws every picture of the gallery: ``python docs/gallery.py FOLDER``."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np

import cellot_sc as cs


def draw(folder: Path) -> None:
    """Draw all figures of simulated cells into a folder."""
    mpl.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    cs.settings.progress = False

    # -- cells
    adata = cs.datasets.simulate(2000, 100, perturbations=["drug_a", "drug_b", "drug_c"])
    cs.pp.split(adata, test_fraction=0.3)
    cs.pp.represent(adata, n_components=20)
    cs.tl.cellot(adata, n_steps=1000, check_every=50)

    # -- embedding
    cs.pl.embedding(adata, "drug_a", color="cell_type", save=folder / "embedding.png")

    # -- displacement
    cs.pl.displacement(adata, color="cell_type", save=folder / "displacement.png")

    # -- marginals
    cs.pl.marginals(adata, "drug_a", save=folder / "marginals.png")

    # -- responses
    signature = cs.tl.signature(adata)
    cs.pl.responses(signature, save=folder / "responses.png")

    # -- history
    cs.pl.history(adata, save=folder / "history.png")

    # -- evaluation
    scores = cs.tl.evaluate(adata, metrics=["energy_distance", "mmd", "pearson_delta"])
    cs.pl.evaluation(scores, save=folder / "evaluation.png")

    # -- evaluation against a number
    sizes = [5, 10, 20, 50, 100]
    curves = cs.tl.evaluate(adata, metrics=["energy_distance", "mmd"], space="genes", n_markers=sizes, n_boot=50)
    of_drug_a = curves[curves["perturbation"] == "drug_a"]
    cs.pl.evaluation(of_drug_a, x="n_features", save=folder / "evaluation_curves.png")

    # -- scorecard
    within = cs.tl.evaluate(adata, metrics=["energy_distance", "mmd", "pearson_delta"], groupby="cell_type")
    cs.pl.scorecard(within, group="mean", save=folder / "scorecard.png")

    # -- transport_cost
    cost = cs.tl.transport_cost(adata, groupby="cell_type")
    cs.pl.transport_cost(cost, save=folder / "transport_cost.png")

    # -- subpopulation_effects
    effects = cs.tl.subpopulation_effects(adata, "cell_type")
    cs.pl.subpopulation_effects(effects, save=folder / "subpopulation_effects.png")

    # -- volcano
    cs.pl.volcano(effects, "drug_a", save=folder / "volcano.png")

    # -- effect_heatmap
    cs.pl.effect_heatmap(effects, save=folder / "effect_heatmap.png")

    # -- effect_clusters
    cs.tl.effect_clusters(adata)
    cs.pl.effect_clusters(adata, save=folder / "effect_clusters.png")

    # -- composition
    cs.pl.composition(adata, "cell_type", "effect_cluster", save=folder / "composition.png")

    # -- spatial_effects
    row, column = np.divmod(adata.obs["cell_type"].cat.codes.to_numpy(), 2)
    adata.obsm["spatial"] = np.stack([column, row], axis=-1) + np.random.default_rng(0).uniform(0, 1.2, (2000, 2))
    cs.pl.spatial_effects(adata, targets="drug_a", save=folder / "spatial_effects.png")

    # -- perturbation_similarity
    names = [f"drug_{i:02d}" for i in range(12)]
    screen = cs.datasets.simulate(1950, 60, perturbations=names)
    cs.pp.split(screen)
    cs.pp.represent(screen, n_components=10)
    cs.tl.cellot(screen, solver="gaussian")
    cs.pl.perturbation_similarity(cs.tl.perturbation_similarity(screen), save=folder / "perturbation_similarity.png")

    # -- dose_response
    doses = cs.datasets.simulate_doses()
    cs.tl.dose_response(doses, replicate="replicate", solver="gaussian", use_rep="X")
    cs.pl.dose_response(doses, save=folder / "dose_response.png")

    # -- trajectory
    course = cs.datasets.simulate_branching(1500, 50)
    cs.tl.trajectory(course, n_steps=1000, check_every=50)
    cs.pl.trajectory(course, save=folder / "trajectory.png")

    # -- fate
    cs.tl.fate(course, "cell_type")
    cs.pl.fate(course, "time", save=folder / "fate.png")

    # -- clonal_agreement
    agreement = cs.tl.clonal_agreement(course, baselines=["prior", "identity"], n_boot=100)
    cs.pl.clonal_agreement(agreement, save=folder / "clonal_agreement.png")

    # -- end


if __name__ == "__main__":
    logging.getLogger("cellot_sc").setLevel("WARNING")
    draw(Path(sys.argv[1]))
