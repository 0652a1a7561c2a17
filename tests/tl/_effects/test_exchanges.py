from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc.metrics._units import units
from cellot_sc.ot import Problem
from cellot_sc.tl._effects.displacements import displacements
from cellot_sc.tl._effects.exchanges import costs_after, exchange_plans, exchanged, refitted
from cellot_sc.tl._effects.null import spread


def test_whole_units_change_sides_with_their_weights():
    labels, treated = np.array(["a", "a", "b", "b", "", "a", "b"]), np.array([0, 0, 1, 1, 1, 0, 1], dtype=bool)
    members, x = units(labels, treated), np.arange(14.0).reshape(7, 2)
    problem = Problem(x[:2], x[2:5], x[5:6], x[6:], source_weights=np.array([2.0, 6.0]))
    same, other = exchanged(problem, members, np.array([[False, False], [True, True]]))
    np.testing.assert_array_equal(same.source, x[:2])
    # without the cell that has no unit
    np.testing.assert_array_equal(same.target, x[2:4])
    np.testing.assert_array_equal(other.target, x[:2])
    np.testing.assert_array_equal(other.source_valid, x[6:])
    assert other.target_weights is not None and other.target_weights.tolist() == [0.5, 1.5]
    assert other.source_weights is None


def test_error_is_that_of_means_of_units(prepared: AnnData):
    """However large the effect is: it is taken off before the exchanges."""
    for shift in (0.0, 5.0):
        adata = prepared.copy()
        rng = np.random.default_rng(0)
        control, treated = ((adata.obs["perturbation"] == name).to_numpy() for name in ("control", "drug_b"))
        adata.obs["donor"] = (np.cumsum(control) * control + np.cumsum(treated) * treated) % 7
        adata.obs["split"] = "train"
        own = rng.normal(size=(7, 8))
        donors = adata.obs["donor"].to_numpy()
        adata.obsm["X_cellot"][treated] += 3 * own[donors[treated]] + shift
        cs.tl.cellot(adata, solver="mean_shift", targets="drug_b")
        moves = displacements(adata, "cellot")
        exchanges = exchange_plans(moves, donors.astype(str), seed=0)["drug_b"].run()
        squares = np.mean([(fitted.transport(moves.x) - moves.x)[0] ** 2 for fitted in exchanges.null.maps], axis=0)
        cells = control | treated
        labels = donors[cells].astype(str)
        contrast = units(labels, treated[cells]).contrast(adata.obsm["X_cellot"][cells])
        found = exchanges.null.scale["drug_b"] ** 2 * squares
        # donors have about as many cells each
        np.testing.assert_allclose(found, contrast.variance, rtol=0.1)
        assert exchanges.null.df == 6


def test_costs_of_exchanges_are_symmetric():
    rng = np.random.default_rng(0)
    members = units(np.repeat(["a", "b", "c", "d"], 50), np.repeat([False, True], 100))
    x = rng.normal(size=(200, 3)).astype(np.float32) + np.repeat(rng.normal(size=(4, 3)), 50, axis=0)
    problem, flips = Problem(x[:100], x[100:]), np.array([[False] * 4, [True] * 4])
    there, back = costs_after(refitted(problem, members, flips, "gaussian"), x, None, members, flips)
    assert there == pytest.approx(back, rel=0.05)


def test_solver_that_is_not_affine_is_fitted_to_an_exchange(prepared: AnnData):
    adata = prepared.copy()
    cs.tl.cellot(adata, solver="entropic", targets="drug_b")
    moves = displacements(adata, "cellot")
    exchanges = exchange_plans(moves, adata.obs["patient"].to_numpy().astype(str), seed=0)["drug_b"].run()
    assert exchanges.null.own is not None and exchanges.null.excess(moves.field) > 1
    assert exchanges.null.n_maps == 8 and exchanges.null.df == 3
    of_cells, of_groups = spread(exchanges.null, moves, {"all": np.ones(len(moves.x), dtype=bool)}, slice(None))
    assert np.isfinite(of_cells).all() and (of_groups["all"] > 0).any()


def test_no_unit(fitted: AnnData):
    moves = displacements(fitted, "cellot")
    with pytest.raises(ValueError, match="no train cell of 'control' has a unit: name the column"):
        exchange_plans(moves, np.full(fitted.n_obs, ""), seed=0)
