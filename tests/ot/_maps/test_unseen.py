from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cellot_sc.ot import ChainMap, ContextMap, MeanShiftMap, TransportMap, UnseenMap, WeightedMap
from cellot_sc.ot._maps.contract import check_map

N_DIMS, K = 3, 4
RNG = np.random.default_rng(0)
CELLS = RNG.normal(size=(50, N_DIMS)).astype(np.float32)
PARENT = MeanShiftMap(np.full(N_DIMS, 0.5))


def unseen(rule: tuple[float, ...], **changes: Any) -> UnseenMap:
    """Return a mixture of four contexts that lie in a row, each of three centroids."""
    rng = np.random.default_rng(1)
    means = np.linspace(-6, 6, K)[:, None] * np.ones(N_DIMS)
    owners = np.repeat(np.arange(K), 3)
    fields: dict[str, Any] = {
        "means": means,
        "noise": np.full(K, 0.1),
        "shares": np.full(K, 1 / K),
        "shifts": np.arange(K)[:, None] * np.ones(N_DIMS),
        "centroids": means[owners] + rng.normal(size=(3 * K, N_DIMS)),
        "displacements": rng.normal(size=(3 * K, N_DIMS)),
        "owners": owners,
        "widths": np.ones(K),
        "kept": np.ones(N_DIMS),
        "rule": np.array(rule),
        "here": np.zeros(N_DIMS),
    }
    return UnseenMap(PARENT, **fields | changes)


@pytest.mark.parametrize("rule", [(1, 0, 0, 0, 0), (0, 1, 0, 1, 0), (0.5, 0, 0.5, 3, 1), (0, 0.5, 0.5, 0, 0)])
def test_keeps_what_maps_keep(rule: tuple[float, ...]) -> None:
    check_map(unseen(rule), CELLS)
    check_map(unseen(rule).adapted(CELLS), CELLS)


def test_parts_of_the_displacement_add_up() -> None:
    displaced = {
        rule: unseen(rule).transport(CELLS) - CELLS for rule in [(1, 0, 0, 1, 1), (0, 1, 0, 1, 1), (0, 0, 1, 1, 1)]
    }
    np.testing.assert_allclose(displaced[1, 0, 0, 1, 1], PARENT.transport(CELLS) - CELLS, atol=1e-6)
    np.testing.assert_allclose(displaced[0, 1, 0, 1, 1], 1.5, atol=1e-6)
    both = unseen((0.5, 0.25, 0.25, 1, 1)).transport(CELLS) - CELLS
    expected = np.average(list(displaced.values()), axis=0, weights=[0.5, 0.25, 0.25])
    np.testing.assert_allclose(both, expected, atol=1e-5)
    # what contexts do not agree on is left out, of what they do only
    none = unseen((0.5, 0.25, 0.25, 1, 1), kept=np.zeros(N_DIMS)).transport(CELLS) - CELLS
    np.testing.assert_allclose(none, 0.25, atol=1e-6)


def test_contexts_weigh_more_the_more_alike_they_are() -> None:
    last = CELLS + 6
    flat, sharp = (unseen((0, 1, 0, sharpness, 0)).adapted(last) for sharpness in (0, 5))
    np.testing.assert_allclose(flat.shares, 1 / K, atol=1e-5)
    assert (np.diff(sharp.shares) > 0).all()
    assert sharp.shares[-1] > 0.8
    np.testing.assert_allclose(sharp.here, last.mean(axis=0), atol=1e-5)
    # one cell is enough, though it tells less
    assert 1 / K < unseen((0, 1, 0, 5, 0)).adapted(last[:1]).shares[-1] <= 1


def test_neighbourhoods_may_be_relative_to_the_mean_of_a_context() -> None:
    """Contexts in which cells above the mean rise and others fall; the new one lies elsewhere."""
    means = np.array([0.0, 100.0])[:, None]
    places = np.concatenate([means + [[-1.0]], means + [[1.0]]])
    moves = np.sign(places - np.concatenate([means, means]))
    fields: dict[str, Any] = {
        "means": means, "noise": np.zeros(2), "shares": np.full(2, 0.5), "shifts": np.zeros((2, 1)),
        "centroids": places, "displacements": moves, "owners": np.array([0, 1, 0, 1]), "widths": np.full(2, 0.1),
        "kept": np.ones(1), "here": np.full(1, 50.0),
    }  # fmt: skip
    x = np.array([[999.0], [1001.0]], dtype=np.float32)
    relative, absolute = (
        UnseenMap(MeanShiftMap(np.zeros(1)), **fields, rule=np.array([0, 0, 1, 0, centred])).adapted(x)
        for centred in (1, 0)
    )
    np.testing.assert_allclose(relative.transport(x) - x, [[-1], [1]], atol=1e-3)
    np.testing.assert_allclose(absolute.transport(x) - x, [[1], [1]], atol=1e-3)


def test_inverse_takes_cells_back() -> None:
    transport = unseen((0.5, 0.25, 0.25, 1, 0))
    np.testing.assert_allclose(transport.inverse(transport.transport(CELLS)), CELLS, atol=1e-3)


def test_maps_around_it_hand_control_cells_on() -> None:
    inner, last = unseen((0, 1, 0, 5, 0)), CELLS + 6
    expected = inner.adapted(last).transport(CELLS)
    chain = ChainMap([inner, PARENT]).adapted(last)
    np.testing.assert_allclose(chain.transport(CELLS), expected + 0.5, atol=1e-5)
    weights = np.array([1.0, 4.0, 9.0])
    weighted = WeightedMap(inner, weights).adapted(last / np.sqrt(weights).astype(np.float32))
    assert isinstance(weighted, WeightedMap)
    assert isinstance(weighted.inner, UnseenMap)
    np.testing.assert_allclose(weighted.inner.shares, inner.adapted(last).shares, atol=1e-5)
    assert PARENT.adapted(last) is PARENT


def test_contexts_that_were_not_seen_get_a_map_of_their_own() -> None:
    shifts = [MeanShiftMap(np.full(N_DIMS, float(i))) for i in range(2)]
    inner = ContextMap(shifts[0], [shifts[1]], ["p1"], unseen=unseen((0, 1, 0, 5, 0)))
    maps = ContextMap(PARENT, [inner, shifts[1]], ["B", "T"])
    contexts = np.array([["B", "p2"]] * 25 + [["NK", "p2"]] * 10 + [["T", "p2"]] * 10 + [["", "p2"]] * 5)
    np.testing.assert_array_equal(maps.strangers(contexts), np.isin(contexts[:, 0], ["B", "NK"]))
    cells = CELLS + 6
    adapted = maps.adapted_to(cells, contexts)
    assert adapted.at("B", "p2").state()["shares"][-1] > 0.8
    first = adapted.maps[0]
    assert isinstance(first, ContextMap)
    assert first.names == ["p1", "p2"]
    # a type without a mixture, one that has no patients, and cells without a label stay with what they had
    np.testing.assert_array_equal(adapted.transport(cells, contexts)[25:], maps.transport(cells, contexts)[25:])
    assert not np.array_equal(adapted.transport(cells, contexts)[:25], maps.transport(cells, contexts)[:25])
    # without their control cells, all seen ones count alike
    assert maps.at("B", "p9") is inner.unseen
    assert maps.at("B", "") is shifts[0]
    again = TransportMap.from_state(adapted.state())
    np.testing.assert_array_equal(again.transport(cells, contexts), adapted.transport(cells, contexts))
