from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cellot_sc.ot._loop import objectives
from cellot_sc.ot._maps import networks
from cellot_sc.ot._maps.networks import ICNN, PaperICNN, Params

pytestmark = pytest.mark.usefixtures("strict_types")

N_DIMS = 3
NETWORK = ICNN(width=5, depth=2)
PAPER = PaperICNN(width=5, depth=3)
STARTS: dict[type, Params] = {
    ICNN: NETWORK.random(np.random.default_rng(0), N_DIMS),
    PaperICNN: jax.jit(PAPER.init)(jax.random.key(0), jnp.zeros((1, N_DIMS)))["params"],
}
WEIGHT = jnp.float32(0.7)


@jax.jit
def expectile(pair: tuple[Params, Params], x: jax.Array, y: jax.Array, weight: jax.Array) -> jax.Array:
    both = jax.tree.map(lambda f, g: jnp.stack([f, g]), *pair)
    return objectives.expectile(NETWORK, both, x, y, weight)


expectile_slopes = jax.jit(jax.grad(expectile))


def params_of(network: ICNN | PaperICNN, seed: int) -> Params:
    start = STARTS[type(network)]
    rng = np.random.default_rng(seed)
    return {k: v + jnp.asarray(0.3 * rng.normal(size=v.shape), dtype=jnp.float32) for k, v in sorted(start.items())}


def quadratic(matrix: np.ndarray) -> Params:
    """Return the parameters of the potential 1/2 x A x."""
    start = STARTS[ICNN]
    root = jnp.asarray(np.linalg.cholesky(matrix), dtype=jnp.float32)
    return {**start, "root": root, "positive_last": jnp.full_like(start["positive_last"], -100.0)}


@pytest.fixture(scope="module")
def batch() -> tuple[np.ndarray, np.ndarray]:
    x, y = np.random.default_rng(0).normal(size=(2, 16, N_DIMS)).astype(np.float32)
    return x, 2 * y + 1


def asymmetric(violation: np.ndarray) -> np.ndarray:
    return np.where(violation >= 0, 0.99, 0.01) * violation**2


def naive_expectile(f: Params, g: Params, x: np.ndarray, y: np.ndarray) -> float:
    """Return the value of the loss, both ways, one pair of cells at a time."""
    total = 0.0
    for here, there, a, b in ((f, g, x, y), (g, f, y, x)):
        moved = np.asarray(networks.gradient(NETWORK, here, jnp.asarray(a)))
        at_moved, at_target = (np.asarray(networks.value(NETWORK, there, jnp.asarray(z))) for z in (moved, b))
        for i in range(len(a)):
            conjugate, potential = a[i] @ moved[i] - at_moved[i], at_target[i]
            # the dual, the penalty once for either side, and the amortisation, whose value is minus the conjugate
            penalty = 2 * asymmetric(a[i] @ b[i] - conjugate - potential)
            total += potential + conjugate + float(WEIGHT) * penalty - conjugate
    return total / len(x)


def frozen_expectile(f: Params, g: Params, x: jax.Array, y: jax.Array) -> tuple[Params, Params]:
    """Return the gradients of the loss by f and g, with everything that either may not move frozen by hand."""

    def one_way(here: Params, there: Params, a: jax.Array, b: jax.Array) -> tuple[Params, Params]:
        still = networks.gradient(NETWORK, here, a)
        conjugate_then = (a * still).sum(1) - networks.value(NETWORK, there, still)
        potential_then = networks.value(NETWORK, there, b)
        product = (a * b).sum(1)

        def of_here(p: Params) -> jax.Array:
            moved = networks.gradient(NETWORK, p, a)
            return (networks.value(NETWORK, there, moved) - (a * moved).sum(1)).mean()

        def of_there(p: Params) -> jax.Array:
            conjugate = (a * still).sum(1) - networks.value(NETWORK, p, still)
            potential = networks.value(NETWORK, p, b)
            sides = (product - conjugate_then - potential, product - conjugate - potential_then)
            penalty = sum(jnp.where(v >= 0, 0.99, 0.01) * v**2 for v in sides)
            return (potential + conjugate + WEIGHT * penalty).mean()

        return jax.grad(of_here)(here), jax.grad(of_there)(there)

    (f_1, g_1), (g_2, f_2) = one_way(f, g, x, y), one_way(g, f, y, x)
    return jax.tree.map(jnp.add, f_1, f_2), jax.tree.map(jnp.add, g_1, g_2)


def assert_close(a: Params, b: Params) -> None:
    for name in a:
        scale = max(1.0, float(jnp.abs(b[name]).max()))
        np.testing.assert_allclose(a[name], b[name], atol=1e-4 * scale, err_msg=name)


def test_expectile_loss_equals_the_naive_one(batch: tuple[np.ndarray, np.ndarray]):
    f, g = params_of(NETWORK, 1), params_of(NETWORK, 2)
    loss = expectile((f, g), *batch, WEIGHT)
    assert loss.shape == ()
    assert float(loss) == pytest.approx(naive_expectile(f, g, *batch), rel=1e-4)


def test_expectile_gradients_move_only_what_they_should(batch: tuple[np.ndarray, np.ndarray]):
    f, g = params_of(NETWORK, 1), params_of(NETWORK, 2)
    slopes = expectile_slopes((f, g), *batch, WEIGHT)
    for slope, expected in zip(slopes, jax.jit(frozen_expectile)(f, g, *batch), strict=True):
        assert_close(slope, expected)


def test_expectile_loss_treats_both_ways_alike(batch: tuple[np.ndarray, np.ndarray]):
    f, g = params_of(NETWORK, 1), params_of(NETWORK, 2)
    x, y = batch
    assert float(expectile((g, f), y, x, WEIGHT)) == pytest.approx(float(expectile((f, g), x, y, WEIGHT)), rel=1e-5)


@pytest.mark.parametrize("weight", [0.0, 1.0, 30.0])
def test_nothing_moves_at_the_optimum_of_a_gaussian_problem(weight: float):
    rng = np.random.default_rng(0)
    half = rng.normal(size=(N_DIMS, N_DIMS))
    matrix = half @ half.T / 3 + np.eye(N_DIMS)
    x = rng.normal(size=(200, N_DIMS)).astype(np.float32)
    # every cell beside its image: there the potentials touch, so that the penalty is flat, too
    y = (x @ matrix).astype(np.float32)
    f, g = quadratic(matrix), quadratic(np.linalg.inv(matrix))

    def slopes(f: Params, g: Params) -> float:
        by_f, by_g = expectile_slopes((f, g), x, y, jnp.float32(weight))
        moving = [by[name] for by in (by_f, by_g) for name in ("root", "linear")]
        return max(float(jnp.abs(slope).max()) for slope in moving)

    assert slopes(f, g) <= 2e-3
    # and the bound is no empty one
    assert slopes(quadratic(1.1 * matrix), g) >= 0.05


def test_minmax_losses_equal_the_naive_ones(batch: tuple[np.ndarray, np.ndarray]):
    f, g = params_of(PAPER, 1), params_of(PAPER, 2)
    x, y = map(jnp.asarray, batch)
    moved = np.asarray(networks.gradient(PAPER, g, x))
    f_moved, f_target = (np.asarray(networks.value(PAPER, f, jnp.asarray(cells))) for cells in (moved, batch[1]))
    products = [a @ b for a, b in zip(batch[0], moved, strict=True)]
    inner, outer = objectives.minmax_g(PAPER, f, g, x), objectives.minmax_f(PAPER, f, g, x, y)
    assert float(inner) == pytest.approx(np.mean(f_moved) - np.mean(products), rel=1e-4)
    assert float(outer) == pytest.approx(np.mean(f_target) - np.mean(f_moved), rel=1e-4)


def test_outer_loss_of_the_minmax_does_not_move_g(batch: tuple[np.ndarray, np.ndarray]):
    f, g = params_of(PAPER, 1), params_of(PAPER, 2)
    x, y = map(jnp.asarray, batch)
    slopes = jax.grad(lambda p: objectives.minmax_f(PAPER, f, p, x, y))(g)
    assert all(float(jnp.abs(leaf).max()) == 0 for leaf in jax.tree.leaves(slopes))


def test_inner_loss_of_the_minmax_is_least_at_the_inverse_gradient():
    rng = np.random.default_rng(1)
    matrix = np.diag([0.5, 1.0, 2.0])
    x = jnp.asarray(rng.normal(size=(100, N_DIMS)), dtype=jnp.float32)
    f = quadratic(matrix)
    best = float(objectives.minmax_g(NETWORK, f, quadratic(np.linalg.inv(matrix)), x))
    for other in (np.eye(N_DIMS), 1.1 * np.linalg.inv(matrix), 0.9 * np.linalg.inv(matrix)):
        assert float(objectives.minmax_g(NETWORK, f, quadratic(other), x)) > best
