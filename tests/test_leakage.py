"""What is judged by is never learnt from: change the cells that are held out, and nothing that is fitted changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from anndata import AnnData
from scipy import sparse

import cellot_sc as cs
from cellot_sc.pp._methods import METHODS
from cellot_sc.tl._fit import store
from cellot_sc.tl._fit.clouds import latent
from cellot_sc.tl._judge import evaluate

QUICK: dict[str, Any] = {
    "n_steps": 20,
    "check_every": 10,
    "min_steps": 10,
    "penalties": (1.0, 10.0),
    "width": 8,
    "depth": 2,
}
# options that make it quick
REPRESENTATIONS: dict[str, dict[str, Any]] = {"autoencoder": {"n_steps": 20, "check_every": 10, "hidden": (16,)}}


@pytest.fixture
def split(simulated: AnnData, monkeypatch: pytest.MonkeyPatch) -> AnnData:
    """Cells of every split, those of one patient held out and half of these used for nothing."""
    # networks are fitted although an affine map would do
    monkeypatch.setattr("cellot_sc.ot._loop.lack_of_fit.explains", lambda *_: False)
    adata = simulated.copy()
    cs.pp.split(adata, holdout={"patient": "patient_3"}, twin="ood")
    assert adata.obs["split"].isna().any()
    return adata


def changed(adata: AnnData, rows: np.ndarray) -> AnnData:
    """Return a copy in which the expression of these cells is exchanged among them, and tripled."""
    other = adata.copy()
    order = np.arange(adata.n_obs)
    order[rows] = np.random.default_rng(0).permutation(rows)
    scale = np.ones(adata.n_obs)
    scale[rows] = 3
    x = sparse.csr_matrix(adata.X[order].multiply(scale[:, None]), dtype=np.float32)
    other.X = x
    assert (abs(other.X - adata.X)).sum() > 0
    return other


def same(a: Any, b: Any) -> bool:
    """Return whether two nested states are equal to the bit."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return np.array_equal(a, b)


def fit(adata: AnnData, method: str, **options: Any) -> store.FittedMaps:
    cs.pp.represent(adata, method, n_components=6, **REPRESENTATIONS.get(method, {}))
    cs.tl.cellot(adata, **options)
    return store.load(adata, "cellot")


def unseen(adata: AnnData) -> np.ndarray:
    return np.flatnonzero(~adata.obs["split"].isin(["train", "valid"]))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("solver", "options"), [("icnn", QUICK), ("gaussian", {})])
def test_cells_that_are_held_out_change_nothing(split: AnnData, method: str, solver: str, options: dict[str, Any]):
    other = changed(split, unseen(split))
    a, b = (fit(data, method, solver=solver, **options) for data in (split, other))
    assert same(dict(split.uns["X_cellot"]), dict(other.uns["X_cellot"]))
    seen = np.setdiff1d(np.arange(split.n_obs), unseen(split))
    np.testing.assert_array_equal(split.obsm["X_cellot"][seen], other.obsm["X_cellot"][seen])
    for name in ("drug_a", "drug_b"):
        assert same(a.maps[name].state(), b.maps[name].state())
    # all that was chosen by
    columns = ["perturbation", "step", "metric", "value"]
    assert a.history[columns].equals(b.history[columns])


@pytest.mark.parametrize("solver", ["identity", "mean_shift", "gaussian", "entropic"])
def test_controls_learn_from_train_cells_only(split: AnnData, solver: str):
    other = changed(split, unseen(split))
    maps = []
    for data in (split, other):
        fitted = fit(data, "pca", solver="mean_shift" if solver != "mean_shift" else "gaussian")
        x, labels = latent(data, "X_cellot"), data.obs["perturbation"].to_numpy()
        parts = data.obs["split"].astype(object).to_numpy()
        [of_solver] = evaluate._baselines(data, fitted, ["drug_a"], x, labels, parts, [cs.ot.SOLVERS[solver]]).values()
        maps.append(of_solver["drug_a"])
    assert same(maps[0].state(), maps[1].state())


def _valid(adata: AnnData) -> np.ndarray:
    return np.flatnonzero(adata.obs["split"] == "valid")


def _train(adata: AnnData) -> np.ndarray:
    return np.flatnonzero(adata.obs["split"] == "train")


@pytest.mark.parametrize("rows", [_valid, _train])
def test_this_would_be_seen(split: AnnData, rows: Callable[[AnnData], np.ndarray]):
    # the same change of cells that are learnt from, or chosen by, does change something
    other = changed(split, rows(split))
    a, b = (fit(data, "pca", **QUICK) for data in (split, other))
    validation = [fitted.history.loc[fitted.history["metric"] == "validation", "value"] for fitted in (a, b)]
    assert not validation[0].equals(validation[1])
    assert same(dict(split.uns["X_cellot"]), dict(other.uns["X_cellot"])) == (rows is _valid)


def test_validation_groups_are_chosen_by_and_not_learnt_from(split: AnnData):
    cs.pp.split(split, holdout={"patient": "patient_3"}, valid_groups={"patient": "patient_0"})
    other = changed(split, np.flatnonzero(split.obs["patient"] == "patient_0"))
    a, b = (fit(data, "pca", targets="drug_a", solver="gaussian") for data in (split, other))
    assert same(dict(split.uns["X_cellot"]), dict(other.uns["X_cellot"]))
    assert same(a.maps["drug_a"].state(), b.maps["drug_a"].state())
