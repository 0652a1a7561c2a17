from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

import cellot_sc as cs

N_PATIENTS, N_GENES = 12, 20
APART = slice(5, 10)
"""Genes in which patients differ in their response, all of it beyond the space of the maps."""
SHARED, SPREAD, SHIFT = 12, 0.4, 0.5
"""A gene in which all respond alike beyond it, how far they differ and how far that one is moved."""


@pytest.fixture(scope="module")
def beyond() -> AnnData:
    """Cells in two dimensions that hold next to nothing of the response."""
    rng = np.random.default_rng(0)
    n_cells = 2400
    patient, treated = np.arange(n_cells) % N_PATIENTS, np.arange(n_cells) // N_PATIENTS % 2 == 1
    x = rng.normal(size=(n_cells, 2)) * 10 @ np.eye(2, N_GENES) + rng.normal(size=(n_cells, N_GENES)) * 0.5
    # so scaled that their mean square is known
    effects = rng.normal(size=(N_PATIENTS, 5))
    effects *= SPREAD / np.sqrt((effects**2).mean(axis=0))
    x[treated, APART] += effects[patient[treated]]
    x[treated, SHARED] += SHIFT
    obs = pd.DataFrame(
        {"perturbation": np.where(treated, "drug", "control"), "patient": [f"p{i}" for i in patient], "split": "train"},
        index=[f"cell_{i}" for i in range(n_cells)],
    )
    adata = AnnData(x.astype(np.float32), obs=obs, var=pd.DataFrame(index=[f"gene_{i}" for i in range(N_GENES)]))
    cs.pp.represent(adata, n_components=2)
    return adata


def of(adata: AnnData, **kwargs: Any) -> np.ndarray:
    cs.tl.cellot(adata, **{"solver": "group_gaussian", "context": "patient"} | kwargs)
    return cs.tl.maps(adata).residuals["drug"]


def fitted(adata: AnnData) -> AnnData:
    copied = adata.copy()
    of(copied)
    return copied


def test_they_are_what_patients_differ_in_and_what_they_share(beyond: AnnData) -> None:
    found = of(beyond.copy())
    assert found.dtype == np.float32
    assert found[APART] == pytest.approx(SPREAD, rel=0.15)
    assert found[SHARED] == pytest.approx(SHIFT, rel=0.15)
    # in other genes there is what one patient in thirteen tells of all; with the noise of means it would be .095
    mean_square = (5 * SPREAD**2 + SHIFT**2) / N_GENES
    others = np.delete(found, [0, 1, *range(5, 10), SHARED])
    assert others.mean() == pytest.approx(np.sqrt(mean_square / (N_PATIENTS + 1)), rel=0.3)


def test_sparse_parts_of_genes_in_another_order(beyond: AnnData, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = of(beyond.copy())
    monkeypatch.setattr("cellot_sc.tl._fit.residuals.CHUNK", 30)
    turned = beyond[:, ::-1].copy()
    turned.X = sparse.csc_matrix(turned.X)
    np.testing.assert_allclose(of(turned), expected, rtol=1e-4)
    predicted = [cs.tl.predict(adata, uncertainty=True) for adata in (fitted(beyond), turned)]
    np.testing.assert_allclose(predicted[0].layers["sd"], predicted[1].layers["sd"][:, ::-1], rtol=1e-3)


def test_drawn_cells_tell_the_same(beyond: AnnData, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = of(beyond.copy())
    monkeypatch.setattr("cellot_sc.tl._fit.residuals.MOST_CELLS", 600)
    drawn = of(beyond.copy())
    assert not np.array_equal(drawn, expected)
    np.testing.assert_array_equal(drawn, of(beyond.copy()))
    np.testing.assert_allclose(drawn[APART], expected[APART], rtol=0.3)


def test_cells_that_count_nothing_or_hold_nan_are_left_out(beyond: AnnData) -> None:
    adata = beyond.copy()
    spoilt = np.arange(adata.n_obs) % 7 == 3
    weights = np.where(spoilt, 0.0, 1.0)
    adata.obs["weight"] = weights
    expected = of(adata.copy(), weights="weight")
    adata.X[spoilt] += 50
    np.testing.assert_allclose(of(adata.copy(), weights="weight"), expected, rtol=1e-5)
    adata.X[np.flatnonzero(spoilt)[::9] + 1, 3] = np.nan
    assert np.isfinite(of(adata.copy(), weights="weight")).all()
    # one cell of all that count tells no variance
    first = ~adata.obs.duplicated(["perturbation", "patient"]).to_numpy()
    adata.obs["weight"] = np.where(first & ~spoilt, 1.0, 1e-9)
    cs.tl.cellot(adata, solver="group_gaussian", context="patient", weights="weight")
    assert not cs.tl.maps(adata).residuals


def test_they_are_added_to_what_is_uncertain_in_the_space(beyond: AnnData) -> None:
    adata = fitted(beyond)
    predicted = cs.tl.predict(adata, uncertainty=True)
    latent = cs.tl.predict(adata, uncertainty=True, decode=False).layers["sd"]
    carried = np.sqrt(latent**2 @ np.square(adata.uns["X_cellot"]["components"]))
    expected = np.hypot(carried, cs.tl.maps(adata).residuals["drug"])
    np.testing.assert_allclose(predicted.layers["sd"], expected, rtol=0.02)


def test_an_autoencoder_leaves_some_too(simulated: AnnData) -> None:
    adata = simulated.copy()
    cs.pp.split(adata, holdout={"patient": "patient_3"})
    options: dict[str, Any] = {"hidden": (16,), "n_steps": 45, "check_every": 15, "learning_rate": 2e-3}
    cs.pp.represent(adata, "autoencoder", n_components=3, **options)
    cs.tl.cellot(adata, targets="drug_a", solver="group_gaussian", context=["cell_type", "patient"])
    beyond = cs.tl.maps(adata).residuals["drug_a"]
    assert beyond.shape == (60,)
    assert (cs.tl.predict(adata, uncertainty=True).layers["sd"] >= beyond * 0.999).all()


def test_none_where_nothing_is_known_beyond(beyond: AnnData) -> None:
    adata = beyond.copy()
    adata.obsm["X_other"] = np.array(adata.obsm["X_cellot"])
    gone = beyond.copy()
    gone.X = None
    for cells, given in (
        (adata, {"use_rep": "X_other"}),
        (adata, {"use_rep": "X"}),
        (adata, {"context": None}),
        (adata, {"solver": "group_shift"}),
        (gone, {}),
    ):
        cs.tl.cellot(cells, **{"solver": "group_gaussian", "context": "patient"} | given)
        assert not cs.tl.maps(cells).residuals
        assert "residuals" not in cells.uns["cellot"]
