from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import anndata
import jax
import numpy as np
import pytest

from cellot_sc import ot
from cellot_sc.ot._maps.autoencoder import random_networks
from cellot_sc.ot._maps.base import PLACES
from cellot_sc.ot._maps.contract import check_map, leaves, same
from cellot_sc.ot._maps.networks import ICNN
from cellot_sc.ot._solvers.cae import CaeMap
from cellot_sc.ot._solvers.neural_dual import NeuralDualMap, _network
from cellot_sc.ot._solvers.scgen import ScgenMap

N_DIMS = 3
RNG = np.random.default_rng(0)
CELLS = RNG.normal(size=(50, N_DIMS)).astype(np.float32)
SHIFT = np.array([1.0, -2.0, 0.5])
SHIFTED = ot.MeanShiftMap(SHIFT)


def perceptron(*sizes: int) -> dict[str, dict[str, np.ndarray]]:
    return {
        f"Dense_{i}": {"kernel": 0.3 * RNG.normal(size=(n, m)), "bias": RNG.normal(size=m)}
        for i, (n, m) in enumerate(zip(sizes, sizes[1:], strict=False))
    }


def mixture() -> ot.Mixture:
    return ot.Mixture(np.full(2, 0.5), RNG.normal(size=(2, N_DIMS)), np.stack([np.eye(N_DIMS)] * 2), np.eye(N_DIMS))


def autoencoder(n_labels: int) -> ot.Autoencoder:
    networks = random_networks(jax.random.key(0), (5,), N_DIMS, 2, n_labels=n_labels)
    return ot.Autoencoder(networks, SHIFT.astype(np.float32), 2.0)


def potential() -> ot.PotentialMap:
    arrays = {name: value[None] for name, value in ICNN(4, 2).random(np.random.default_rng(0), N_DIMS).items()}
    return ot.PotentialMap("ICNN", {"width": 4, "depth": 2}, arrays, SHIFT, -SHIFT)


def neural_dual() -> NeuralDualMap:
    params = _network(4, 2, N_DIMS).init(jax.random.key(0), np.ones(N_DIMS))["params"]
    return NeuralDualMap(params, params, 4, 2, N_DIMS)


def unseen() -> ot.UnseenMap:
    of_contexts, of_cells = (RNG.normal(size=(n, N_DIMS)) for n in (2, 4))
    return ot.UnseenMap(
        *(SHIFTED, of_contexts, np.ones(2), np.full(2, 0.5), of_contexts, of_cells, of_cells, np.array([0, 0, 1, 1])),
        *(np.ones(2), np.ones(N_DIMS), np.array([0.25, 0.25, 0.5, 1, 1]), SHIFT),
    )


MAPS: list[ot.TransportMap] = [
    ot.IdentityMap(N_DIMS),
    SHIFTED,
    ot.AffineMap(np.diag([1.0, 2.0, 0.5]), SHIFT, -SHIFT),
    potential(),
    ot.WeightedMap(potential(), np.array([1.0, 4.0, 0.25])),
    ot.ChainMap([SHIFTED, potential()]),
    ot.ContextMap(SHIFTED, [potential()], ["B cells"], SHIFTED, np.ones((1, N_DIMS)), np.ones(N_DIMS)),
    unseen(),
    ot.DualMLPMap(perceptron(N_DIMS, 4, 1), perceptron(N_DIMS, 4, 1)),
    ot.MLPMap(perceptron(N_DIMS, 4, N_DIMS)),
    ot.EntropicMap(CELLS[:20], CELLS[20:], np.zeros(20), np.zeros(30), 0.5),
    ot.MixtureMap(mixture(), mixture(), np.eye(2) / 2),
    ScgenMap(autoencoder(0), np.ones(2), residual=True),
    CaeMap(autoencoder(2), residual=False),
    neural_dual(),
]
BY_KIND = {transport.kind: transport for transport in MAPS}


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a test define maps that are forgotten after it."""
    monkeypatch.setattr(ot.TransportMap, "_kinds", dict(ot.TransportMap._kinds))
    yield


def test_every_kind_is_here_and_where_it_is_looked_for() -> None:
    for kind, place in PLACES.items():
        assert place == f"{(made := type(BY_KIND[kind])).__module__}:{made.__qualname__}"
    ours = {kind for kind, of in ot.TransportMap._kinds.items() if of.__module__.startswith("cellot_sc.")}
    assert set(BY_KIND) == ours


@pytest.mark.parametrize("transport", MAPS, ids=lambda transport: transport.kind)
def test_every_kind_keeps_the_contract(transport: ot.TransportMap) -> None:
    check_map(transport, CELLS)


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_every_kind_survives_a_file_to_the_bit(tmp_path: Path, suffix: str) -> None:
    adata = anndata.AnnData(CELLS, uns={transport.kind: transport.state() for transport in MAPS})
    path = tmp_path / f"maps.{suffix}"
    getattr(adata, f"write_{suffix}")(path)
    read = getattr(anndata, f"read_{suffix}")(path).uns
    for transport in MAPS:
        again = ot.TransportMap.from_state(read[transport.kind])
        assert type(again) is type(transport)
        assert same(dict(leaves(again.state())), dict(leaves(transport.state())))
        np.testing.assert_array_equal(again.transport(CELLS), transport.transport(CELLS))


def paths(state: Mapping[str, Any], before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield where everything is that a state holds, but for what kind of map it is of."""
    for name, value in state.items():
        if name != "kind":
            yield (*before, name)
            if isinstance(value, Mapping):
                yield from paths(value, (*before, name))


MISSING = object()


def changed(state: Mapping[str, Any], path: tuple[str, ...], change: Any) -> dict[str, Any]:
    """Return a copy of a state in which something is changed; ``MISSING`` leaves it out."""
    name, *rest = path
    value = changed(state[name], tuple(rest), change) if rest else change(state[name])
    return {key: held for key, held in {**state, name: value}.items() if held is not MISSING}


def of_arrays(change: Any, otherwise: Any) -> Any:
    """Return a change of arrays of numbers, and what anything else becomes."""
    return lambda value: change(value) if isinstance(value, np.ndarray) and value.dtype != object else otherwise


REFUSED: dict[str, Any] = {
    "nothing": lambda v: MISSING,
    "none": lambda v: None,
    "texts": lambda v: np.array(["a", "b"]),
    "objects": lambda v: np.full(np.shape(v), None, dtype=object),
    "a list": lambda v: [1.0, 2.0],
    "an empty dict": lambda v: {},
    "empty": lambda v: np.zeros((0, N_DIMS)),
    "bytes": lambda v: b"1",
    "complex": of_arrays(lambda v: v * 1j, 1j),
    "masked": of_arrays(lambda v: np.ma.masked_array(v, v == v), np.ma.masked),
    "NaN": of_arrays(lambda v: np.full_like(v, np.nan), np.nan),
    "inf": of_arrays(lambda v: v + np.inf, np.inf),
    "beyond single precision": of_arrays(lambda v: np.full(v.shape, 1e300), 1e300),
    "one more axis": of_arrays(lambda v: v[None, None], np.ones((1, 1))),
}
"""What no field of any map can be."""
PERHAPS: dict[str, Any] = {
    "a text": lambda v: "1",
    "a number": lambda v: np.float32(3),
    "no axis": lambda v: np.array(2.5),
    "a flag": lambda v: True,
    "a large number": lambda v: 10**9,
    "huge": of_arrays(lambda v: np.full_like(v, 1e29), 10**400),
    "negative": of_arrays(lambda v: -abs(v) - 1, -1),
    "zero": of_arrays(lambda v: v * 0, 0),
    "transposed": of_arrays(np.transpose, 7),
    "shorter": of_arrays(lambda v: v[:-1] if v.ndim else v, 1.5),
    "longer": of_arrays(lambda v: np.concatenate([v, v]) if v.ndim else v, 2),
    "one more entry": lambda v: {**v, "more": np.ones(2)} if isinstance(v, dict) else np.ones(3),
}


@pytest.mark.parametrize("transport", MAPS, ids=lambda transport: transport.kind)
def test_a_tampered_state_is_one_sentence_or_a_map_that_moves_cells(transport: ot.TransportMap) -> None:
    state = transport.state()
    for path in paths(state):
        for name, change in (REFUSED | PERHAPS).items():
            # nothing tells that there was one more, or what may be absent
            if name == "nothing" and (path[-1][-1].isdigit() or path[-1] in transport.optional):
                continue
            try:
                tampered = ot.TransportMap.from_state(changed(state, path, change))
                for out in (tampered.transport(CELLS[:5]), tampered.cost(CELLS[:5])):
                    assert np.isfinite(out).all(), (path, name)
            except ValueError as error:
                assert str(error).startswith(("a transport map of kind", "the matrix of cells")), (path, name)
                assert len(str(error)) < 500, (path, name)
                if name in REFUSED:
                    assert path[-1] in str(error), (path, name, str(error))
            else:
                assert name not in REFUSED, (path, name)


def test_a_state_of_no_map_is_refused() -> None:
    states: list[Any] = [None, "shift", [], {}, {"shift": SHIFT}, np.zeros(3)]
    for state in states:
        with pytest.raises(ValueError, match=r"^the state of a transport map is .*; 'kind' is missing"):
            ot.TransportMap.from_state(state)
    with pytest.raises(ValueError, match=r"kind 'shift' cannot be read: 'more' is unknown; a dict of shift is needed"):
        ot.TransportMap.from_state(SHIFTED.state() | {"more": 1})


def test_maps_are_not_nested_without_end() -> None:
    state = SHIFTED.state()
    for _ in range(900):
        state = {"kind": "chain", "steps": {"0": state}}
    with pytest.raises(ValueError, match="is a map within 10 others; no more are needed"):
        ot.TransportMap.from_state(state)


def test_singular_and_negative_mixtures_are_refused_by_name() -> None:
    state = ot.MixtureMap(mixture(), mixture(), np.eye(2) / 2).state()
    singular = changed(state, ("source", "shared"), np.zeros_like)
    with pytest.raises(ValueError, match=r"'popalign' cannot be read: source.shared .* positive definite matrices are"):
        ot.TransportMap.from_state(singular)
    negative = changed(state, ("target", "weights"), lambda v: np.array([1.5, -0.5]))
    with pytest.raises(ValueError, match=r"target.weights is .*; positive numbers that sum to one are needed"):
        ot.TransportMap.from_state(negative)


def test_what_another_package_cannot_read_is_a_sentence(kinds: None) -> None:
    def broken(state: Mapping[str, Any]) -> Any:
        raise RuntimeError("no wheels")

    made = type("Cart", (Shifted, ot.TransportMap), {"kind": "cart", "_from_state": broken})
    with pytest.raises(ValueError, match="kind 'cart' cannot be read: RuntimeError: no wheels"):
        ot.TransportMap.from_state(made().state())


def test_fields_of_a_parent_are_not_those_of_its_child(kinds: None) -> None:
    class Twice(ot.MeanShiftMap):
        kind = "twice"

        def __init__(self, shift: np.ndarray, times: int) -> None:
            super().__init__(shift)
            self.times = int(times)

    assert ot.TransportMap.from_state(Twice(SHIFT, 2).state()).state()["times"] == 2


class Shifted:
    """What a map has to have, to be broken in one way or other."""

    shift: np.ndarray = SHIFT.astype(np.float32)
    n_dims = N_DIMS

    def _forward(self, x: np.ndarray) -> np.ndarray:
        return x + self.shift

    def _backward(self, y: np.ndarray) -> np.ndarray:
        return y - self.shift

    def state(self) -> dict[str, Any]:
        return {"kind": self.kind, "shift": self.shift}  # type: ignore[attr-defined]

    @classmethod
    def _from_state(cls, state: Mapping[str, Any]) -> Any:
        return cls()


def stores_nothing(self: Any) -> dict[str, Any]:
    return {"kind": self.kind, "shift": None}


def adds_to_its_cells(self: Any, x: np.ndarray) -> np.ndarray:
    x += 1
    return x


def forgets(self: Any) -> dict[str, Any]:
    self.shift = self.shift + 1
    return {"kind": self.kind, "shift": self.shift}


BROKEN: dict[str, dict[str, Any]] = {
    "returns NaN or inf": {"_forward": lambda self, x: x * np.nan},
    "is not implemented": {"transport": lambda self, x: self.absent()},
    "view of the cells": {"transport": lambda self, x: x},
    "otherwise alone than with others": {"_forward": lambda self, x: x + len(x)},
    "is a NoneType: arrays, numbers, texts and dicts": {"state": stores_nothing},
    "changes the cells that it is given": {"_forward": adds_to_its_cells},
    "changes its state when it is rebuilt": {"state": forgets},
    "has n_dims 4, not 3": {"n_dims": 4},
    "is no float32 of 0 or more": {"cost": lambda self, x: -np.ones(len(x), np.float32)},
}


@pytest.mark.parametrize("sentence", BROKEN)
def test_what_is_broken_is_said(kinds: None, sentence: str) -> None:
    def absent(self: Any) -> None:
        raise NotImplementedError

    broken = type("Broken", (Shifted, ot.TransportMap), {"kind": "broken", "absent": absent} | BROKEN[sentence])
    with pytest.raises((AssertionError, ValueError), match=sentence if "n_dims" not in sentence else "n_dims|shape"):
        check_map(broken(), CELLS)


def test_a_map_need_have_no_inverse(kinds: None) -> None:
    def nowhere(self: Any, y: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    check_map(type("OneWay", (Shifted, ot.TransportMap), {"kind": "one_way", "_backward": nowhere})(), CELLS)


def test_a_kind_that_is_taken_is_refused_and_one_defined_anew_is_not(
    kinds: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def define() -> Any:
        return type("Mine", (Shifted, ot.TransportMap), {"kind": "mine"})

    define()
    again = define()
    assert ot.TransportMap._kinds["mine"] is again
    # whether or not anybody has read one, kinds of this package are taken
    monkeypatch.delitem(ot.TransportMap._kinds, "mlp")
    with pytest.raises(ValueError, match="kind 'mlp' of Other is taken by MLPMap"):
        type("Other", (Shifted, ot.TransportMap), {"kind": "mlp"})
    with pytest.raises(ValueError, match="kind 'mine' of Other is taken by Mine: choose another kind"):
        type("Other", (Shifted, ot.TransportMap), {"kind": "mine"})
    assert ot.TransportMap._kinds["mine"] is again
