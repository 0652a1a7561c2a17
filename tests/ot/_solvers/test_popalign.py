from __future__ import annotations

import logging

import numpy as np
import pytest

from cellot_sc import ot
from cellot_sc.ot._loop import criteria
from cellot_sc.ot._solvers.gaussian import bures_matrix, gaussian_map
from cellot_sc.ot._solvers.popalign import Mixture, MixtureMap, responsibilities

CENTRES = np.array([[0, 0], [8, 0], [0, 9]], dtype=float)
SHIFTS = np.array([[1, 0], [0, -2], [-1, 1]], dtype=float)
SHARES = np.array([0.5, 0.3, 0.2])


def types(n: int, seed: int, *, treated: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return cells of three types, each of which moves in its own way, and their types."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(3, n, p=SHARES)
    cells = CENTRES[kinds] + rng.normal(size=(n, 2)) * [1.0, 0.5] + treated * SHIFTS[kinds]
    return cells.astype(np.float32), kinds


@pytest.fixture(scope="module")
def problem() -> ot.Problem:
    x, y = types(900, 0)[0], types(900, 1, treated=True)[0]
    return ot.Problem(x, y, x[:0], y[:0])


@pytest.fixture(scope="module")
def fitted(problem: ot.Problem) -> ot.Solution:
    [fit] = ot.fit([problem], "popalign", n_components=(1, 3, 6))
    return fit


@pytest.fixture(scope="module")
def aligned(fitted: ot.Solution) -> MixtureMap:
    assert isinstance(fitted.map, MixtureMap)
    return fitted.map


def test_it_finds_the_types_and_couples_them(fitted: ot.Solution, aligned: MixtureMap) -> None:
    history = fitted.history
    assert history.metrics["n_components"] == [1, 3, 6]
    assert history.selected == history.step[1] == history.step[int(np.argmin(history.metrics["bic"]))]
    order = np.argsort(-aligned.source.weights)
    np.testing.assert_allclose(aligned.source.weights[order], SHARES, atol=0.05)
    np.testing.assert_allclose(aligned.source.means[order], CENTRES, atol=0.2)
    partner = aligned.coupling.argmax(axis=1)
    np.testing.assert_allclose(aligned.target.means[partner][order], (CENTRES + SHIFTS), atol=0.2)


def test_each_type_moves_in_its_own_way(aligned: MixtureMap) -> None:
    cells, kinds = types(2000, 2)
    moved = aligned.transport(cells)
    for kind, shift in enumerate(SHIFTS):
        assert np.linalg.norm(np.median(moved[kinds == kind] - cells[kinds == kind], axis=0) - shift) < 0.15


def test_it_beats_the_affine_map_where_types_differ(problem: ot.Problem, aligned: MixtureMap) -> None:
    (cells, _), (observed, _) = types(2000, 2), types(2000, 3, treated=True)
    affine = gaussian_map(problem.source, problem.target)
    ours, its = (criteria.energy_score(m.transport(cells), observed).value for m in (aligned, affine))
    assert ours < 0.02
    assert ours < 0.5 * its


def test_the_coupling_is_optimal_and_has_the_marginals(aligned: MixtureMap) -> None:
    coupling = aligned.coupling.astype(float)
    np.testing.assert_allclose(coupling.sum(axis=1), aligned.source.weights, atol=1e-6)
    np.testing.assert_allclose(coupling.sum(axis=0), aligned.target.weights, atol=1e-6)
    assert (coupling > 0).sum() <= sum(coupling.shape) - 1
    # moving mass along any cycle of two pairs saves nothing
    cost = np.array([[bures(aligned, j, k) for k in range(3)] for j in range(3)])
    for j, k in np.argwhere(coupling > 1e-6):
        for i, m in np.argwhere(coupling > 1e-6):
            assert cost[j, k] + cost[i, m] <= cost[j, m] + cost[i, k] + 1e-4


def bures(aligned: MixtureMap, j: int, k: int) -> float:
    """Return the squared distance of Bures and Wasserstein from the optimal map, as its cost on average."""
    a, b = aligned.source.covariances[j].astype(float), aligned.target.covariances[k].astype(float)
    distance = ((aligned.source.means[j] - aligned.target.means[k]) ** 2).sum()
    return float(distance + np.trace(a + b - 2 * bures_matrix(a, b) @ a))


def test_transport_and_inverse_are_what_the_formula_says() -> None:
    rng = np.random.default_rng(0)
    a, b = (np.einsum("kij,klj->kil", m, m) + np.eye(3) for m in rng.normal(size=(2, 2, 3, 3)))
    source = Mixture(np.array([0.6, 0.4]), rng.normal(size=(2, 3)), a, a.mean(0))
    target = Mixture(np.array([0.9, 0.1]), rng.normal(size=(2, 3)), b, b.mean(0))
    aligned = MixtureMap(source, target, np.array([[0.5, 0.1], [0.4, 0.0]]))
    x = rng.normal(size=(40, 3)).astype(np.float32)

    def go(start: Mixture, end: Mixture, partner: list[int]) -> np.ndarray:
        z = x[:, None] - start.means
        r = start.weights * np.exp(-0.5 * np.einsum("nki,ij,nkj->nk", z, np.linalg.inv(start.shared), z))
        out = np.zeros((40, 3))
        for j, k in enumerate(partner):
            matrix = bures_matrix(start.covariances[j], end.covariances[k])
            out += r[:, [j]] / r.sum(1, keepdims=True) * ((x - start.means[j]) @ matrix + end.means[k])
        return out

    np.testing.assert_allclose(responsibilities(x, aligned.source).sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(aligned.transport(x), go(source, target, [0, 0]), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(aligned.inverse(x), go(target, source, [0, 0]), rtol=1e-4, atol=1e-4)
    # each way round, the partner is the one with most of the mass
    aligned = MixtureMap(source, target, np.array([[0.5, 0.1], [0.4, 0.45]]))
    np.testing.assert_allclose(aligned.transport(x), go(source, target, [0, 1]), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(aligned.inverse(x), go(target, source, [0, 1]), rtol=1e-4, atol=1e-4)


def test_a_round_trip_ends_near_the_cell(aligned: MixtureMap) -> None:
    cells, _ = types(500, 4)
    away = np.linalg.norm(aligned.inverse(aligned.transport(cells)) - cells, axis=1)
    assert np.median(away) < 0.1


def test_one_component_is_the_gaussian_map(problem: ot.Problem) -> None:
    one = ot.fit([problem], "popalign", n_components=1)[0].map
    affine = gaussian_map(problem.source, problem.target)
    np.testing.assert_allclose(one.transport(problem.source), affine.transport(problem.source), atol=0.05)


@pytest.mark.parametrize(
    ("n_source", "n_target", "n_dims"), [(12, 15, 50), (300, 40, 50), (12, 12, 1), (2, 3, 4)], ids=str
)
def test_few_cells_in_many_dimensions(n_source: int, n_target: int, n_dims: int) -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(n, n_dims)).astype(np.float32) for n in (n_source, n_target))
    [fit] = ot.fit([ot.Problem(x, y + 3, x[:0], y[:0])], "popalign")
    moved, back = fit.map.transport(x), fit.map.inverse(y)
    assert np.isfinite(moved).all()
    assert np.isfinite(back).all()
    np.testing.assert_allclose(moved.mean(axis=0), (y + 3).mean(axis=0), atol=1.0)


def test_cells_on_one_spot_and_features_that_are_constant() -> None:
    spot = np.ones((40, 3), np.float32)
    constant = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32) * [1, 0, 1]
    for x, y in ((spot, spot + 1), (constant, constant + 1), (spot, constant)):
        moved = ot.fit([ot.Problem(x, y.astype(np.float32), x[:0], x[:0])], "popalign")[0].map.transport(x)
        np.testing.assert_allclose(moved.mean(axis=0), y.mean(axis=0), atol=0.05)


def test_a_large_cloud_is_sampled_and_said_so(problem: ot.Problem, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="cellot_sc"):
        ot.fit([problem], "popalign", max_cells=100, n_components=2)
    assert "random sample of 100 of 900 cells" in caplog.text


def test_progress_counts_every_problem(problem: ot.Problem) -> None:
    seen: list[tuple[int, int]] = []
    ot.fit(
        [problem, problem],
        "popalign",
        n_components=(1, 2),
        progress=lambda done, total, metrics: seen.append((done, total)),
    )
    assert seen == [(2, 4), (4, 4)]
