from __future__ import annotations

import jax
import numpy as np
import pytest

from cellot_sc.ot import AffineMap, IdentityMap, MeanShiftMap, PotentialMap, TransportMap, WeightedMap
from cellot_sc.ot._maps.potential import NETWORKS

N_DIMS = 3
SHIFT = np.array([1.0, -2.0, 0.5])


def affine() -> AffineMap:
    half = np.random.default_rng(1).normal(size=(N_DIMS, N_DIMS))
    return AffineMap(half @ half.T + np.eye(N_DIMS), SHIFT, -SHIFT)


def potential(network: str, n_networks: int = 2) -> PotentialMap:
    options = {"width": 8, "depth": 2}
    module = NETWORKS[network](**options)
    keys = jax.random.split(jax.random.key(3), n_networks)
    params = jax.vmap(lambda key: module.init(key, np.zeros((1, N_DIMS)))["params"])(keys)
    return PotentialMap(network, options, {k: np.asarray(v) for k, v in params.items()}, SHIFT, -SHIFT)


MAPS: dict[str, TransportMap] = {
    "unmoved": IdentityMap(N_DIMS),
    "shift": MeanShiftMap(SHIFT),
    "affine": affine(),
    "ICNN": potential("ICNN"),
    "PaperICNN": potential("PaperICNN"),
    "weighted": WeightedMap(affine(), np.array([1.0, 4.0, 0.25])),
    "weighted_potential": WeightedMap(potential("ICNN"), np.array([1.0, 4.0, 0.25])),
}
STRICTLY_CONVEX = [name for name in MAPS if name != "PaperICNN"]


@pytest.fixture(scope="module")
def cells() -> np.ndarray:
    return np.random.default_rng(5).normal(size=(50, N_DIMS)).astype(np.float32)


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("shape", [(N_DIMS,), (4, N_DIMS + 1), (2, 4, N_DIMS)])
def test_wrong_shape_is_an_error(name: str, shape: tuple[int, ...]):
    for function in (MAPS[name].transport, MAPS[name].inverse, MAPS[name].cost):
        with pytest.raises(ValueError, match=r"cells have shape \(.*\); \(n_cells, 3\) is needed"):
            function(np.zeros(shape))


@pytest.mark.parametrize("name", STRICTLY_CONVEX)
def test_inverse_undoes_transport(name: str, cells: np.ndarray):
    back = MAPS[name].inverse(MAPS[name].transport(cells))
    np.testing.assert_allclose(back, cells, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", MAPS)
def test_cells_are_mapped_one_by_one(name: str, cells: np.ndarray):
    moved = MAPS[name].transport(cells)
    np.testing.assert_allclose(MAPS[name].transport(cells[::-1])[::-1], moved, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(MAPS[name].transport(cells[3:4]), moved[3:4], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", MAPS)
def test_cost_is_half_the_squared_distance(name: str, cells: np.ndarray):
    transport = MAPS[name]
    squares = (transport.transport(cells).astype(np.float64) - cells) ** 2
    weights = transport.weights if isinstance(transport, WeightedMap) else np.ones(N_DIMS)
    np.testing.assert_allclose(transport.cost(cells), 0.5 * squares @ weights, rtol=1e-4)


def test_unknown_kind_is_an_error():
    with pytest.raises(
        ValueError, match="kind 'spline' is unknown. Valid: .*affine.*potential.*unmoved.* import that first"
    ):
        TransportMap.from_state({"kind": "spline"})


def test_identity_and_mean_shift(cells: np.ndarray):
    np.testing.assert_array_equal(IdentityMap(N_DIMS).transport(cells), cells)
    assert (IdentityMap(N_DIMS).cost(cells) == 0).all()
    np.testing.assert_array_equal(MeanShiftMap(SHIFT).transport(cells), cells + SHIFT.astype(np.float32))


def test_affine_map_takes_mean_to_mean():
    moved = affine().transport(SHIFT[None])
    np.testing.assert_allclose(moved, -SHIFT[None], atol=1e-6)


def test_weights_of_one_change_nothing_but_the_class(cells: np.ndarray):
    for inner in (affine(), potential("ICNN")):
        weighted = WeightedMap(inner, np.ones(N_DIMS))
        np.testing.assert_array_equal(weighted.transport(cells), inner.transport(cells))
        np.testing.assert_array_equal(weighted.inverse(cells), inner.inverse(cells))
        np.testing.assert_allclose(weighted.cost(cells), inner.cost(cells), rtol=1e-6)


def test_weighted_map_is_the_inner_one_in_scaled_space(cells: np.ndarray):
    weights = np.array([1.0, 4.0, 0.25])
    scale = np.sqrt(weights)
    moved = WeightedMap(affine(), weights).transport(cells)
    np.testing.assert_allclose(moved, affine().transport(cells * scale) / scale, rtol=1e-5, atol=1e-6)


def test_potential_map_is_the_gradient_of_its_potential(cells: np.ndarray):
    transport = potential("ICNN")
    step = 1e-2
    moved = transport.transport(cells[:10])
    for axis in range(N_DIMS):
        nudge = np.zeros(N_DIMS, dtype=np.float32)
        nudge[axis] = step
        slope = (transport.potential(cells[:10] + nudge) - transport.potential(cells[:10] - nudge)) / (2 * step)
        np.testing.assert_allclose(slope, moved[:, axis], atol=5e-3)


def test_potential_map_averages_its_networks(cells: np.ndarray):
    both = potential("ICNN")
    assert both.n_networks == 2
    one_by_one = [
        PotentialMap("ICNN", both.options, {k: v[[i]] for k, v in both.params.items()}, SHIFT, -SHIFT) for i in range(2)
    ]
    mean = np.mean([single.transport(cells) for single in one_by_one], axis=0)
    np.testing.assert_allclose(both.transport(cells), mean, rtol=1e-5, atol=1e-5)


def test_inverse_far_from_the_cloud():
    far = 50 * np.random.default_rng(0).normal(size=(20, N_DIMS)).astype(np.float32)
    transport = potential("ICNN")
    back = transport.transport(transport.inverse(far))
    assert np.linalg.norm(back - far) <= 1e-4 * np.linalg.norm(far)


def test_inverse_in_parts_of_many_cells():
    x = np.random.default_rng(0).normal(size=(600, N_DIMS)).astype(np.float32)
    transport = potential("ICNN")
    np.testing.assert_allclose(transport.inverse(transport.transport(x)), x, rtol=1e-4, atol=1e-4)
