from __future__ import annotations

from pathlib import Path

import mudata as md
import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs

# it drops columns in a way that pandas 3.1 deprecates
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.drop:DeprecationWarning")


@pytest.fixture
def mdata(simulated: AnnData) -> md.MuData:
    protein = AnnData(np.ones((simulated.n_obs, 2), dtype=np.float32), obs=simulated.obs[["patient"]].copy())
    return md.MuData({"rna": simulated.copy(), "protein": protein})


def test_maps_of_a_modality_survive_its_file(mdata: md.MuData, tmp_path: Path):
    cs.pp.represent(mdata["rna"], n_components=5)
    cs.tl.cellot(mdata["rna"], solver="gaussian")
    before = cs.tl.predict(mdata["rna"], "drug_a")
    mdata.write(tmp_path / "both.h5mu")
    again = md.read(tmp_path / "both.h5mu")
    assert set(again.mod) == {"rna", "protein"}
    after = cs.tl.predict(again["rna"], "drug_a")
    assert after.shape == (200, 60)
    np.testing.assert_array_equal(after.X, before.X)


def test_prediction_is_a_modality(mdata: md.MuData):
    cs.tl.cellot(mdata["rna"], solver="gaussian")
    predicted = cs.tl.predict(mdata["rna"], "drug_a")
    control = mdata[predicted.obs_names]["protein"].copy()
    both = md.MuData({"rna": predicted, "protein": control})
    assert both.n_obs == 200 and both.n_vars == 62


def test_labels_that_belong_to_the_whole_are_asked_for_in_the_modality(mdata: md.MuData):
    mdata.obs["condition"] = mdata["rna"].obs["perturbation"]
    del mdata["rna"].obs["perturbation"]
    with pytest.raises(TypeError, match="MuData"):
        cs.tl.cellot(mdata, "condition")
