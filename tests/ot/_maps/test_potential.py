from __future__ import annotations

import numpy as np
import pytest

from cellot_sc.ot import PotentialMap, TransportMap

N_DIMS = 3
SHIFT = np.array([1.0, -2.0, 0.5])


@pytest.fixture
def potential(maps: dict[str, TransportMap]) -> PotentialMap:
    """The gradient of the mean of two convex networks."""
    transport = maps["icnn"]
    assert isinstance(transport, PotentialMap)
    return transport


def test_potential_map_is_the_gradient_of_its_potential(potential: PotentialMap, cells: np.ndarray):
    step = 1e-2
    moved = potential.transport(cells[:10])
    for axis in range(N_DIMS):
        nudge = np.zeros(N_DIMS, dtype=np.float32)
        nudge[axis] = step
        slope = (potential.potential(cells[:10] + nudge) - potential.potential(cells[:10] - nudge)) / (2 * step)
        np.testing.assert_allclose(slope, moved[:, axis], atol=5e-3)


def test_potential_map_averages_its_networks(potential: PotentialMap, cells: np.ndarray):
    assert len(potential.params["linear"]) == 2
    one_by_one = [
        PotentialMap("ICNN", potential.options, {k: v[[i]] for k, v in potential.params.items()}, SHIFT, -SHIFT)
        for i in range(2)
    ]
    mean = np.mean([single.transport(cells) for single in one_by_one], axis=0)
    np.testing.assert_allclose(potential.transport(cells), mean, rtol=1e-5, atol=1e-5)


def test_inverse_far_from_the_cloud(potential: PotentialMap):
    far = 50 * np.random.default_rng(0).normal(size=(20, N_DIMS)).astype(np.float32)
    back = potential.transport(potential.inverse(far))
    assert np.linalg.norm(back - far) <= 1e-4 * np.linalg.norm(far)


def test_inverse_in_parts_of_many_cells(potential: PotentialMap):
    x = np.random.default_rng(0).normal(size=(600, N_DIMS)).astype(np.float32)
    np.testing.assert_allclose(potential.inverse(potential.transport(x)), x, rtol=1e-4, atol=1e-4)
