from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from cellot_sc import ot
from cellot_sc.ot._maps.autoencoder import Autoencoder, conditioned, decode, encode, random_networks
from cellot_sc.ot._maps.networks import as_arrays

N_DIMS = 6


def cells(n: int = 9) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, N_DIMS)).astype(np.float32)


def test_numpy_and_jax_apply_the_same_networks():
    networks = random_networks(jax.random.key(0), (7, 5), N_DIMS, 2)
    autoencoder = Autoencoder(as_arrays(networks), np.zeros(N_DIMS, dtype=np.float32))
    latent = autoencoder.encode(cells())
    np.testing.assert_allclose(latent, encode(networks, jnp.asarray(cells())), atol=1e-5)
    np.testing.assert_allclose(autoencoder.decode(latent), decode(networks, jnp.asarray(latent)), atol=1e-5)
    assert latent.shape == (9, 2)
    assert latent.dtype == np.float32


def test_without_networks_it_is_principal_components_in_its_units():
    networks = random_networks(jax.random.key(0), (5,), N_DIMS, 2, silent=True)
    components = np.eye(N_DIMS, dtype=np.float32)[:2]
    center = np.arange(N_DIMS, dtype=np.float32)
    autoencoder = ot.Autoencoder(as_arrays({**networks, "components": components}), center, 2.0)
    np.testing.assert_allclose(autoencoder.encode(cells()), (cells() - center)[:, :2] / 2, atol=1e-6)
    kept = np.concatenate([cells()[:, :2], np.broadcast_to(center, (9, N_DIMS))[:, 2:]], axis=1)
    np.testing.assert_allclose(autoencoder.rebuild(cells()), kept, atol=1e-6)
    moved = autoencoder.rebuild(cells(), np.array([1.0, 0.0], dtype=np.float32))
    np.testing.assert_allclose(moved - kept, [[2, 0, 0, 0, 0, 0]] * 9, atol=1e-5)


def test_labels_are_inputs_of_a_network_for_cells_alone():
    networks = random_networks(jax.random.key(0), (7, 5), N_DIMS, 2, n_labels=2)
    x = cells()
    for label in (0, 1):
        told = np.concatenate([x, np.eye(2, dtype=np.float32)[[label] * len(x)]], axis=1)
        np.testing.assert_allclose(encode(conditioned(networks, label, 0), x), encode(networks, told), atol=1e-6)
