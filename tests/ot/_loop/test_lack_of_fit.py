from __future__ import annotations

import itertools

import numpy as np
import pytest

from cellot_sc.ot import IdentityMap
from cellot_sc.ot._loop import lack_of_fit
from cellot_sc.ot._solvers.gaussian import cautious_gaussian_map, gaussian_map

pytestmark = pytest.mark.usefixtures("strict_types")


def two_types(n: int, seed: int, moved: float = 0.0) -> np.ndarray:
    """Return cells of two types in five dimensions, of which one is moved."""
    rng = np.random.default_rng(seed)
    second = rng.random(n) < 0.5
    cells = rng.normal(size=(n, 5))
    cells[second, 0] += 5
    cells[second, 1] += moved
    return cells.astype(np.float32)


@pytest.mark.parametrize("n", [60, 300])
def test_two_samples_of_one_cloud_are_rarely_told_apart(n: int):
    found = [
        not lack_of_fit.explains(IdentityMap(5), two_types(n, seed), two_types(n, 1000 + seed)) for seed in range(20)
    ]
    assert sum(found) <= 2


def test_linear_effects_are_explained_by_the_affine_map():
    found = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(2, 300, 5)).astype(np.float32)
        y = y @ (np.eye(5, dtype=np.float32) + 0.2) + 3
        found += not lack_of_fit.explains(cautious_gaussian_map(x, y), x, y)
    assert found <= 2


@pytest.mark.parametrize("n", [250, 500])
def test_response_of_one_type_only_is_found(n: int):
    for seed in range(5):
        x, y = two_types(n, seed), two_types(n, 1000 + seed, moved=4)
        assert not lack_of_fit.explains(gaussian_map(x, y), x, y)


def test_no_map_at_all_does_not_explain_a_shift():
    x, y = two_types(200, 0), two_types(200, 1) + np.array([0, 0, 3, 0, 0], dtype=np.float32)
    assert not lack_of_fit.explains(IdentityMap(5), x, y)


def test_same_answer_every_time_and_for_cells_in_any_place():
    x, y = two_types(300, 0), two_types(300, 1, moved=1.2)
    assert len({lack_of_fit.explains(gaussian_map(x, y), x, y) for _ in range(3)}) == 1


def test_only_so_many_cells_are_compared(monkeypatch: pytest.MonkeyPatch):
    seen: list[int] = []
    excess = lack_of_fit._excess

    def spy(x: np.ndarray, y: np.ndarray) -> float:
        seen.extend([len(x), len(y)])
        return excess(x, y)

    monkeypatch.setattr(lack_of_fit, "MAX_CELLS", 50)
    monkeypatch.setattr(lack_of_fit, "_excess", spy)
    lack_of_fit.explains(IdentityMap(5), two_types(300, 0), two_types(200, 1))
    assert seen
    assert max(seen) <= 50


def test_spread_is_that_of_all_permutations():
    rng = np.random.default_rng(0)
    n, m = 3, 5
    kernel = rng.normal(size=(n + m, n + m))
    kernel += kernel.T
    np.fill_diagonal(kernel, 0)
    values = []
    for chosen in itertools.combinations(range(n + m), n):
        inside = np.isin(np.arange(n + m), chosen)
        x, y, between = kernel[inside][:, inside], kernel[~inside][:, ~inside], kernel[inside][:, ~inside]
        values.append(x.sum() / (n * (n - 1)) + y.sum() / (m * (m - 1)) - 2 * between.mean())
    assert np.mean(values) == pytest.approx(0, abs=1e-12)
    found = lack_of_fit._permuted_spread(n, m, float((kernel**2).sum()), kernel.sum(1))
    assert found == pytest.approx(np.std(values), rel=1e-9)


@pytest.mark.parametrize("n_dims", [1, 2])
def test_few_dimensions(n_dims: int):
    x, y = np.random.default_rng(0).normal(size=(2, 100, n_dims)).astype(np.float32)
    assert lack_of_fit.explains(IdentityMap(n_dims), x, y)
    assert not lack_of_fit.explains(IdentityMap(n_dims), x, y + 5)


def test_cells_that_are_all_alike():
    x = np.ones((20, 3), dtype=np.float32)
    assert lack_of_fit.explains(IdentityMap(3), x, x.copy())


def grown(n: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return cells of two types, and whether each is of the first, which has this share."""
    rng = np.random.default_rng(seed)
    first = rng.random(n) < share
    return (rng.normal(size=(n, 5)) + 5 * first[:, None] * np.eye(5)[0]).astype(np.float32), first


def test_growth_alone_is_explained_by_weights():
    explained = without = 0
    for seed in range(10):
        (x, first), (y, _) = grown(400, 0.5, seed), grown(400, 0.75, 100 + seed)
        explained += lack_of_fit.explains(IdentityMap(5), x, y, np.where(first, 3.0, 1.0))
        without += lack_of_fit.explains(IdentityMap(5), x, y)
    assert explained >= 9
    assert without == 0


def test_weights_do_not_hide_an_effect():
    (x, first), (y, late) = grown(400, 0.5, 0), grown(400, 0.75, 1)
    y[late, 1] += 3
    assert not lack_of_fit.explains(IdentityMap(5), x, y, np.where(first, 3.0, 1.0))


def test_too_few_cells_that_count_explain_nothing():
    (x, _), (y, _) = grown(400, 0.5, 0), grown(400, 0.5, 1)
    weights = np.where(np.arange(400) == 0, 1e6, 1.0)
    assert not lack_of_fit.explains(IdentityMap(5), x, y, weights)
