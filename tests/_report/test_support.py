from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc._report import Item, _support
from cellot_sc.tl._fit.standalone import standalone


@pytest.fixture(scope="module")
def patients() -> AnnData:
    """Six patients in two dimensions, of whom one was held out and one lies far from all."""
    rng = np.random.default_rng(0)
    names = np.repeat([f"patient_{i}" for i in range(8)], 80)
    x = rng.normal(size=(len(names), 2)) + rng.normal(size=(8, 2)).repeat(80, axis=0)
    x[names == "patient_7"] += 20
    treated = np.arange(len(names)) % 2 == 1
    adata = AnnData(x + treated[:, None])
    adata.obs["perturbation"] = np.where(treated, "drug", "control")
    adata.obs["patient"] = names
    adata.obs["kind"] = np.where(np.arange(len(names)) % 4 > 1, "a", "b")
    cs.pp.split(adata, holdout={"patient": ["patient_6", "patient_7"]})
    return adata


def drawn(adata: AnnData, *, split: str = "ood", unit: str | None = None, **options: Any) -> list[Item]:
    found = adata.copy()
    cs.tl.cellot(found, solver="group_gaussian", use_rep="X", **options)
    return _support.draw(found, cs.tl.maps(found), split=split, unit=unit)


def test_new_patients_beside_those_that_were_seen(patients: AnnData, parse: Callable[[str], Any]) -> None:
    [item] = drawn(patients, context="patient")
    [(head, *rows)] = parse(f"<table>{item.table}</table>").tables
    assert head == ["patient", "extrapolated", "control cells", "learnt from", "seen ones as far"]
    assert [[row[0], *row[2:4]] for row in rows] == [["patient_6", "40", "no"], ["patient_7", "40", "no"]]
    assert int(rows[0][4].split()[0]) > 0 and rows[1][4] == "0 of 6"
    assert int(rows[0][1][:-2]) < 20 and rows[1][1] == "100\N{NO-BREAK SPACE}%"
    assert "Of the 80 control cells among cells that were held out, 4" in item.meaning
    assert "\N{NO-BREAK SPACE}%) lie outside of these (further from them than 99 %" in item.meaning
    assert "80 of them are of " in item.meaning and ": they follow " in item.meaning
    assert "“patient_6” lies as far from the 6 that were learnt from as these lie from each other" in item.meaning
    assert "“patient_7” lies further from the 6 that were learnt from than any of these" in item.meaning


def test_test_cells_of_patients_that_were_seen(patients: AnnData, parse: Callable[[str], Any]) -> None:
    adata = patients.copy()
    adata.obs.loc[adata.obs_names[:2], "patient"] = None
    adata.obs.loc[adata.obs_names[:2], "split"] = "test"
    [item] = drawn(adata, split="test", context=["kind", "patient"])
    [(head, *rows)] = parse(f"<table>{item.table}</table>").tables
    assert head == ["patient", "extrapolated", "control cells", "learnt from"]
    assert [row[0] for row in rows] == ["no label", *(f"patient_{i}" for i in range(6))]
    assert [row[3] for row in rows] == ["no", *["yes"] * 6]
    assert "lie as far" not in item.meaning and "Seen ones" not in item.note


def test_new_patients_of_maps_that_know_no_patients(patients: AnnData, parse: Callable[[str], Any]) -> None:
    for options in ({}, {"context": "kind"}):
        [item] = drawn(patients, unit="patient", **options)
        [(head, *rows)] = parse(f"<table>{item.table}</table>").tables
        assert head == ["patient", "extrapolated", "control cells", "learnt from"]
        assert rows[1] == ["patient_7", "100\N{NO-BREAK SPACE}%", "40", "no"]


def test_nobody_is_named(patients: AnnData) -> None:
    [item] = drawn(patients)
    assert item.table == item.note == ""
    assert "of the 80 control cells" in item.meaning.lower()
    found = patients.copy()
    found.obs["time"] = (found.obs["perturbation"] == "drug").astype(int)
    cs.tl.trajectory(found, solver="gaussian", use_rep="X", key_added="cellot")
    assert _support.draw(found, cs.tl.maps(found), split="ood", unit=None) == []


def test_none_outside_is_said_in_words() -> None:
    none, one, some = (_support._outside(np.arange(80) < n, "test cells") for n in (0, 1, 8))
    assert none.startswith("Of the 80 control cells among test cells, none lies outside of these (further from them")
    assert "1 lies outside of these" in one and one.endswith("what is predicted there is extrapolated.")
    assert "8 (10\N{NO-BREAK SPACE}%) lie outside of these" in some


def test_names_of_many() -> None:
    assert _support._lie(["a"]) == "“a” lies"
    assert _support._lie(["a", "b", "c"]) == "“a”, “b” and “c” lie"
    assert _support._lie([str(i) for i in range(9)]) == "9 new ones lie"


def test_a_model_knows_the_contexts_that_it_learnt_from(patients: AnnData) -> None:
    adata = patients.copy()
    cs.tl.cellot(adata, solver="group_gaussian", use_rep="X", context=["kind", "patient"])
    maps = cs.tl.maps(adata)
    kept = standalone(maps, adata)
    new = adata[adata.obs["split"].isin(["test", "ood"])].copy()
    for split in ("test", "ood"):
        [there] = _support.draw(adata, maps, split=split, unit=None)
        [here] = _support.draw(new, kept, split=split, unit=None)
        assert (here.table, here.meaning) == (there.table, there.meaning)
