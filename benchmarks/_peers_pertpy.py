"""Scgen and CINEMA-OT of pertpy, in an environment of its own: ``python -m benchmarks._peers_pertpy PEER IN OUT``.

Reads the arrays that :mod:`._peers_foreign` writes, and writes predicted cells; imports nothing of this package.
"""

from __future__ import annotations

import importlib.metadata
import sys
import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pertpy

from ._peers_clock import affordable, running

type Arrays = dict[str, np.ndarray]
type Fitted = tuple[np.ndarray, str]

CINEMA_OT = {"thres": 0.15, "smoothness": 1e-5}
"""Of its settings, those with which it did best on these cells in an earlier review: with its defaults, E is 1.2."""


def scgen(given: Arrays) -> tuple[Fitted, float, float]:
    """Train as many epochs as there is time for, at most its default of 100."""
    train = _annotated(given["genes"], given["labels"], given["types"])
    test = _annotated(given["genes_test"], np.full(len(given["genes_test"]), "control"), given["types_test"])

    def fitted(n_epochs: int) -> pertpy.tl.Scgen:
        pertpy.tl.Scgen.setup_anndata(train, batch_key="label", labels_key="type")
        model = pertpy.tl.Scgen(train)
        model.train(max_epochs=n_epochs, seed=int(given["seed"]))
        return model

    n_epochs = affordable(fitted, float(given["budget"]), 2, most=100)
    np.random.seed(int(given["seed"]))
    with running() as clock:
        model = fitted(n_epochs)
        predicted, _ = model.predict(ctrl_key="control", stim_key="treated", adata_to_predict=test)
    return (np.asarray(predicted.X), f"{n_epochs} epochs of 100"), clock.spent, clock.compiling


def cinema_ot(given: Arrays) -> tuple[Fitted, float, float]:
    """Match test control cells, which it sees, and control train cells with treated train cells."""
    n_test = len(given["genes_test"])
    genes = np.concatenate([given["genes_test"], given["genes"]])
    labels = np.concatenate([np.full(n_test, "control"), given["labels"]])
    types = np.concatenate([given["types_test"], given["types"]])
    adata = _annotated(genes, labels, types)
    adata.obsm["X_pca"] = np.concatenate([given["latent_test"], given["latent"]])
    with running() as clock:
        effects = pertpy.tl.Cinemaot().causaleffect(
            adata, pert_key="label", control="control", return_matching=True, **CINEMA_OT
        )
        # treated by control cells
        weights = np.asarray(effects.obsm["ot"], np.float64)[:, :n_test]
        predicted = (weights / weights.sum(axis=0)).T @ genes[labels == "treated"]
    return (predicted, "to convergence"), clock.spent, clock.compiling


def _annotated(genes: np.ndarray, labels: np.ndarray, types: np.ndarray) -> ad.AnnData:
    obs = pd.DataFrame({"label": pd.Categorical(labels), "type": pd.Categorical(types)})
    obs.index = obs.index.astype(str)
    return ad.AnnData(np.asarray(genes, np.float32), obs=obs)


def main(peer: str, source: str, out: str) -> None:
    """Fit a peer and write what it predicts."""
    warnings.simplefilter("ignore")
    with np.load(source) as arrays:
        given = dict(arrays)
    (cells, steps), cpu, compiling = {"Scgen": scgen, "CINEMA-OT": cinema_ot}[peer](given)
    version = f"pertpy {importlib.metadata.version('pertpy')}"
    np.savez(out, cells=cells, space="genes", cpu=cpu, compiling=compiling, steps=steps, version=version)


if __name__ == "__main__":
    main(*sys.argv[1:])
