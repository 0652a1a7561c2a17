from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from ott.geometry import pointcloud
from ott.tools import unreg
from ott.tools.sinkhorn_divergence import sinkdiv

from cellot_sc.metrics import entropic_wasserstein2, sinkhorn_divergence, wasserstein2


def clouds(m: int, n: int, d: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(m, d)), rng.normal(size=(n, d)) * 0.8 + 0.5


def mean_cost(x: np.ndarray, y: np.ndarray) -> float:
    return float(((x[:, None] - y[None]) ** 2).sum(-1).mean())


@pytest.mark.parametrize("sizes", [(60, 90), (256, 300)])
def test_sinkhorn_divergence_equals_ott(sizes: tuple[int, int]):
    x, y = clouds(*sizes)
    expected, _ = sinkdiv(jnp.asarray(x), jnp.asarray(y), epsilon=0.05 * mean_cost(x, y))
    assert sinkhorn_divergence(x, y) == pytest.approx(float(expected), rel=1e-3)


def test_sinkhorn_divergence_is_a_divergence():
    x, y = clouds(100, 120)
    assert sinkhorn_divergence(x, x) == pytest.approx(0, abs=1e-4)
    assert sinkhorn_divergence(x, y) == pytest.approx(sinkhorn_divergence(y, x), rel=1e-2)
    assert sinkhorn_divergence(x, y) > 0.1
    assert sinkhorn_divergence(x + 50, y + 50) == pytest.approx(sinkhorn_divergence(x, y), rel=1e-3)


def test_sinkhorn_divergence_of_a_translation_is_its_squared_length():
    x, _ = clouds(100, 2)
    assert sinkhorn_divergence(x, x + 2) == pytest.approx(16, rel=1e-2)


def test_exact_equals_ott():
    x, y = clouds(80, 80)
    assert wasserstein2(x, y) == pytest.approx(float(unreg.wassdis_p(jnp.asarray(x), jnp.asarray(y))))


def test_exact_in_one_dimension_pairs_in_order():
    x, y = clouds(50, 50, 1)
    assert wasserstein2(x, y) == pytest.approx(np.sqrt(((np.sort(x, 0) - np.sort(y, 0)) ** 2).mean()))


def test_exact_is_a_metric():
    x, y = clouds(50, 50)
    z = np.random.default_rng(2).normal(size=(50, 4))
    rotation = np.linalg.qr(z[:4])[0]
    assert wasserstein2(x, x) == pytest.approx(0, abs=1e-6)
    assert wasserstein2(x, y) == pytest.approx(wasserstein2(y, x))
    assert wasserstein2(x, y) <= wasserstein2(x, z) + wasserstein2(z, y)
    assert wasserstein2(x @ rotation + 9, y @ rotation + 9) == pytest.approx(wasserstein2(x, y))


def test_exact_needs_equal_sizes():
    with pytest.raises(ValueError, match=r"x has 5 cells and y 6.*sinkhorn_divergence"):
        wasserstein2(*clouds(5, 6))


def test_entropic_bounds_the_exact_distance_and_tends_to_it():
    x, y = clouds(80, 80)
    exact = wasserstein2(x, y)
    loose, close = entropic_wasserstein2(x, y, epsilon=0.1), entropic_wasserstein2(x, y, epsilon=0.005)
    # the stopping rule of Sinkhorn leaves marginals off by up to 1e-3
    assert 0.999 * exact < close < loose
    assert close == pytest.approx(exact, rel=0.03)


def test_entropic_takes_clouds_of_any_size():
    from ott.solvers import linear

    x, y = clouds(70, 110)
    geometry = pointcloud.PointCloud(jnp.asarray(x), jnp.asarray(y), epsilon=0.01 * mean_cost(x, y))
    plan = np.asarray(linear.solve(geometry).matrix)
    assert entropic_wasserstein2(x, y) == pytest.approx(
        np.sqrt((plan * ((x[:, None] - y[None]) ** 2).sum(-1)).sum()), rel=1e-2
    )


def test_identical_points():
    x = np.ones((5, 3))
    assert sinkhorn_divergence(x, x) == pytest.approx(0, abs=1e-6)
    assert entropic_wasserstein2(x, x) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("epsilon", [0, -1, np.nan, np.inf])
def test_bad_epsilon(epsilon: float):
    x, y = clouds(5, 5)
    for metric in (sinkhorn_divergence, entropic_wasserstein2):
        with pytest.raises(ValueError, match="epsilon is"):
            metric(x, y, epsilon=epsilon)
