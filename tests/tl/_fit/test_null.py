from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc.tl._fit import null as module
from cellot_sc.tl._fit.few_cells import pooled_contexts
from cellot_sc.tl._fit.null import Null, null


@pytest.fixture(scope="module")
def made(fitted: AnnData) -> Null:
    fit = cs.tl.maps(fitted).fit
    return null(fit, fitted, fit.targets, seed=0)


def test_what_is_kept_is_what_was_made(made: Null, fitted: AnnData):
    x = fitted.obsm["X_cellot"]
    read = Null.read(made.state())
    assert (read.scale, read.shared, read.df, read.own) == (made.scale, made.shared, 50, None)
    for before, after in zip([*made.maps, made.twin], [*read.maps, read.twin], strict=True):
        np.testing.assert_array_equal(before.transport(x), after.transport(x))


def test_as_many_maps_are_kept_as_there_is_room_for(made: Null, monkeypatch: pytest.MonkeyPatch):
    assert (made.thinned(100).n_maps, made.thinned(30).n_maps) == (50, 30)
    size = 4 * (8 * 8 + 8 + 8)
    monkeypatch.setattr(module, "MOST_KEPT", 30 * size)
    assert (made.thinned(100).n_maps, made.thinned(100).df) == (30, 30)
    assert made.thinned(100).maps == made.maps[:30]
    monkeypatch.setattr(module, "MOST_KEPT", 1)
    assert (made.thinned(100).n_maps, made.thinned(100).df) == (20, 20)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": np.ones(1)}, "null.scale has 1 numbers; 2 are needed"),
        ({"scale": np.array([1.0, -1.0])}, "null.scale .* positive numbers are needed"),
        ({"shared": np.array([0.5, 1.5])}, "null.shared .* numbers from 0 to 1 are needed"),
        ({"df": 0}, "null.df"),
        ({"twin": {"kind": "unmoved", "n_dims": 3}}, "null.maps.0 is of 8 dimensions; 3 are needed"),
        ({"maps": 3}, "null.maps is 3"),
        ({"more": 3}, "null.'more' is unknown"),
        ({"names": np.array(["a", "a"], dtype=object)}, "no two are alike"),
    ],
)
def test_what_is_no_null_is_refused(made: Null, change: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        Null.read(made.state() | change)


def test_a_solver_that_keeps_cells_is_given_means_of_them(prepared: AnnData):
    adata = prepared.copy()
    cs.tl.cellot(adata, solver="entropic", targets="drug_a")
    fit = cs.tl.maps(adata).fit
    own = [null(fit, adata, fit.targets, seed=0, without_cells=flag).own for flag in (False, True)]
    # halves of 140 control cells, and of these means of at least 20
    assert [len(one.state()["source"]) for one in own if one is not None] == [70, 2]


def test_contexts_with_few_cells_in_a_half_move_as_all(prepared: AnnData):
    adata = prepared.copy()
    cs.tl.cellot(adata, solver="group_shift", context="patient", targets="drug_a")
    fit = cs.tl.maps(adata).fit
    plain, told = (null(fit, adata, fit.targets, seed=0, without_cells=flag) for flag in (False, True))
    # 140 control cells of 4 patients, in halves
    assert not any(pooled_contexts(one) for one in plain.maps)
    assert all(len(pooled_contexts(one)) > 2 for one in told.maps)
