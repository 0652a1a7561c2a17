from __future__ import annotations

import anndata as ad
import numpy as np
import pytest

from cellot_sc import _validate


def holding(**uns: object) -> ad.AnnData:
    adata = ad.AnnData(np.zeros((2, 1), dtype=np.float32))
    adata.uns.update(uns)
    return adata


def test_a_fit_is_known_by_its_maps_and_history() -> None:
    adata = holding(cellot={"maps": {}, "history": None, "format_version": 1}, other={"maps": {}})
    assert _validate.has_fit(adata, "cellot")
    assert not _validate.has_fit(adata, "other")
    assert not _validate.has_fit(adata, "none")
    assert _validate.kept_fit(adata, "cellot", 1) is adata.uns["cellot"]


def test_where_there_is_none_the_nearest_is_named() -> None:
    adata = holding(cellot={"maps": {}, "history": None})
    with pytest.raises(KeyError, match=r"'celot'\] holds no fitted maps: call cs.tl.cellot.*mean 'cellot'"):
        _validate.kept_fit(adata, "celot", 1)
    with pytest.raises(KeyError, match=r"call cs.tl.cellot first\. Maps of a model are applied .*"):
        _validate.kept_fit(holding(other={}), "cellot", 1)


def test_where_there_is_no_time_course() -> None:
    adata = holding(cellot={"maps": {}, "history": None}, course={"maps": {}, "history": None, "times": [0.0, 1.0]})
    with pytest.raises(
        KeyError, match=r"'trajectory'\] holds no time course: call cs.tl.trajectory first\. Valid: 'cou"
    ):
        _validate.has_course(adata, "trajectory")
    _validate.has_course(adata, "course")


def test_another_format_is_refused_with_the_version_that_wrote_it() -> None:
    adata = holding(cellot={"maps": {}, "history": None, "format_version": 7, "versions": {"cellot_sc": "9.1"}})
    with pytest.raises(ValueError, match=r"is of format 7, and format 1 is needed: fit again.*\(9.1\)"):
        _validate.kept_fit(adata, "cellot", 1)


@pytest.mark.parametrize("version", [np.ones(2), "1", 1.5, [1], {}])
def test_a_format_that_is_no_number_is_another(version: object) -> None:
    with pytest.raises(ValueError, match=r"^adata.uns\['cellot'\] is of format .*, and format 1 is needed"):
        _validate.kept_fit(holding(cellot={"maps": {}, "history": None, "format_version": version}), "cellot", 1)


def test_what_is_missing_of_a_broken_fit_is_named() -> None:
    with pytest.raises(ValueError, match=r"cannot be read \('seed' is missing\): fit again"):
        _validate.broken_fit("cellot", KeyError("seed"))


def test_the_column_that_maps_are_fitted_by_is_none_of_what_cells_are() -> None:
    _validate.not_treatment("drug", {"groupby": "cell_type", "unit": None})
    with pytest.raises(ValueError, match=r"^unit 'drug' is the column that maps are fitted by.* such as the cell type"):
        _validate.not_treatment("drug", {"groupby": "cell_type", "unit": "drug"})
