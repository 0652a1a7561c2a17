"""The whole job on simulated cells whose true response is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from . import _defaults, _files, _keys, _report, datasets, pl, pp, tl
from ._settings import settings
from .metrics import Metric, _bootstrap
from .pp._represent import project

PERTURBATIONS = ("drug_a", "drug_b", "drug_c")
GROUPBY = "cell_type"
TRUTH = Metric(
    "counterfactual_error",
    lambda predicted, truth: np.sqrt(((predicted - truth) ** 2).sum(axis=1).mean()),
    "distance to the simulated truth of each cell",
    meaning="Root mean square distance between the prediction for a cell and the state that this very cell would have "
    "had. Only a simulation knows it.",
)
"""The cells of both clouds are pairs, which no other metric needs."""
N_BOOT = 100
SIMULATION: dict[str, Any] = {
    "n_cells": 3000,
    "n_genes": 100,
    "n_cell_types": 8,
    "abundance": {name: {"type_0": 2.0} for name in (_keys.CONTROL, *PERTURBATIONS)},
}
"""So many types respond, each in its own way, that an affine map of all cells does not follow them. The type that the
second drug acts on alone is twice as frequent as the others."""
N_COMPONENTS = 10
TRAINING: dict[str, Any] = {"n_steps": 750, "check_every": 75, "min_steps": 300}
"""Half of the usual steps: the response is found within them."""


def run(folder: Path, *, seed: int) -> pd.DataFrame:
    """Simulate, fit, predict, judge and draw; write everything to a folder and return the scores.

    Parameters
    ----------
    folder
        Where ``metrics.csv``, ``figures/``, ``fitted.h5ad``, ``predicted.h5ad`` and ``report.html`` are written.
    seed
        Seed of everything random.
    """
    adata = datasets.simulate(perturbations=PERTURBATIONS, seed=seed, **SIMULATION)
    pp.split(adata, seed=seed)
    pp.represent(adata, n_components=N_COMPONENTS)
    tl.cellot(adata, seed=seed, **TRAINING)
    predicted = tl.predict(adata)
    truth = counterfactual_error(adata, seed=seed)
    report = _report.compose(adata, split=_keys.TEST, groupby=GROUPBY, extra=(TRUTH, truth), n_boot=N_BOOT, seed=seed)
    [at] = [i for i, item in enumerate(report.items) if item.name == "evaluation"]
    report.items.insert(at + 1, _truth(truth))

    (folder / "figures").mkdir()
    figures = {item.name: item.figure.figure for item in report.items if item.figure is not None}
    for name, figure in figures.items():
        for suffix in ("png", "pdf"):
            file = folder / "figures" / f"{name}.{suffix}"
            figure.savefig(file, dpi=settings.figure_dpi, bbox_inches="tight")
    report.scores.to_csv(folder / "metrics.csv", index=False)
    _files.write(adata, folder / "fitted.h5ad")
    _files.write(predicted, folder / "predicted.h5ad")
    report.write(folder / "report.html", title="A demonstration: predicted responses of simulated cells")
    return report.scores


def counterfactual_error(adata: AnnData, *, seed: int = 0) -> pd.DataFrame:
    """Return how far predictions for test cells lie from the state that those very cells would have had.

    Parameters
    ----------
    adata
        Simulated cells with fitted maps.
    seed
        Seed of the resamples.

    Returns
    -------
    Rows as :func:`cellot_sc.tl.evaluate` has them, of the metric ``counterfactual_error``: the root over cells of the
    mean squared distance in the space of the maps.
    """
    fitted = tl.maps(adata)
    fit = fitted.fit
    test = (fit.labels(adata) == fit.control) & (fit.parts(adata) == _keys.TEST)
    x = fit.space(adata).read(test)
    maps = fit.refit(adata, _defaults.BASELINES, fit.targets) | {fit.solver: fitted}
    # the same resamples for every model
    counts = _bootstrap.resample_counts(len(x), N_BOOT, seed=seed)
    rows = []
    for target in fit.targets:
        truth = project(adata.layers[f"{_keys.COUNTERFACTUAL}_{target}"][test], adata.uns[fit.use_rep])
        for model, by_target in maps.items():
            squares = ((by_target[target].transport(x) - truth) ** 2).sum(axis=1, dtype=np.float64)
            low, high = _bootstrap.interval(np.sqrt(squares @ counts / len(squares)))
            rows.append((model, target, np.sqrt(squares.mean()), low, high))
    table = pd.DataFrame(rows, columns=["model", "perturbation", "value", "ci_low", "ci_high"])
    return table.assign(
        metric=TRUTH.name, group=_keys.ALL, split=_keys.TEST, seed=fit.seed, n_features=x.shape[1], n_cells=len(x)
    )


def _truth(scores: pd.DataFrame) -> _report.Item:
    return _report.Item(
        "truth",
        "Is the prediction right for each single cell?",
        "In real data no cell is seen both untreated and treated, but a simulation knows what would have become of "
        "each control cell. This is the distance between that state and the predicted one, for cells that the fit has "
        "never seen. Some of it is noise that no map can predict.",
        _report.drawn(pl.evaluation, scores, metrics=TRUTH),
    )
