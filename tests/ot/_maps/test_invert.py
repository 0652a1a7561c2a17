from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cellot_sc.ot._maps import invert


@pytest.mark.parametrize("symmetric", [True, False])
def test_newton_solves_where_a_full_step_would_leave(symmetric: bool):
    """The slope of the map dies out away from 0: undamped, the iteration diverges from as near as 1.4."""

    def bend(x: jax.Array) -> jax.Array:
        return jnp.arctan(x)

    y = jnp.arctan(jnp.array([5.0, -3.0]))
    solved = invert.newton(bend, y, symmetric=symmetric)
    np.testing.assert_allclose(solved, [5.0, -3.0], rtol=1e-3)


def test_newton_solves_for_a_rotation():
    turn = jnp.array([[0.0, -1.0], [1.0, 0.0]])
    y = jnp.array([2.0, 1.0])
    np.testing.assert_allclose(invert.newton(lambda x: turn @ x, y, symmetric=False), turn.T @ y, atol=1e-4)


def test_newton_ends_near_what_cannot_be_reached():
    solved = invert.newton(jnp.tanh, jnp.array([2.0]), symmetric=False)
    assert np.isfinite(solved).all()
    assert jnp.tanh(solved)[0] > 0.9


@pytest.mark.parametrize("n_cells", [1, 64, 65, 300])
def test_padding_is_not_seen(n_cells: int):
    sizes = []

    def double(cells: np.ndarray) -> jax.Array:
        sizes.append(len(cells))
        return jnp.asarray(2 * cells)

    x = np.random.default_rng(0).normal(size=(n_cells, 2)).astype(np.float32)
    np.testing.assert_array_equal(invert.padded(double, x), 2 * x)
    np.testing.assert_array_equal(invert.in_chunks(double, x), 2 * x)
    assert sizes == [max(64, 1 << (n_cells - 1).bit_length()), invert.CHUNK]
