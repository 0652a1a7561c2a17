from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anndata as ad
import mudata as md
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import zarr
from anndata import AnnData

import cellot_sc as cs
from cellot_sc import _validate


@pytest.fixture
def backed(adata: AnnData, tmp_path: Path) -> Iterator[AnnData]:
    """The cells in a file."""
    adata.write_h5ad(tmp_path / "cells.h5ad")
    out = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    yield out
    out.file.close()


class TestAnnotated:
    def test_is_what_was_given(self, adata: AnnData, backed: AnnData) -> None:
        assert _validate.annotated(adata) is adata
        assert _validate.annotated(view := adata[:2]) is view
        assert _validate.annotated(backed) is backed

    @pytest.mark.filterwarnings("ignore:The inplace keyword:Warning")
    def test_a_mudata_has_its_modalities_named(self, adata: AnnData) -> None:
        protein = AnnData(np.ones((5, 1)), obs=pd.DataFrame(index=adata.obs_names))
        mdata = md.MuData({"protein": protein, "rna": adata})
        with pytest.raises(TypeError, match=r"a MuData; .* such as mdata\['rna'\]; there are 'protein', 'rna'"):
            _validate.annotated(mdata)

    @pytest.mark.parametrize(
        ("given", "match"),
        [
            pytest.param(type("SpatialData", (), {"tables": {"cells": 1}})(), r"sdata\['cells'\]", id="spatialdata"),
            pytest.param(type("SpatialData", (), {"tables": {}})(), "it has none among its tables", id="empty"),
            pytest.param(None, "adata is None; an AnnData is needed", id="none"),
            pytest.param("cells.h5ad", r"a str; .*: read the file, .* anndata\.read_h5ad", id="text"),
            pytest.param(np.ones((2, 2)), r"a ndarray; .*: make one", id="array"),
            pytest.param(pd.DataFrame({"a": [1]}), r"a DataFrame; .*: make one, such as", id="frame"),
            pytest.param(pd.DataFrame({"perturbation": ["a"]}), r"that the table is of\.$", id="table of effects"),
            pytest.param(3, "an int; an AnnData is needed", id="number"),
        ],
    )
    def test_anything_else(self, given: Any, match: str) -> None:
        with pytest.raises(TypeError, match=match):
            _validate.annotated(given)

    def test_raw(self, adata: AnnData) -> None:
        adata.raw = adata
        with pytest.raises(TypeError, match=r"a Raw; .*: call its to_adata\(\)"):
            _validate.annotated(adata.raw)

    @pytest.mark.parametrize("suffix", ["zarr", "h5ad"])
    def test_of_what_is_read_lazily_the_tables_are_read(self, adata: AnnData, tmp_path: Path, suffix: str) -> None:
        pytest.importorskip("dask.array", reason="dask is not installed")
        adata.uns["found"] = {"numbers": np.arange(3), "table": pd.DataFrame({"a": [1, 2]}, index=["x", "y"])}
        adata.X = sp.csr_matrix(adata.X)
        path = tmp_path / f"cells.{suffix}"
        (adata.write_zarr if suffix == "zarr" else adata.write_h5ad)(path, convert_strings_to_categoricals=False)
        lazy = ad.experimental.read_lazy(path)
        with pytest.raises(TypeError, match=r"a view, and its obs is read lazily: .*cells\.obs\.to_memory\(\)"):
            _validate.annotated(lazy[:2])
        assert _validate.annotated(lazy) is lazy
        pd.testing.assert_frame_equal(lazy.obs, adata.obs, check_dtype=False)
        assert lazy.var_names.tolist() == adata.var_names.tolist()
        assert isinstance(lazy.uns["found"]["numbers"], np.ndarray)
        pd.testing.assert_frame_equal(lazy.uns["found"]["table"], adata.uns["found"]["table"])
        assert hasattr(lazy.X, "compute")
        for cells, copy in ((lazy, True), (lazy[:2], False)):
            out = _validate.writable(cells, copy=copy)
            out.obs["new"] = 1
            assert hasattr(out.X, "compute") and "new" not in lazy.obs

    @pytest.mark.filterwarnings(r"ignore:\s*AnnData expects:UserWarning")
    @pytest.mark.parametrize("axis", ["obs_names", "var_names"])
    def test_names_that_are_no_text(self, adata: AnnData, axis: str) -> None:
        setattr(adata, axis, pd.Index([*range(len(getattr(adata, axis)) - 1), "last"], dtype=object))
        with pytest.raises(TypeError, match=rf"adata\.{axis} are no text.*astype\(str\)"):
            _validate.annotated(adata)


class TestTakesAdata:
    def test_keeps_the_signature_and_the_words(self) -> None:
        assert list(inspect.signature(cs.pp.split).parameters)[:3] == ["adata", "perturbation_key", "control"]
        assert inspect.isfunction(cs.pp.split)
        assert ">>> cs.pp.split(adata" in (cs.pp.split.__doc__ or "")

    def test_checks_what_comes_first_by_place_or_name(self, adata: AnnData) -> None:
        @_validate.takes_adata
        def n_cells(adata: AnnData, more: int = 0) -> int:
            return adata.n_obs + more

        assert n_cells(adata, 1) == n_cells(adata=adata, more=1) == 6
        not_annotated: Any = None
        for call in (lambda: n_cells(not_annotated), lambda: n_cells(adata=not_annotated)):
            with pytest.raises(TypeError, match="adata is None"):
                call()
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'adata'"):
            n_cells()  # type: ignore[call-arg]

    def test_copies_of_what_is_in_a_file_are_refused_before_the_work(self, backed: AnnData) -> None:
        with pytest.raises(ValueError, match=r"adata is an AnnData in a file, .*to_memory\(\)"):
            cs.pp.split(backed, "no such column", copy=True)
        with pytest.raises(ValueError, match="adata is a view of an AnnData in a file"):
            cs.pp.split(backed[:2], "no such column")
        with pytest.raises(KeyError, match="no such column"):
            cs.pp.split(backed, "no such column")


class TestWritable:
    def test_is_the_same_or_a_copy(self, adata: AnnData) -> None:
        assert _validate.writable(adata, copy=False) is adata
        copy = _validate.writable(adata, copy=True)
        copy.obs["new"] = 1
        assert "new" not in adata.obs

    def test_a_view_is_written_to_without_a_warning_and_its_parent_is_not(self, adata: AnnData) -> None:
        view = adata[[0, 2]]
        out = _validate.writable(view, copy=False)
        out.obs["new"], out.uns["new"], out.obsm["new"] = 1, 1, np.ones((2, 1))
        assert out is view
        assert not view.is_view
        assert view.obs_names.tolist() == ["cell_0", "cell_2"]
        assert "new" not in adata.obs and "new" not in adata.uns and "new" not in adata.obsm

    def test_data_sets_of_a_file_cannot_be_copied(self, adata: AnnData, tmp_path: Path) -> None:
        x: Any = zarr.create_array(tmp_path / "x.zarr", data=np.asarray(adata.X))
        cells = AnnData(x, obs=adata.obs, var=adata.var)
        assert _validate.writable(cells, copy=False) is cells
        with pytest.raises(ValueError, match=r"adata is in a file, which cannot be copied: take adata\.to_memory"):
            _validate.writable(cells, copy=True)


def test_verbs_that_write_to_a_view_leave_its_parent_as_it_was() -> None:
    parent = cs.datasets.simulate(300, 10)
    before = parent.copy()
    cells = parent[::2]
    cs.pp.split(cells)
    cs.pp.represent(cells, n_components=3)
    cs.tl.cellot(cells, solver="mean_shift")
    cs.tl.cellot(view := cells[:100], solver="mean_shift", targets="drug_a", key_added="few")
    assert "few" in view.uns and "few" not in cells.uns
    assert list(parent.obs) == list(before.obs)
    assert set(parent.uns) == set(before.uns)
    assert not parent.obsm


def test_copyable(adata: AnnData, backed: AnnData) -> None:
    _validate.copyable(adata)
    with pytest.raises(ValueError, match="which cannot be copied"):
        _validate.copyable(backed)
    with pytest.raises(ValueError, match="which cannot be copied"):
        cs.pp.leave_one_group_out(backed, "cell_type")
