from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import cellot_sc as cs
from cellot_sc.metrics import LEGACY_TRAINING_GAMMAS
from cellot_sc.ot._loop import criteria

pytestmark = pytest.mark.usefixtures("strict_types")


def cells(n: int, m: int, n_dims: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, n_dims)), 1.5 * rng.normal(size=(m, n_dims)) + 0.5
    return x.astype(np.float32), y.astype(np.float32)


def padded(x: np.ndarray, size: int) -> tuple[jnp.ndarray, jnp.ndarray]:
    """Return cells among others that are far off, in no order, and the mask that tells them apart."""
    rng = np.random.default_rng(9)
    mask = np.zeros(size, dtype=np.float32)
    mask[rng.permutation(size)[: len(x)]] = 1
    out = np.full((size, x.shape[1]), 7.0, dtype=np.float32)
    out[mask == 1] = x
    return jnp.asarray(out), jnp.asarray(mask)


@pytest.mark.parametrize(("n", "m"), [(40, 60), (64, 2), (5, 5)])
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_energy_of_padded_clouds_is_the_metric(n: int, m: int, offset: float):
    x, y = cells(n, m)
    (x_padded, x_mask), (y_padded, y_mask) = padded(x + np.float32(offset), 64), padded(y + np.float32(offset), 96)
    value = float(criteria.energy(x_padded, y_padded, x_mask, y_mask))
    assert value == pytest.approx(cs.metrics.energy_distance(x, y), abs=1e-3)


@pytest.mark.parametrize(("n", "m"), [(40, 60), (64, 2)])
def test_paper_mmd_of_padded_clouds_is_the_legacy_metric(n: int, m: int):
    x, y = cells(n, m)
    (x_padded, x_mask), (y_padded, y_mask) = padded(x, 64), padded(y, 96)
    value = float(criteria.paper_mmd(x_padded, y_padded, x_mask, y_mask))
    assert value == pytest.approx(cs.metrics.legacy_mmd(x, y, gammas=LEGACY_TRAINING_GAMMAS), abs=1e-5)


@pytest.mark.parametrize("n_dims", [1, 3, 8])
def test_local_mmd_of_padded_clouds_is_the_metric_in_the_leading_dimensions(n_dims: int):
    x, y = cells(40, 60, n_dims)
    view = criteria.view_of(y)
    (x_padded, x_mask), (y_padded, y_mask) = padded(x, 64), padded(y, 96)
    value = float(criteria.local_mmd(x_padded, y_padded, x_mask, y_mask, view))
    basis, gammas = np.asarray(view.basis), np.asarray(view.gammas, dtype=np.float64)
    assert value == pytest.approx(cs.metrics.mmd(x @ basis, y @ basis, gamma=gammas), abs=1e-5)


def test_no_cell_to_look_at_scores_zero():
    nothing, mask = jnp.zeros((64, 3)), jnp.zeros(64)
    view = criteria.view_of(cells(30, 30)[0])
    assert float(criteria.energy(nothing, nothing, mask, mask)) == 0
    assert float(criteria.local_mmd(nothing, nothing, mask, mask, view)) == 0


def test_view_is_of_the_leading_dimensions():
    rng = np.random.default_rng(0)
    spreads = np.array([0.1, 5, 0.1, 4, 3, 2, 1, 0.1])
    view = criteria.view_of((rng.normal(size=(2000, 8)) * spreads).astype(np.float32))
    basis = np.asarray(view.basis)
    assert basis.shape == (8, 5)
    np.testing.assert_allclose(basis.T @ basis, np.eye(5), atol=1e-5)
    # nothing of a dimension of little variance
    assert np.abs(basis[[0, 2, 7]]).max() < 0.05
    # the width follows the cloud
    widths = 1 / np.asarray(criteria.view_of((10 * rng.normal(size=(2000, 8)) * spreads).astype(np.float32)).gammas)
    np.testing.assert_allclose(widths, 100 / np.asarray(view.gammas), rtol=0.2)


def test_view_of_fewer_dimensions():
    view = criteria.view_of(cells(30, 30, n_dims=2)[0])
    basis = np.asarray(view.basis)
    np.testing.assert_allclose(np.abs(np.linalg.det(basis[:, :2])), 1, atol=1e-5)
    assert (basis[:, 2:] == 0).all()


def test_scores_are_the_metrics():
    x, y = cells(50, 70, 4)
    view = criteria.view_of(y)
    assert criteria.energy_score(x, y).value == pytest.approx(cs.metrics.energy_distance(x, y), abs=1e-4)
    basis, gammas = np.asarray(view.basis), np.asarray(view.gammas, dtype=np.float64)
    expected = cs.metrics.mmd(x @ basis, y @ basis, gamma=gammas)
    assert criteria.local_score(x, y, view).value == pytest.approx(expected, abs=1e-5)


def test_contributions_are_what_each_cell_changes():
    x, y = cells(60, 50, 2)
    score = criteria.energy_score(x, y)
    assert score.value == pytest.approx((score.from_x.mean() + score.from_y.mean()) / 2)
    for from_cells, without in (
        (score.from_x, [criteria.energy_score(np.delete(x, i, axis=0), y).value for i in range(len(x))]),
        (score.from_y, [criteria.energy_score(x, np.delete(y, i, axis=0)).value for i in range(len(y))]),
    ):
        # the jackknife, which differs by terms of one over the number of cells
        left_out = (len(without) - 1) * (score.value - np.array(without))
        np.testing.assert_allclose(left_out, from_cells - from_cells.mean(), atol=0.2 * from_cells.std())


def test_standard_error_is_about_the_spread_of_differences():
    differences, errors = [], []
    for seed in range(150):
        x, y = cells(80, 120, 3, seed)
        # two maps of the same cells
        a, b = criteria.energy_score(x + 0.4, y), criteria.energy_score(1.4 * x + 0.1, y)
        differences.append(a.value - b.value)
        errors.append(criteria.standard_error(a, b))
    ratio = np.mean(errors) / np.std(differences)
    assert 0.8 < ratio < 1.25


def test_standard_error_of_equal_maps_is_zero():
    x, y = cells(30, 40)
    score = criteria.energy_score(x, y)
    assert criteria.standard_error(score, criteria.energy_score(x.copy(), y)) == 0


def weights_of(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).choice([0.0, 0.5, 2.0], n)


def test_weighted_scores_are_those_of_the_compiled_criteria():
    x, y = cells(50, 70, 4)
    a, b = weights_of(50, 0), weights_of(70, 1)
    view = criteria.view_of(y)
    masks = (jnp.asarray(w / w.mean(), jnp.float32) for w in (a, b))
    x_mask, y_mask = masks
    found = criteria.energy_score(x, y, (a, b)).value
    assert found == pytest.approx(float(criteria.energy(jnp.asarray(x), jnp.asarray(y), x_mask, y_mask)), abs=1e-4)
    found = criteria.local_score(x, y, view, (a, b)).value
    expected = criteria.local_mmd(jnp.asarray(x), jnp.asarray(y), x_mask, y_mask, view)
    assert found == pytest.approx(float(expected), abs=1e-5)


def test_cells_without_weight_are_as_if_they_were_not_there():
    x, y = cells(50, 70, 4)
    a, b = np.where(np.arange(50) < 30, 1.0, 0.0), np.where(np.arange(70) < 40, 2.0, 0.0)
    few = criteria.energy_score(x[:30], y[:40])
    assert criteria.energy_score(x, y, (a, b)).value == pytest.approx(few.value, abs=1e-5)
    assert criteria.energy_score(x, y[:40], (a, None)).value == pytest.approx(few.value, abs=1e-5)


def test_one_cell_with_all_the_weight():
    x, y = cells(5, 9)
    score = criteria.energy_score(x, y, (np.eye(5)[0], None))
    assert np.isfinite(score.value)
    assert np.isfinite(score.from_x).all()


def test_standard_error_of_weighted_scores_is_about_the_spread_of_differences():
    differences, errors = [], []
    for seed in range(150):
        x, y = cells(160, 120, 3, seed)
        weights = np.random.default_rng(seed).choice([0.2, 1.0, 3.0], 160)
        a, b = (criteria.energy_score(moved, y, (weights, None)) for moved in (x + 0.4, 1.4 * x + 0.1))
        differences.append(a.value - b.value)
        errors.append(criteria.standard_error(a, b))
    assert 0.8 < np.mean(errors) / np.std(differences) < 1.25
