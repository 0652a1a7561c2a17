from __future__ import annotations

import jax
import numpy as np
import pytest

from cellot_sc.ot import AffineMap, IdentityMap, MeanShiftMap, PotentialMap, TransportMap, WeightedMap
from cellot_sc.ot._maps.networks import ICNN
from cellot_sc.ot._maps.potential import NETWORKS

N_DIMS = 3
SHIFT = np.array([1.0, -2.0, 0.5])


def affine_map() -> AffineMap:
    half = np.random.default_rng(1).normal(size=(N_DIMS, N_DIMS))
    return AffineMap(half @ half.T + np.eye(N_DIMS), SHIFT, -SHIFT)


def potential_map(network: str, n_networks: int = 2) -> PotentialMap:
    options = {"width": 8, "depth": 2}
    module = NETWORKS[network](**options)
    if isinstance(module, ICNN):
        drawn = [module.random(np.random.default_rng(seed), N_DIMS) for seed in range(n_networks)]
        params = jax.tree.map(lambda *leaves: np.stack(leaves), *drawn)
    else:
        keys = jax.random.split(jax.random.key(3), n_networks)
        params = jax.vmap(lambda key: module.init(key, np.zeros((1, N_DIMS)))["params"])(keys)
    return PotentialMap(network, options, {k: np.asarray(v) for k, v in params.items()}, SHIFT, -SHIFT)


@pytest.fixture(scope="session")
def maps() -> dict[str, TransportMap]:
    """Maps of three dimensions by a name."""
    return {
        "identity": IdentityMap(N_DIMS),
        "mean_shift": MeanShiftMap(SHIFT),
        "gaussian": affine_map(),
        "icnn": potential_map("ICNN"),
        "paper": potential_map("PaperICNN"),
        "weighted": WeightedMap(affine_map(), np.array([1.0, 4.0, 0.25])),
        "weighted_icnn": WeightedMap(potential_map("ICNN"), np.array([1.0, 4.0, 0.25])),
    }


@pytest.fixture(scope="session")
def cells() -> np.ndarray:
    return np.random.default_rng(5).normal(size=(50, N_DIMS)).astype(np.float32)


@pytest.fixture(autouse=True)
def _strict(strict_types: None) -> None:
    """Maps are arithmetic of our own."""
