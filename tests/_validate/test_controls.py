from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc import _files, _validate
from cellot_sc._validate import _controls

CALLED = [
    *(
        "control",
        "CTRL",
        "ctl",
        "DMSO",
        "DMSO_0.1",
        "DMSO_TF",
        "unst",
        "PBS",
        "Vehicle",
        "untreated",
        "mock",
        "WT",
        "NT",
    ),
    *("NT", "WT_1", "control2", "non-targeting", "Non_Targeting_3", "un-stimulated", "neg. ctrl"),
]
NOT_CALLED = ["WT1", "NT5", "controlled", "DMSO+LPS", "KLF1+ctrl", "", "1", "none"]


def test_controls_are_known_by_their_name() -> None:
    assert all(map(_controls.is_control, CALLED))
    assert not any(map(_controls.is_control, NOT_CALLED))
    assert _controls.control_of(["b", "DMSO", "control"]) == "control"
    assert _controls.control_of(["b", "DMSO", "vehicle"]) == "DMSO"
    assert _controls.control_of(["b"]) is None


@pytest.fixture
def elsewhere(adata: AnnData) -> AnnData:
    """Cells whose conditions are in a column of another name, with controls of another name."""
    adata.obs["Treatment"] = pd.Categorical(["DMSO", "b", "a", "DMSO", "a"])
    adata.obs["n_genes"], adata.obs["flag"] = np.arange(5.0), np.arange(5) > 2
    del adata.obs["perturbation"]
    return adata


def test_a_column_with_controls_is_named_where_none_is_near(elsewhere: AnnData) -> None:
    words = (
        r"perturbation_key 'perturbation' is not in adata.obs. adata.obs\['Treatment'\] holds 'DMSO': give "
        r"perturbation_key='Treatment', control='DMSO'. Valid: 'split'"
    )
    for call in (cs.tl.cellot, cs.pp.split):
        with pytest.raises(KeyError, match=words):
            call(elsewhere)
    with pytest.raises(KeyError, match=r"'treatments' is not in adata.obs. Did you mean 'Treatment'\?"):
        _validate.perturbation_labels(elsewhere, "treatments", "control")
    elsewhere.obs["Treatment"] = elsewhere.obs["Treatment"].cat.rename_categories({"DMSO": "control"})
    with pytest.raises(KeyError, match=r"holds 'control': give perturbation_key='Treatment'\. Valid"):
        cs.tl.cellot(elsewhere)
    del elsewhere.obs["Treatment"]
    with pytest.raises(KeyError, match=r"'perturbation' is not in adata.obs\.( Did you mean 'n_genes'\?)? Valid"):
        cs.tl.cellot(elsewhere)


@pytest.mark.parametrize("label", ["ctrl", "DMSO", "unst", "PBS", "vehicle", "NT", "non-targeting"])
def test_a_control_of_another_name_is_named(elsewhere: AnnData, label: str) -> None:
    elsewhere.obs["Treatment"] = elsewhere.obs["Treatment"].cat.rename_categories({"DMSO": label})
    with pytest.raises(ValueError, match=rf"'control' is not a category of .*\. Did you mean '{label}'\? Valid: "):
        cs.tl.cellot(elsewhere, "Treatment")
    with pytest.raises(ValueError, match=rf"adata.obs\['cell_type'\]\..* adata.obs\['Treatment'\] holds '{label}'"):
        cs.tl.cellot(elsewhere, "cell_type")


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_columns_of_files_are_named_without_expression(elsewhere: AnnData, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"cells{suffix}"
    _files.write(elsewhere, path)
    with pytest.raises(KeyError, match=r"adata.obs\['Treatment'\] holds 'DMSO': give perturbation_key='Treatment'"):
        _files.check_columns(path, {"perturbation_key": "perturbation"})
    with pytest.raises(KeyError, match="unit 'perturbation' is not in adata.obs.(?!.*holds)"):
        _files.check_columns(path, {"unit": "perturbation"})
    sentence = _controls.other_column_of_file(tmp_path / "none.h5ad", "drugs", ["drug", "b"])
    assert sentence == " Did you mean 'drug'? Valid: 'drug', 'b'."


def test_a_column_that_is_called_as_those_of_treatments_are_is_suggested_without_a_control_too() -> None:
    obs = pd.DataFrame({"stimulus": ["U", "A", "A"], "sample": ["x", "y", "y"]})
    said = _controls.other_column(obs, "perturbation")
    assert said.startswith(" adata.obs['stimulus'] may say how cells were treated: give perturbation_key='stimulus'")
