from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from cellot_sc.ot import ContextMap, IdentityMap, Problem, UnseenMap, fit
from cellot_sc.ot._unseen import LEAST, _member, leaves, pooled, unseen_maps

D, N = 8, 60
UNITS = np.geomspace(2, 0.5, D)


def patients(
    *, apart: float, local: float, noise: float, k: int = 6, seed: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield control and treated cells of patients: two kinds of cells, of which one falls and one rises."""
    rng = np.random.default_rng(seed)
    kinds, response = rng.normal(size=(2, D)) * UNITS, rng.normal(size=D) * UNITS
    for _ in range(k):
        place, own = apart * rng.normal(size=D) * UNITS, noise * rng.normal(size=D) * UNITS

        def cells(treated: bool, place: np.ndarray = place, own: np.ndarray = own) -> np.ndarray:
            kind = np.repeat([0, 1], N // 2)
            x = kinds[kind] * 2 + place + 0.3 * rng.normal(size=(N, D)) * UNITS
            return x + treated * (response + own + local * np.where(kind, 1, -1)[:, None] * UNITS)

        yield cells(False), cells(True)


def problem(clouds: list[tuple[np.ndarray, np.ndarray]]) -> Problem:
    codes = np.repeat(np.arange(len(clouds)), N)
    source, target = map(np.concatenate, zip(*clouds, strict=True))
    return Problem(source, target, source_contexts=codes, target_contexts=codes)


def error(kind: dict[str, Any]) -> tuple[float, float, ContextMap]:
    """Return how far the mean displacement of each kind of cells of a new patient is predicted off.

    By the parent, and by what is made of the contexts that were seen.
    """
    *seen, (x, y) = patients(**kind, k=7)
    [solution] = fit([problem(seen)], "group_gaussian")
    maps = solution.map
    assert isinstance(maps, ContextMap)
    halves = slice(None, N // 2), slice(N // 2, None)
    names = np.full((N, 1), "new")
    parent, mixed = (
        float(np.mean([np.square((moved[half] - y[half]).mean(axis=0) / UNITS).mean() for half in halves]))
        for moved in (maps.transport(x), maps.adapted_to(x, names).transport(x, names))
    )
    return parent, mixed, maps


@pytest.mark.parametrize(
    "kind", [{"apart": 4.0, "local": 1.0, "noise": 0.3}, {"apart": 1.0, "local": 0.7, "noise": 0.1}]
)
def test_what_contexts_do_locally_is_used_where_it_holds(kind: dict[str, float]) -> None:
    parent, mixed, maps = error(kind)
    assert isinstance(maps.unseen, UnseenMap)
    assert mixed < 0.7 * parent


def test_the_parent_stands_where_nothing_is_better() -> None:
    """Patients that are alike: the affine map of all is the best there is."""
    rng = np.random.default_rng(0)
    clouds = [(x, 1.5 * x + 1) for x in (rng.normal(size=(N, D)) for _ in range(6))]
    maps = fit([problem(clouds)], "group_gaussian")[0].map
    assert isinstance(maps, ContextMap)
    assert maps.unseen is None
    assert maps.at("new") is maps.parent


def test_two_contexts_tell_nothing_of_a_third() -> None:
    clouds = list(patients(apart=4.0, local=1.0, noise=0.3, k=2))
    maps = fit([problem(clouds)], "group_gaussian")[0].map
    assert isinstance(maps, ContextMap)
    assert maps.unseen is None


def test_what_is_kept_are_means_of_twenty_cells_or_more() -> None:
    clouds = list(patients(apart=4.0, local=1.0, noise=0.3))
    one = problem(clouds)
    maps = fit([one], "group_gaussian")[0].map
    assert isinstance(maps, ContextMap)
    assert isinstance(maps.unseen, UnseenMap)
    for x in (maps.unseen.centroids, maps.unseen.means):
        distances = np.linalg.norm(one.source[:, None] - x, axis=2).min(axis=0)
        assert distances.min() > 0.05
    for part in leaves(one.source.astype(float), LEAST):
        assert len(part) >= LEAST


def test_every_cell_is_in_one_neighbourhood() -> None:
    x = np.random.default_rng(0).normal(size=(333, 4))
    parts = list(leaves(x, 20))
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(333))
    assert {len(part) for part in parts} <= set(range(20, 40))
    within = np.mean([x[part].var(axis=0).sum() for part in parts])
    assert within < 0.6 * x.var(axis=0).sum()


def test_contexts_within_contexts_are_left_out_together() -> None:
    """Patients in two types that respond otherwise; the new one has cells of both."""
    rng = np.random.default_rng(0)
    *seen, (x, _) = patients(apart=4.0, local=1.0, noise=0.3, k=7)
    parts: dict[str, list[np.ndarray]] = {"source": [], "target": [], "codes": []}
    for kind in range(2):
        for i, (before, after) in enumerate(seen):
            parts["source"].append(before + 20 * kind)
            parts["target"].append(after + 20 * kind + 3 * kind + 0.1 * rng.normal(size=D))
            parts["codes"].append(np.tile([kind, i], (N, 1)))
    source, target, codes = (np.concatenate(of) for of in parts.values())
    names = [["B", "T"], [f"p{i}" for i in range(len(seen))]]
    one = Problem(source, target, source_contexts=codes, target_contexts=codes, context_names=names)
    maps = fit([one], "group_gaussian")[0].map
    assert isinstance(maps, ContextMap)
    for name, offset in (("B", 0), ("T", 20)):
        inner = maps.at(name)
        assert isinstance(inner, ContextMap)
        assert isinstance(inner.unseen, UnseenMap)
        row = np.tile([name, "new"], (N, 1))
        assert not np.array_equal(
            maps.adapted_to(x + offset, row).transport(x + offset, row), maps.transport(x + offset, row[:, :1])
        )


def test_weights_choose_who_is_looked_at() -> None:
    """Cells of weight 0 are as if they were not there."""
    clouds = list(patients(apart=4.0, local=1.0, noise=0.3))
    whole = problem(clouds)
    more = dataclasses.replace(
        whole,
        source=np.concatenate([whole.source, whole.source + 50]),
        source_contexts=np.concatenate([whole.source_contexts, whole.source_contexts]),
        source_weights=np.repeat([1.0, 0.0], len(whole.source)),
    )
    rules = []
    for one in (whole, more):
        maps = fit([one], "group_gaussian")[0].map
        assert isinstance(maps, ContextMap)
        assert isinstance(maps.unseen, UnseenMap)
        rules.append(maps.unseen)
    np.testing.assert_allclose(rules[1].means, rules[0].means, atol=1e-4)
    assert rules[1].centroids.max() < 40


def test_it_can_be_left_out() -> None:
    clouds = list(patients(apart=4.0, local=1.0, noise=0.3))
    maps = fit([problem(clouds)], "group_gaussian", unseen=False)[0].map
    assert isinstance(maps, ContextMap)
    assert maps.unseen is None
    assert maps.spread is not None


def test_contexts_of_few_cells_are_pooled() -> None:
    """None of what is kept is of fewer than twenty cells."""
    clouds = [(x[:: 1 + 5 * (i > 3)], y) for i, (x, y) in enumerate(patients(apart=4.0, local=1.0, noise=0.3, k=7))]
    sizes = [len(x) for x, _ in clouds]
    source, target = map(np.concatenate, zip(*clouds, strict=True))
    codes = [np.repeat(np.arange(7), of) for of in (sizes, [N] * 7)]
    one = Problem(source, target, source_contexts=codes[0], target_contexts=codes[1])
    parent = IdentityMap(D)
    [found] = unseen_maps(one, 0, {(): parent}, lambda *_: parent).values()
    assert len(found.means) == 5
    np.testing.assert_allclose(found.means[-1], source[codes[0] > 3].mean(axis=0), atol=1e-4)
    # with fewer, they are left out
    fewer = codes[0] < 5
    one = Problem(source[fewer], target, source_contexts=codes[0][fewer], target_contexts=codes[1])
    [found] = unseen_maps(one, 0, {(): parent}, lambda *_: parent).values()
    assert len(found.means) == 4


def test_no_shift_is_that_of_few_treated_cells():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 3)), rng.normal(size=(60, 3))
    members = [_member(x[:n], y[:m], (0,)) for n, m in ((60, 60), (60, 3), (25, 10), (8, 30))]
    assert [member.n_cells for member in members] == [60, 3, 10, 8]
    large, small = pooled(members)
    assert large is members[0] and small.n_cells == 21
    assert len(pooled(members[:3])) == 1
