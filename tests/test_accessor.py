from __future__ import annotations

import inspect
import pickle

import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc._accessor import CellOT


def taking_adata(namespace: str) -> list[str]:
    module = getattr(cs, namespace)
    functions = {name: getattr(module, name) for name in module.__all__ if inspect.isfunction(getattr(module, name))}
    return sorted(name for name, f in functions.items() if next(iter(inspect.signature(f).parameters)) == "adata")


def test_does_the_whole_job(simulated: AnnData):
    adata = simulated.copy()
    adata.cellot.pp.split(test_fraction=0.3)
    adata.cellot.pp.represent(n_components=10)
    adata.cellot.tl.cellot(solver="gaussian")
    by_function = cs.tl.predict(adata, "drug_a", decode=False)
    by_method = adata.cellot.tl.predict("drug_a", decode=False)
    np.testing.assert_array_equal(by_function.X, by_method.X)
    assert adata.cellot.pl.marginals("drug_a", show=False) is not None


@pytest.mark.parametrize("namespace", ["pp", "tl", "pl"])
def test_has_every_function_that_takes_adata(simulated: AnnData, namespace: str):
    methods = getattr(simulated.cellot, namespace)
    assert dir(methods) == taking_adata(namespace)
    for name in dir(methods):
        function, method = getattr(getattr(cs, namespace), name), getattr(methods, name)
        assert method.__name__ == name
        assert method.__doc__ == function.__doc__
        assert list(inspect.signature(method).parameters) == list(inspect.signature(function).parameters)[1:]


def test_says_which_fits_and_spaces_there_are(simulated: AnnData):
    adata = simulated.copy()
    assert repr(adata.cellot) == "pp, tl and pl of cellot_sc"
    cs.pp.represent(adata, n_components=4)
    cs.tl.cellot(adata, solver="mean_shift", key_added="shift")
    # what is no space is not listed
    adata.obsm["images"], adata.obsm["words"] = np.zeros((adata.n_obs, 2, 2)), np.full((adata.n_obs, 2), "word")
    assert repr(adata.cellot).splitlines() == [
        "pp, tl and pl of cellot_sc",
        "  Fit 'shift': 2 maps by 'mean_shift'",
        "  Space 'X_cellot': 4 dimensions, pca of 60 genes",
    ]


def test_wrong_name(simulated: AnnData):
    with pytest.raises(AttributeError, match=r"adata\.cellot\.tl has no 'predikt'\. Did you mean 'predict'"):
        simulated.cellot.tl.predikt  # noqa: B018


def test_belongs_to_its_object(simulated: AnnData):
    adata = simulated.copy()
    assert isinstance(adata.cellot, CellOT)
    part = adata[:300].copy()
    part.cellot.pp.split()
    assert "split" in part.obs
    assert "split" not in adata.obs
    assert "split" not in adata.copy().obs


def test_does_not_get_in_the_way_of_pickle(simulated: AnnData):
    adata = simulated[:, :5].copy()
    adata.cellot.pp.split()
    copy = pickle.loads(pickle.dumps(adata))
    assert copy.cellot.pp.split(key_added="other") is None
    assert "other" in copy.obs
    assert "other" not in adata.obs
