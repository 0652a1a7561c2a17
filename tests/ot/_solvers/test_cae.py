"""What only "cae" does: see test_scgen.py for what it shares with "scgen"."""

from __future__ import annotations

import jax
import numpy as np

from cellot_sc import ot
from cellot_sc.ot._maps.autoencoder import Autoencoder, random_networks
from cellot_sc.ot._solvers.cae import CaeMap

N_DIMS = 4


def cells(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, N_DIMS)).astype(np.float32)


def test_a_cell_moves_by_what_the_label_makes_of_it():
    networks = random_networks(jax.random.key(0), (6,), N_DIMS, 2, n_labels=2)
    # the decoder adds 1 to what it hears of a treated cell, and nothing else
    networks["decoder"] = {
        "Dense_0": {"kernel": np.zeros((4, 6)) + np.array([[0], [0], [0], [1]]), "bias": np.zeros(6)},
        "Dense_1": {"kernel": np.full((6, N_DIMS), 1 / 6), "bias": np.zeros(N_DIMS)},
    }
    transport = CaeMap(Autoencoder(networks, np.ones(N_DIMS), 2.0), residual=True)
    x = cells(9, 0)
    np.testing.assert_allclose(transport.transport(x), x + 2, atol=1e-5)
    np.testing.assert_allclose(transport.inverse(x), x - 2, atol=1e-5)
    published = CaeMap(Autoencoder(networks, np.ones(N_DIMS), 2.0), residual=False)
    np.testing.assert_allclose(published.transport(x), np.full_like(x, 3), atol=1e-5)


def test_cells_without_spread_have_no_unit_of_their_own():
    problem = ot.Problem(np.ones((30, N_DIMS)), cells(40, 1), np.ones((10, N_DIMS)), cells(10, 2))
    transport = ot.fit([problem], "cae", hidden=(4,), n_latent=2, batch_size=16, n_steps=20, check_every=10)[0].map
    assert isinstance(transport, CaeMap)
    assert transport.autoencoder.scale == 1.0
    assert np.isfinite(transport.transport(problem.source)).all()
