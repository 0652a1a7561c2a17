from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from anndata import AnnData, read_h5ad

from cellot_sc.ot import ChainMap, ContextMap, MeanShiftMap, TransportMap
from cellot_sc.ot._maps.contract import check_map

PARENT, B, T = (MeanShiftMap(np.full(2, value)) for value in (1.0, 2.0, 3.0))
CELLS = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)


def test_contexts_have_their_maps_and_all_others_the_parent() -> None:
    maps = ContextMap(PARENT, [B, T], ["B cells", "T cells"])
    assert maps.at("B cells") is B
    assert maps.at("T cells") is T
    assert maps.at("NK cells") is PARENT
    assert maps.at(None) is PARENT
    np.testing.assert_array_equal(maps.transport(CELLS), PARENT.transport(CELLS))
    np.testing.assert_array_equal(maps.cost(CELLS), PARENT.cost(CELLS))


def test_contexts_within_contexts() -> None:
    maps = ContextMap(PARENT, [ContextMap(B, [T], ["patient 1"])], ["B cells"])
    assert maps.at("B cells", "patient 1") is T
    assert maps.at("B cells", "patient 2") is B
    assert maps.at("B cells", None) is B
    assert maps.at("T cells", "patient 1") is PARENT
    np.testing.assert_array_equal(maps.at("B cells").transport(CELLS), B.transport(CELLS))
    check_map(maps, CELLS)


def test_every_cell_moves_by_the_map_of_its_context() -> None:
    maps = ContextMap(PARENT, [ContextMap(B, [T], ["p1"]), T], ["B cells", "T cells"])
    contexts = np.array(
        [["B cells", "p1"], ["B cells", "p2"], ["B cells", ""], ["", "p1"], ["NK", "p1"], ["T cells", ""]]
    )
    expected = [T, B, B, PARENT, PARENT, T]
    for verb in ("transport", "inverse", "cost"):
        alone = [getattr(one, verb)(CELLS[[i]])[0] for i, one in enumerate(expected)]
        np.testing.assert_array_equal(getattr(maps, verb)(CELLS[:6], contexts), alone)
    # of one level, the maps of the types; of cells of which none is known, the parent
    np.testing.assert_array_equal(maps.transport(CELLS[:6], contexts[:, 0])[:3], B.transport(CELLS[:3]))
    np.testing.assert_array_equal(maps.transport(CELLS), PARENT.transport(CELLS))
    # who knows no contexts does not mind them
    np.testing.assert_array_equal(B.transport(CELLS[:6], contexts), B.transport(CELLS[:6]))
    assert maps.transport(CELLS[:0], contexts[:0]).shape == (0, 2)


@pytest.mark.parametrize("contexts", [np.array(["a"] * 3), np.array("a"), np.full((20, 1, 1), "a")])
def test_contexts_of_other_cells_are_refused(contexts: np.ndarray) -> None:
    maps = ContextMap(PARENT, [B], ["a"])
    with pytest.raises(ValueError, match=r"contexts has shape .*; one name, or a row of names, is needed for 20 cells"):
        maps.transport(CELLS, contexts)


def test_a_function_of_each_map() -> None:
    maps = ContextMap(PARENT, [ContextMap(B, [T], ["p1"])], ["B cells"])
    doubled = maps.each(lambda one: ChainMap([one, one]))
    assert isinstance(doubled, ContextMap)
    for contexts, once in (((None,), PARENT), (("B cells",), B), (("B cells", "p1"), T)):
        twice = once.transport(once.transport(CELLS))
        np.testing.assert_allclose(doubled.at(*contexts).transport(CELLS), twice, atol=1e-6)
    assert PARENT.each(lambda one: B) is B


def test_is_kept_on_disk(tmp_path: Path) -> None:
    maps = ContextMap(PARENT, [B, T], ["B cells", "CD4+/é"])
    AnnData(CELLS, uns={"map": maps.state()}).write_h5ad(tmp_path / "map.h5ad")
    again = TransportMap.from_state(read_h5ad(tmp_path / "map.h5ad").uns["map"])
    assert isinstance(again, ContextMap)
    assert again.names == maps.names
    np.testing.assert_array_equal(again.at("CD4+/é").transport(CELLS), T.transport(CELLS))
    assert repr(again) == "ContextMap in 2 dimensions of 2 contexts"


@pytest.mark.parametrize(
    ("maps", "names", "said"),
    [
        ([], [], "at least one map is needed"),
        ([MeanShiftMap(np.ones(3))], ["a"], "of the same number"),
        ([B], ["a", "b"], "1 are needed"),
        ([B, T], ["a", "a"], "no two are alike"),
    ],
)
def test_what_does_not_fit_is_refused(maps: list[TransportMap], names: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ContextMap(PARENT, maps, names)


def test_states_are_checked() -> None:
    state = ContextMap(PARENT, [B], ["B cells"]).state()
    for name, wrong in {"parent": 3, "maps": {}, "names": np.array(["a", "b"], dtype=object)}.items():
        with pytest.raises(ValueError, match=name):
            TransportMap.from_state(state | {name: wrong})
