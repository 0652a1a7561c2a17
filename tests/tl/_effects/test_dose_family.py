from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pytest
from anndata import AnnData

from cellot_sc.tl._effects import dose_family


def test_families_are_the_same_after_write_and_read(dosed: AnnData, tmp_path: Path) -> None:
    dosed.write_h5ad(tmp_path / "cells.h5ad")
    kept, read = (
        dose_family.load(cells, "dose_response") for cells in (dosed, anndata.read_h5ad(tmp_path / "cells.h5ad"))
    )
    x = np.asarray(dosed.X[:5])
    for name, family in kept.families.items():
        other = read.families[name]
        assert family.names == other.names and family.labels == other.labels
        np.testing.assert_array_equal(family.move(x, None, 2.0), other.move(x, None, 2.0))
    assert read.curves.equals(kept.curves) or read.curves.astype(str).equals(kept.curves.astype(str))


def test_cells_are_between_the_two_doses_around(dosed: AnnData) -> None:
    family = dose_family.load(dosed, "dose_response").families["drug_a"]
    x = np.asarray(dosed.X[:5])
    low, high, between = (family.move(x, None, dose) for dose in (3.0, 10.0, 5.0))
    part = ((between - low) / (high - low)).mean()
    assert 0.1 < part < 0.9
    np.testing.assert_allclose(between, low + part * (high - low), atol=1e-4)
    np.testing.assert_array_equal(family.move(x, None, 0.0), x)
    # what goes on beyond the highest dose does so less and less
    top = family.move(x, None, 30.0)
    further = np.abs(family.move(x, None, 300.0) - x).sum() / np.abs(top - x).sum()
    assert 1 < further < 1.5


def test_nothing_is_known_of_a_dose_left_out(dosed: AnnData) -> None:
    family = dose_family.load(dosed, "dose_response").families["drug_a"]
    left = family.without(4)
    assert 3.0 in family.doses and 3.0 not in left.doses
    assert len(left.fitted.maps) == len(left.labels) - 1 == len(left.means.mean) - 1 == 5
    assert not np.array_equal(left.move(dosed.X[:5], None, 3.0), family.move(dosed.X[:5], None, 3.0))


def test_what_is_broken_is_refused(dosed: AnnData) -> None:
    with pytest.raises(KeyError, match="Did you mean 'dose_response'"):
        dose_family.load(dosed, "dose_respons")
    dosed.uns["dose_response"]["families"]["0"]["doses"] = np.arange(3.0)
    with pytest.raises(ValueError, match="cannot be read"):
        dose_family.load(dosed, "dose_response")
    dosed.uns["dose_response"]["format_version"] = 99
    with pytest.raises(ValueError, match="is of format 99"):
        dose_family.load(dosed, "dose_response")
