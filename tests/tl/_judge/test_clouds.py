from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from cellot_sc.ot import IdentityMap
from cellot_sc.tl._judge.clouds import MAX_CELLS, Data, GroupClouds, Members, gather, groups, tell_of_left_out
from cellot_sc.tl._judge.predictions import Given
from cellot_sc.tl._judge.resamples import Resamples

N = 40
"""Cells of a label and a split."""


def data(split: str, kinds: np.ndarray | None = None) -> Data:
    x = np.arange(4 * N * 3, dtype=np.float32).reshape(4 * N, 3)
    labels = np.tile(np.repeat(np.array(["control", "drug"], dtype=object), N), 2)
    parts = np.repeat(np.array(["train", split], dtype=object), 2 * N)
    return Data(x, labels, parts, "control", split, kinds, None, None, None, np.asarray)


def clouds(cells: Data, members: np.ndarray | None = None) -> GroupClouds:
    members = np.ones(len(cells.x), dtype=bool) if members is None else members
    resamples = Resamples(5, None, members, np.random.default_rng(0))
    return gather(
        cells, "drug", Members(members, {}), {"identity": IdentityMap(3)}, resamples, np.random.default_rng(0)
    )


def test_train_cells_stand_in_on_the_test_split() -> None:
    cells = data("test")
    found = clouds(cells)
    np.testing.assert_array_equal(found.control.cells, cells.x[2 * N : 3 * N])
    np.testing.assert_array_equal(found.models["identity"].cells, found.control.cells)
    assert found.models["identity"].counts is found.control.counts
    np.testing.assert_array_equal(found.models["observed"].cells, cells.x[N : 2 * N])
    assert found.observed.counts.shape == (N, 5)
    assert found.halvings == []


def test_halves_stand_in_elsewhere() -> None:
    found = clouds(data("ood"))
    assert list(found.models) == ["identity"]
    assert len(found.halvings) == 10
    for half, other in found.halvings:
        both = np.concatenate([half.cells, other.cells])
        np.testing.assert_array_equal(np.sort(both[:, 0]), np.sort(found.observed.cells[:, 0]))


def test_few_train_cells_stand_in_for_nothing() -> None:
    cells = data("test")
    members = np.ones(4 * N, dtype=bool)
    members[N + 9 : 2 * N] = False
    assert list(clouds(cells, members).models) == ["identity"]


def test_features_and_samples() -> None:
    found = clouds(data("test"))
    two = found.features(np.array([2, 0]))
    np.testing.assert_array_equal(two.models["observed"].cells, found.models["observed"].cells[:, [2, 0]])
    few = two.sample(12, np.random.default_rng(0))
    sizes = {len(cloud.cells) for cloud in (few.control, few.observed, *few.models.values())}
    assert sizes == {12}
    assert few.control.counts.shape == (12, 0)
    np.testing.assert_array_equal(few.models["identity"].cells, few.control.cells)
    rest = clouds(data("ood")).sample(25, np.random.default_rng(0))
    # of 40 observed cells, 15 are left to stand in for 25
    assert list(rest.models) == ["identity"]


def test_groups_without_enough_cells_are_left_out() -> None:
    kinds = np.full(4 * N, "b", dtype=object)
    kinds[2 * N : 2 * N + 9] = "a"
    kinds[3 * N : 3 * N + 20] = "a"
    kinds[-1] = ""
    names = [name for name, _ in groups(data("test", kinds), "drug")]
    assert names == ["all", "b"]


def test_groups_that_are_left_out_are_named_once(caplog: pytest.LogCaptureFixture) -> None:
    def told(groups: dict[str, tuple[int, int, int]], names: Sequence[str] = ("a", "b")) -> list[str]:
        sizes = [n for of in groups.values() for n in of]
        labels = np.repeat(["control", "a", "b"] * len(groups), sizes).astype(object)
        kinds = np.repeat([group for group in groups for _ in range(3)], sizes).astype(object)
        parts = np.full(len(labels), "test", dtype=object)
        cells = Data(np.zeros((0, 1)), labels, parts, "control", "test", kinds, None, None, None, np.asarray)
        caplog.clear()
        with caplog.at_level(logging.INFO, "cellot_sc"):
            tell_of_left_out(cells, names, "kind")
        return [f"{one.levelname} {one.getMessage()}" for one in caplog.records]

    start = "INFO categories of obs['kind'] with fewer than 10 control or treated cells in split 'test' are left out: "
    assert told({"B": (10, 10, 10)}) == []
    assert told({"B": (10, 10, 9), "NK": (10, 10, 10), "T": (9, 30, 30)}) == [
        f"{start}'B' of 'b', 'T' of all 2 perturbations"
    ]
    many = {f"{i:02}": (9, 10, 10) for i in range(12)}
    assert told({**many, "x": (10, 10, 10)}, ["a"])[0].endswith("'09' of 'a' and 2 more categories")
    [few] = told({"B": (9, 9, 9)})
    assert few.startswith("WARNING no category of obs['kind'] has 10 control and 10 treated cells in split 'test', so")
    assert "test_fraction=" in few
    [apart] = told({"p1": (50, 0, 0), "p2": (0, 50, 50)})
    assert "no category of obs['kind'] has both control and treated cells in split 'test'" in apart
    assert "leave groupby out" in apart


def test_given_cells_are_a_cloud_of_their_own() -> None:
    x = np.random.default_rng(0).normal(size=(MAX_CELLS + 12, 3)).astype(np.float32)
    labels = np.array(["drug"] * (MAX_CELLS + 9) + ["other"] * 3, dtype=object)
    groups_of = np.array(["a"] * 9 + ["b"] * (MAX_CELLS + 3), dtype=object)
    given = {"known": Given(x, labels, groups_of, None, None), "plain": Given(x[:20], labels[:20], None, None, None)}
    kinds = np.tile(np.repeat(np.array(["a", "b"], dtype=object), N // 2), 4)
    cells = replace(data("test", kinds), given=given)
    resamples, found = Resamples(5, None, np.ones(4 * N, dtype=bool), np.random.default_rng(0)), {}
    for group, members in groups(cells, "drug"):
        found[group] = gather(cells, "drug", members, {}, resamples, np.random.default_rng(0))
    assert {group: (list(one.given), one.lacking) for group, one in found.items()} == {
        "all": (["known", "plain"], []), "a": ([], ["known"]), "b": (["known"], [])
    }  # fmt: skip
    assert len(found["all"].given["known"].cells) == MAX_CELLS
    np.testing.assert_array_equal(found["all"].given["plain"].cells, x[:20])
    assert found["all"].given["plain"].counts.sum(axis=0).tolist() == [20] * 5
    sampled = found["all"].sample(25, np.random.default_rng(0))
    assert (list(sampled.given), sampled.lacking) == (["known"], ["plain"])
    assert sampled.features(np.array([1])).given["known"].cells.shape == (25, 1)
    assert list(groups(cells, "third"))[0][1].given == {}
