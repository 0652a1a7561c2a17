from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData
from scipy import stats

import cellot_sc as cs
from cellot_sc.tl._effects.displacements import Displacements, displacements
from cellot_sc.tl._effects.null import null, responding, spread


@pytest.fixture(scope="module")
def moves(fitted: AnnData) -> Displacements:
    return displacements(fitted, "cellot")


def test_halves_are_scaled_to_the_numbers_of_train_cells(moves: Displacements):
    null_maps = null(moves, seed=0)
    # 140 control and 140 treated train cells: twice as many as in two halves of 70
    assert null_maps.scale == pytest.approx({"drug_a": 2**-0.5, "drug_b": 2**-0.5})
    assert null_maps.shared == pytest.approx({"drug_a": 0.5, "drug_b": 0.5})
    assert null_maps.own is None


def test_same_seed_same_null(moves: Displacements):
    first, again, other = (null(moves, seed=seed).maps[0].transport(moves.x) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_spread_of_means_is_their_standard_error(prepared: AnnData):
    adata = prepared.copy()
    cs.tl.cellot(adata, solver="mean_shift", targets="drug_a")
    moves = displacements(adata, "cellot")
    null_maps = null(moves, seed=0)
    of_cells, of_groups = spread(null_maps, moves, {"all": np.ones(len(moves.x), dtype=bool)}, slice(None))
    train = (adata.obs["split"] == "train").to_numpy()[moves.rows]
    # of the difference of two means of 140 cells; 50 halvings know it to 10 %
    expected = np.sqrt(moves.space.view(moves.x[train]).var(axis=0, ddof=1) * 2 / 140)
    found = null_maps.scale["drug_a"] * of_groups["all"]
    assert np.median(found / expected) == pytest.approx(1, abs=0.15)
    assert of_cells.shape == (200, 60)


def test_solver_that_is_not_affine_is_fitted_to_a_halving(prepared: AnnData):
    adata = prepared.copy()
    cs.tl.cellot(adata, solver="entropic", targets="drug_b")
    moves = displacements(adata, "cellot")
    null_maps = null(moves, seed=0)
    assert null_maps.own is not None
    assert null_maps.excess(moves.field) > 1
    assert null_maps.scale == {"drug_b": 1.0}


def test_weights_of_the_cost(prepared: AnnData):
    adata = prepared.copy()
    weights = np.array([4.0] + [1.0] * 7)
    cs.tl.cellot(adata, solver="gaussian", feature_weights=weights)
    moves = displacements(adata, "cellot")
    cost = moves.fitted.maps["drug_a"].cost(moves.x)
    np.testing.assert_allclose(0.5 * (moves.field(moves.fitted.maps["drug_a"]) ** 2).sum(axis=1), cost, rtol=1e-4)
    null_maps = null(moves, seed=0)
    np.testing.assert_array_equal(null_maps.maps[0].weights, weights)  # type: ignore[attr-defined]


def test_weights_of_cells(prepared: AnnData):
    adata = prepared.copy()
    control = (adata.obs["perturbation"] == "control").to_numpy()
    left_out = control & (np.arange(adata.n_obs) % 2 == 0)
    adata.obs["weight"] = np.where(left_out, 0.0, 1.0)
    adata.obsm["X_cellot"][left_out] *= 50
    cs.tl.cellot(adata, solver="mean_shift", weights="weight", targets="drug_a")
    moves = displacements(adata, "cellot")
    null_maps = null(moves, seed=0)
    # cells that do not count are no part of the noise
    x = adata.obsm["X_cellot"][control & ~left_out]
    shifts = np.concatenate([fitted.transport(moves.x[:1]) - moves.x[:1] for fitted in null_maps.maps])
    train = control & (adata.obs["split"] == "train").to_numpy()
    n_control, n_treated = int((train & ~left_out).sum()), 140
    np.testing.assert_allclose(shifts.std(axis=0), x.std(axis=0) * np.sqrt(4 / n_control), rtol=0.4)
    expected = np.sqrt((1 / n_control + 1 / n_treated) / (4 / n_control))
    assert null_maps.scale["drug_a"] == pytest.approx(expected, rel=0.1)
    assert null_maps.shared["drug_a"] == pytest.approx(n_treated / (n_control + n_treated))


def test_without_the_cells_of_the_fit(fitted: AnnData):
    held_out = fitted[fitted.obs["split"] == "test"].copy()
    with pytest.raises(ValueError, match="control 'control' has 0 train cells"):
        null(displacements(held_out, "cellot"), seed=0)


def test_responding_is_the_procedure_of_benjamini_and_hochberg(moves: Displacements):
    null_maps = null(moves, seed=0)
    z = np.abs(np.random.default_rng(0).normal(size=(300, 4)) * np.array([1.0, 2.0, 3.0, 0.1]))
    pvalues = 2 * stats.t.sf(z, null_maps.df)
    expected = np.stack([stats.false_discovery_control(p) <= 0.05 for p in pvalues.T], axis=1)
    np.testing.assert_array_equal(responding(z, null_maps), expected)
    assert expected[:, 2].any() and not expected[:, 3].any()


def test_contexts_of_the_null_are_those_of_the_fit(prepared: AnnData, caplog: pytest.LogCaptureFixture):
    adata = prepared.copy()
    cs.tl.cellot(adata, solver="group_shift", context="cell_type")
    null(displacements(adata, "cellot"), seed=0)
    assert "others than those that the maps were fitted to" not in caplog.text
    adata.obs["cell_type"] = adata.obs["cell_type"].to_numpy()[::-1]
    null(displacements(adata, "cellot"), seed=0)
    assert caplog.text.count("others than those that the maps were fitted to") == 1
