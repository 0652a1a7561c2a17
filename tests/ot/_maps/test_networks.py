from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellot_sc.ot._maps import networks
from cellot_sc.ot._maps.networks import ICNN, PaperICNN

N_DIMS = 3
NETWORKS: dict[str, Any] = {"icnn": ICNN(width=6, depth=3), "paper": PaperICNN(width=6, depth=3)}


def random_params(name: str, seed: int, spread: float) -> dict[str, np.ndarray]:
    """Return parameters that have nothing to do with how a network starts; the scale alone stays positive."""
    rng = np.random.default_rng(seed)
    drawn = {k: (spread * rng.normal(size=v.shape)).astype(np.float32) for k, v in sorted(STARTS[name].items())}
    if "scale" in drawn:
        drawn["scale"] = np.float32(np.exp(rng.normal()))
    return drawn


def squareplus(x: np.ndarray) -> np.ndarray:
    return (x + np.sqrt(x**2 + 0.16)) / 2


def leaky(x: np.ndarray) -> np.ndarray:
    return np.where(x >= 0, x, 0.2 * x)


def softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, x)


def naive(name: str, params: dict[str, np.ndarray], x: np.ndarray) -> float:
    """Return the potential of one cell in float64, written down from the docstrings."""
    p = {key: np.asarray(value, dtype=np.float64) for key, value in params.items()}
    if name == "icnn":
        h = x / p["scale"]
        z = squareplus(h @ p["kernel_0"] + p["bias_0"] - 1)
        for k in (1, 2):
            z = squareplus(z @ softplus(p[f"positive_{k}"]) + h @ p[f"kernel_{k}"] + p[f"bias_{k}"] - 1)
        root = x @ p["root"]
        return float(p["scale"] ** 2 * (z @ softplus(p["positive_last"])) + root @ root / 2 + x @ p["linear"])
    z = leaky(x @ p["kernel_0"] + p["bias_0"]) ** 2
    for k in (1, 2):
        z = leaky(z @ p[f"positive_{k}"] + x @ p[f"kernel_{k}"] + p[f"bias_{k}"])
    return (z @ p["positive_last"] + x @ p["kernel_last"] + p["bias_last"]).item()


STARTS: dict[str, Any] = {
    "icnn": NETWORKS["icnn"].random(np.random.default_rng(0), N_DIMS),
    "paper": jax.jit(NETWORKS["paper"].init)(jax.random.key(0), jnp.zeros((1, N_DIMS)))["params"],
}


@partial(jax.jit, static_argnames="name")
def gradient(name: str, params: dict[str, np.ndarray], x: jax.Array) -> jax.Array:
    return networks.gradient(NETWORKS[name], params, x)


def value(name: str, params: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    return np.asarray(networks.value(NETWORKS[name], params, jnp.asarray(x, dtype=jnp.float32)))


def largest_violation(name: str, params: dict[str, np.ndarray], rng: np.random.Generator) -> float:
    """Return by how much chords lie below the function at most, relative to the values at hand: 0 for a convex one."""
    a, b = (rng.choice([0.1, 1, 10], (200, 1)) * rng.normal(size=(200, N_DIMS)) for _ in range(2))
    t = rng.uniform(size=(200, 1))
    inside = np.array([naive(name, params, x) for x in t * a + (1 - t) * b])
    f_a, f_b = (np.array([naive(name, params, x) for x in ends]) for ends in (a, b))
    chord = t[:, 0] * f_a + (1 - t[:, 0]) * f_b
    return float(((inside - chord) / (1 + np.abs(f_a) + np.abs(f_b))).max())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 1.0, 5.0]))
def test_icnn_is_convex_whatever_its_parameters(seed: int, spread: float):
    assert largest_violation("icnn", random_params("icnn", seed, spread), np.random.default_rng(seed)) <= 1e-9


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 1.0, 5.0]))
def test_paper_network_is_convex_once_clamped(seed: int, spread: float):
    params = {k: np.asarray(v) for k, v in networks.clamped(random_params("paper", seed, spread)).items()}
    assert largest_violation("paper", params, np.random.default_rng(seed)) <= 1e-9


def test_paper_network_is_not_convex_otherwise():
    rng = np.random.default_rng(0)
    worst = max(largest_violation("paper", random_params("paper", seed, 1.0), rng) for seed in range(5))
    assert worst > 1e-3


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("seed", range(3))
def test_batch_equals_one_cell_at_a_time(name: str, seed: int):
    params = random_params(name, seed, 0.7)
    x = np.random.default_rng(seed).normal(size=(20, N_DIMS))
    expected = np.array([naive(name, params, cell) for cell in x])
    np.testing.assert_allclose(value(name, params, x), expected, rtol=2e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", NETWORKS)
def test_any_number_of_leading_axes(name: str):
    params = random_params(name, 0, 0.5)
    x = np.random.default_rng(0).normal(size=(5, 4, N_DIMS))
    together = value(name, params, x)
    assert together.shape == (5, 4)
    np.testing.assert_allclose(together[2, 3], value(name, params, x[2, 3]), rtol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("seed", range(3))
def test_gradient_equals_finite_differences(name: str, seed: int):
    params = random_params(name, seed, 0.7)
    x = np.random.default_rng(seed).normal(size=(20, N_DIMS))
    step = 1e-6
    expected = np.array(
        [
            [(naive(name, params, c + e) - naive(name, params, c - e)) / (2 * step) for e in step * np.eye(N_DIMS)]
            for c in x
        ]
    )
    slope = gradient(name, params, jnp.asarray(x, dtype=jnp.float32))
    np.testing.assert_allclose(slope, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_gradient_of_icnn_is_monotone(seed: int):
    params = random_params("icnn", seed, 1.0)
    x, y = np.random.default_rng(seed).normal(size=(2, 100, N_DIMS)).astype(np.float32)
    there, here = (np.asarray(gradient("icnn", params, z), dtype=np.float64) for z in (x, y))
    products = ((there - here) * (x - y)).sum(1)
    lengths = np.linalg.norm(there - here, axis=1) * np.linalg.norm(x - y, axis=1)
    assert (products >= -1e-5 * lengths).all()


def test_icnn_starts_next_to_its_quadratic_part():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(100, N_DIMS)), dtype=jnp.float32)
    away = gradient("icnn", STARTS["icnn"], x) - x
    assert 0 < float(jnp.abs(away).max()) < 0.1


def test_squareplus_is_a_smooth_rectifier():
    x = np.linspace(-20, 20, 401, dtype=np.float32)
    y = np.asarray(networks.squareplus(jnp.asarray(x)), dtype=np.float64)
    np.testing.assert_allclose(y, np.maximum(x, 0), atol=0.2001)
    assert y[200] == pytest.approx(0.2)
    assert (np.diff(y) >= 0).all()
    assert (np.diff(y, 2) >= -1e-5).all()


def test_clamping_touches_only_what_has_to_be_nonnegative():
    params = random_params("paper", 0, 1.0)
    clamped = networks.clamped(params)
    assert len(networks.positive_kernels(params)) == 3
    assert min(float(kernel.min()) for kernel in networks.positive_kernels(params)) < 0
    assert min(float(kernel.min()) for kernel in networks.positive_kernels(clamped)) == 0
    for name, kernel in params.items():
        expected = np.maximum(kernel, 0) if name.startswith("positive") else kernel
        np.testing.assert_array_equal(clamped[name], expected)
