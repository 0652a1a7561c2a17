from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from cellot_sc.ot import MeanShiftMap, TransportMap, WeightedMap
from cellot_sc.ot._maps import base

N_DIMS = 3
MAPS = ["identity", "mean_shift", "gaussian", "icnn", "paper", "weighted", "weighted_icnn"]
STRICTLY_CONVEX = [name for name in MAPS if name != "paper"]


def assert_same_state(a: object, b: object) -> None:
    assert type(a) is type(b)
    if isinstance(a, dict) and isinstance(b, dict):
        assert list(a) == list(b)
        for name in a:
            assert_same_state(a[name], b[name])
    elif isinstance(a, np.ndarray):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == np.float32
    else:
        assert a == b


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("n_cells", [0, 1, 50])
def test_shapes_and_types(maps: dict[str, TransportMap], name: str, n_cells: int, cells: np.ndarray):
    transport = maps[name]
    x = cells[:n_cells].astype(np.float64)
    before = x.copy()
    moved, back = transport.transport(x), transport.inverse(x)
    assert transport.n_dims == N_DIMS
    for out in (moved, back):
        assert type(out) is np.ndarray
        assert out.shape == (n_cells, N_DIMS)
        assert out.dtype == np.float32
        assert np.isfinite(out).all()
    cost = transport.cost(x)
    assert type(cost) is np.ndarray
    assert cost.shape == (n_cells,)
    assert cost.dtype == np.float32
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("name", MAPS)
def test_result_is_no_view_of_the_input(maps: dict[str, TransportMap], name: str, cells: np.ndarray):
    for function in (maps[name].transport, maps[name].inverse):
        assert not np.shares_memory(function(cells), cells)


@pytest.mark.parametrize("name", MAPS)
def test_chunks_change_nothing(
    maps: dict[str, TransportMap], name: str, cells: np.ndarray, monkeypatch: pytest.MonkeyPatch
):
    whole, back, cost = maps[name].transport(cells), maps[name].inverse(cells), maps[name].cost(cells)
    monkeypatch.setattr(base, "CHUNK", 7)
    np.testing.assert_allclose(maps[name].transport(cells), whole, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(maps[name].inverse(cells), back, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(maps[name].cost(cells), cost, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("shape", [(N_DIMS,), (4, N_DIMS + 1), (2, 4, N_DIMS)])
def test_wrong_shape_is_an_error(maps: dict[str, TransportMap], name: str, shape: tuple[int, ...]):
    for function in (maps[name].transport, maps[name].inverse, maps[name].cost):
        with pytest.raises(ValueError, match=r"the matrix of cells has shape \(.*\); \(n_cells, 3\) is needed"):
            function(np.zeros(shape))


def test_masked_cells_are_an_error(maps: dict[str, TransportMap]):
    hidden = np.ma.array(np.zeros((2, N_DIMS)), mask=[[True] + [False] * (N_DIMS - 1), [False] * N_DIMS])
    with pytest.raises(ValueError, match=f"is masked at 1 of {hidden.size} values"):
        next(iter(maps.values())).transport(hidden)


@pytest.mark.parametrize("name", STRICTLY_CONVEX)
def test_inverse_undoes_transport(maps: dict[str, TransportMap], name: str, cells: np.ndarray):
    back = maps[name].inverse(maps[name].transport(cells))
    np.testing.assert_allclose(back, cells, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", MAPS)
def test_cells_are_mapped_one_by_one(maps: dict[str, TransportMap], name: str, cells: np.ndarray):
    moved = maps[name].transport(cells)
    np.testing.assert_allclose(maps[name].transport(cells[::-1])[::-1], moved, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(maps[name].transport(cells[3:4]), moved[3:4], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", MAPS)
def test_cost_is_half_the_squared_distance(maps: dict[str, TransportMap], name: str, cells: np.ndarray):
    transport = maps[name]
    squares = (transport.transport(cells).astype(np.float64) - cells) ** 2
    weights = transport.weights if isinstance(transport, WeightedMap) else np.ones(N_DIMS)
    np.testing.assert_allclose(transport.cost(cells), 0.5 * squares @ weights, rtol=1e-4)


@pytest.mark.parametrize("name", MAPS)
def test_state_rebuilds_the_map_to_the_bit(maps: dict[str, TransportMap], name: str, cells: np.ndarray):
    transport = maps[name]
    rebuilt = TransportMap.from_state(transport.state())
    assert type(rebuilt) is type(transport)
    assert_same_state(rebuilt.state(), transport.state())
    np.testing.assert_array_equal(rebuilt.transport(cells), transport.transport(cells))
    np.testing.assert_array_equal(rebuilt.inverse(cells), transport.inverse(cells))


@pytest.mark.parametrize("name", MAPS)
def test_state_is_arrays_and_plain_values(maps: dict[str, TransportMap], name: str):
    def check(value: object) -> None:
        if isinstance(value, dict):
            for key, part in value.items():
                assert isinstance(key, str)
                check(part)
        else:
            assert isinstance(value, str | int | np.ndarray)

    check(maps[name].state())


def test_unknown_kind_is_an_error():
    with pytest.raises(
        ValueError, match="kind 'spline' is unknown. Valid: .*affine.*potential.*unmoved.* import that first"
    ):
        TransportMap.from_state({"kind": "spline"})


def test_every_kind_has_a_name_of_its_own(maps: dict[str, TransportMap]):
    classes = {type(transport) for transport in maps.values()}
    assert len({cls.kind for cls in classes}) == len(classes) == 5
    for transport in maps.values():
        assert transport.state()["kind"] == transport.kind


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.dia_array, pd.DataFrame])
def test_sparse_cells_are_taken(kind: Any) -> None:
    np.testing.assert_array_equal(MeanShiftMap(np.ones(2)).transport(kind(np.eye(2))), np.eye(2) + 1)


@pytest.mark.parametrize("given", ["cells", AnnData(np.ones((2, 2))), np.array([["a", "b"]]), [[1.0, 2], [1.0]], None])
def test_what_is_no_matrix_is_an_error(given: Any) -> None:
    for method in ("transport", "inverse", "cost"):
        with pytest.raises(ValueError, match="^the matrix of cells is "):
            getattr(MeanShiftMap(np.ones(2)), method)(given)
