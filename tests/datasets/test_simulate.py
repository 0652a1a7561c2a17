from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier

import cellot_sc as cs

SMALL: dict[str, Any] = {"n_cells": 600, "n_genes": 60}


def simulate(*args: Any, **options: Any) -> Any:
    """Return the simulated AnnData; what its parts are is for the tests to say, not for their types."""
    return cs.datasets.simulate(*args, **options)


def of(adata: Any, condition: str) -> np.ndarray:
    return (adata.obs["perturbation"] == condition).to_numpy()


def change(adata: Any, perturbation: str) -> np.ndarray:
    """Counterfactual minus observed expression of control cells."""
    control = of(adata, "control")
    return adata.layers[f"counterfactual_{perturbation}"][control] - adata.X[control].toarray()


def same(a: Any, b: Any) -> None:
    pd.testing.assert_frame_equal(a.obs, b.obs)
    assert a.var_names.equals(b.var_names)
    np.testing.assert_array_equal(a.X.toarray(), b.X.toarray())
    assert set(a.layers.keys()) == set(b.layers.keys())
    for name in [name for name in a.layers.keys() if name is not None]:
        left, right = (sp.csr_matrix(x.layers[name]).toarray() for x in (a, b))
        np.testing.assert_array_equal(left, right)
    for name, value in a.uns["simulation"].items():
        if isinstance(value, pd.DataFrame):
            pd.testing.assert_frame_equal(value, b.uns["simulation"][name])
        else:
            assert value == b.uns["simulation"][name]


def test_shape_and_scale() -> None:
    adata = simulate()
    assert adata.shape == (2000, 200)
    assert adata.obs["perturbation"].value_counts().to_dict() == {"control": 668, "drug_a": 666, "drug_b": 666}
    assert list(adata.obs["cell_type"].cat.categories) == [f"type_{k}" for k in range(4)]
    assert list(adata.obs["patient"].cat.categories) == [f"patient_{k}" for k in range(4)]
    assert adata.obs_names.is_unique
    assert isinstance(adata.X, sp.csr_matrix)
    assert adata.X.dtype == np.float32
    counts = adata.layers["counts"].toarray()
    np.testing.assert_array_equal(counts, np.round(counts))
    normalised = counts / counts.sum(axis=1, keepdims=True) * 4000
    np.testing.assert_allclose(adata.X.toarray(), np.log1p(normalised), rtol=1e-5, atol=1e-6)


def test_counts_are_realistic() -> None:
    counts = simulate().layers["counts"].toarray()
    per_gene = counts.mean(axis=0)
    assert per_gene.max() / per_gene.min() > 300
    assert per_gene.max() < 0.15 * per_gene.sum()
    assert 0.1 < (counts == 0).mean() < 0.9
    library = counts.sum(axis=1)
    assert 0.25 < np.log(library).std() < 0.45
    # more variable than Poisson within a type and patient would be, as library size and dispersion add to it
    assert np.median(counts.var(axis=0)[per_gene > 5] / per_gene[per_gene > 5]) > 1.5


def test_cells_are_spread_evenly() -> None:
    adata = simulate()
    groups = adata.obs.groupby(["perturbation", "cell_type", "patient"], observed=False).size()
    assert groups.max() - groups.min() <= 1


@pytest.mark.parametrize("n_cells", [48, 49, 50, 95])
def test_every_group_has_a_cell_at_the_least_size(n_cells: int) -> None:
    adata = simulate(n_cells, 10)
    assert adata.n_obs == n_cells
    groups = adata.obs.groupby(["perturbation", "cell_type", "patient"], observed=False).size()
    assert groups.min() >= 1


def test_types_can_be_told_apart() -> None:
    adata = simulate()
    control = adata[of(adata, "control")]
    scores = PCA(10, random_state=0).fit_transform(control.X.toarray())
    accuracy = cross_val_score(KNeighborsClassifier(15), scores, control.obs["cell_type"].to_numpy()).mean()
    assert accuracy > 0.97


@pytest.mark.parametrize("seed", [0, 7])
def test_same_seed_same_bits(seed: int) -> None:
    same(simulate(**SMALL, seed=seed), simulate(**SMALL, seed=seed))


def test_seeds_differ() -> None:
    a, b = (simulate(**SMALL, seed=seed) for seed in (0, 1))
    assert (a.X.toarray() != b.X.toarray()).mean() > 0.5


def test_population_does_not_depend_on_number_of_cells() -> None:
    a, b = (simulate(n_cells, 60).uns["simulation"] for n_cells in (200, 600))
    for table in ("responses", "effects", "patients"):
        pd.testing.assert_frame_equal(a[table], b[table])


def test_conditions_are_unpaired() -> None:
    adata = simulate(**SMALL)
    control, inert = (adata.X[of(adata, name)].toarray() for name in ("control", "drug_b"))
    assert not (control[:, None] == inert[None]).all(axis=-1).any()


def test_one_name_need_not_be_a_list() -> None:
    adata = simulate(200, 20, perturbations="drug")
    assert list(adata.obs["perturbation"].cat.categories) == ["control", "drug"]


def test_effects_can_be_seen_in_the_treated_cells() -> None:
    adata = simulate()
    responder = (adata.obs["cell_type"] == "type_0").to_numpy()
    observed = adata.X[of(adata, "drug_a") & responder].toarray().mean(axis=0)
    truth = adata.layers["counterfactual_drug_a"][of(adata, "control") & responder].mean(axis=0)
    control = adata.X[of(adata, "control") & responder].toarray().mean(axis=0)
    # what control cells would have become, and what other cells became, agree in distribution
    assert np.corrcoef(observed - control, truth - control)[0, 1] > 0.98
    assert np.abs(observed - truth).max() < 0.4


def test_counterfactual_keeps_all_but_the_effect() -> None:
    adata = simulate(**SMALL)
    control = of(adata, "control")
    layer = adata.layers["counterfactual_drug_a"]
    assert layer.dtype == np.float32
    assert np.isnan(layer[~control]).all()
    assert np.isfinite(layer[control]).all()
    # genes without an effect keep their count, so all change by the one factor that normalisation brings in
    untouched = ~adata.var_names.isin(adata.uns["simulation"]["effects"]["gene"])
    before, after = np.expm1(adata.X[control].toarray()), np.expm1(layer[control])
    ratio = (after / np.where(before > 0, before, np.nan))[:, untouched]
    np.testing.assert_array_equal((before == 0)[:, untouched], (after == 0)[:, untouched])
    np.testing.assert_allclose(np.nanmin(ratio, axis=1), np.nanmax(ratio, axis=1), rtol=1e-4)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_conditional_shift_beats_mean_shift(seed: int) -> None:
    """A map that knows the cell type can recover, cell by cell, what a mean shift cannot."""
    adata = simulate(seed=seed)
    control, treated = of(adata, "control"), of(adata, "drug_a")
    pca = PCA(50, svd_solver="covariance_eigh").fit(adata.X.toarray())
    x, y = (pca.transform(adata.X[cells].toarray()) for cells in (control, treated))
    truth = pca.transform(adata.layers["counterfactual_drug_a"][control])
    type_x, type_y = (adata.obs["cell_type"].to_numpy()[cells] for cells in (control, treated))

    by_type, oracle = x.copy(), x.copy()
    for name in np.unique(type_x):
        by_type[type_x == name] += y[type_y == name].mean(axis=0) - x[type_x == name].mean(axis=0)
        oracle[type_x == name] += (truth - x)[type_x == name].mean(axis=0)

    def error(prediction: np.ndarray) -> float:
        return float(np.sqrt(np.square(prediction - truth).sum(axis=1).mean()))

    mean_shift = error(x + y.mean(axis=0) - x.mean(axis=0))
    assert mean_shift > 4 * error(oracle)
    assert mean_shift > 3 * error(by_type)


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_survives_the_disk(tmp_path: Path, suffix: str) -> None:
    adata = simulate(200, 20)
    path = tmp_path / f"cells.{suffix}"
    if suffix == "h5ad":
        adata.write_h5ad(path)
        same(adata, ad.read_h5ad(path))
    else:
        adata.write_zarr(path)
        same(adata, ad.read_zarr(path))


def test_log_says_what_was_made(caplog: pytest.LogCaptureFixture) -> None:
    simulate(200, 20)
    assert "200 cells x 20 genes: control, drug_a, drug_b" in caplog.text


@given(
    n_cell_types=st.integers(1, 4),
    n_patients=st.integers(1, 3),
    n_genes=st.integers(1, 30),
    n_perturbations=st.integers(1, 4),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=25, deadline=None)
def test_any_size(n_cell_types: int, n_patients: int, n_genes: int, n_perturbations: int, seed: int) -> None:
    names = [f"p{i}" for i in range(n_perturbations)]
    adata = simulate(60, n_genes, n_cell_types=n_cell_types, n_patients=n_patients, perturbations=names, seed=seed)
    assert adata.shape == (60, n_genes)
    assert adata.X.min() >= 0
    assert adata.obs["cell_type"].nunique() == n_cell_types
    assert adata.obs["patient"].nunique() == n_patients
    control = of(adata, "control")
    for name in names:
        layer = adata.layers[f"counterfactual_{name}"]
        assert np.isfinite(layer[control]).all()
        assert (layer[control] >= 0).all()
        # what does not respond in the tables does not respond in the cells
        responses = adata.uns["simulation"]["responses"].query("perturbation == @name")
        still = set(responses.loc[~responses["responds"], "cell_type"])
        cells = adata.obs["cell_type"].isin(still).to_numpy()[control]
        np.testing.assert_array_equal(change(adata, name)[cells], 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_cells": 0}, "n_cells is 0; a positive whole number"),
        ({"n_cells": -5}, "n_cells is -5; a positive whole number"),
        ({"n_cells": 100.5}, "n_cells is 100.5; a positive whole number"),
        ({"n_genes": 0}, "n_genes is 0; a positive whole number"),
        ({"n_cell_types": -1}, "n_cell_types is -1; a positive whole number"),
        ({"n_patients": 0}, "n_patients is 0; a positive whole number"),
        ({"n_cells": 47}, "n_cells is 47; at least 48 are needed: one for each of 3 conditions x 4 cell types x 4 pat"),
        ({"perturbations": ()}, "perturbations is empty"),
        ({"perturbations": ("a", "control")}, "perturbations has 'control'"),
        ({"perturbations": ("a", "b", "a")}, "perturbations names one twice"),
        ({"perturbations": ("a", "")}, "perturbations has ''"),
        ({"perturbations": ("a/b",)}, "perturbations has 'a/b'"),
        ({"perturbations": (1, 2)}, "perturbations has 1"),
        ({"n_cells": True}, "n_cells is True; a positive whole number"),
        ({"n_genes": "5"}, "n_genes is '5'; a positive whole number"),
        ({"n_patients": float("nan")}, "n_patients is nan; a positive whole number"),
        ({"perturbations": 3}, "perturbations is 3: one name or several"),
        ({"baseline": "pbmc"}, "baseline is a str; an AnnData is needed"),
        ({"patient_noise": -1}, "patient_noise is -1; a finite number, 0 or more"),
        ({"nested_patients": 2}, "nested_patients is 2; True or False is needed"),
        ({"patient_noise": 11}, "patient_noise is 11; a number from"),
        ({"patient_slope": "x"}, "patient_slope is 'x'; a number from -10 to 10"),
        ({"patient_slope": float("inf")}, "patient_slope is inf; a number from -10"),
        ({"seed": -1}, "seed is -1; a whole number, 0 or more"),
        ({"seed": "x"}, "seed is 'x'; a whole number, 0 or more"),
    ],
)
def test_bad_input(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate(**arguments)


DRUGS: dict[str, Any] = {"perturbations": ("drug_a", "drug_b", "drug_c", "inert")}


def test_combinations_add_up_in_log_rates_but_for_what_is_said() -> None:
    adata = simulate(
        1200, 120, **DRUGS, combinations=[("drug_a", "drug_b"), ("inert", "drug_a")], interaction=1.0, seed=3
    )
    assert adata.obs["perturbation"].cat.categories[-2:].tolist() == ["drug_a+drug_b", "inert+drug_a"]
    truth = adata.uns["simulation"]["interactions"]
    assert truth.columns.tolist() == ["perturbation", "first", "second", "cell_type", "gene", "log_fold_change"]
    assert truth.groupby(["perturbation", "cell_type"]).size().eq(12).all() and len(truth) == 2 * 4 * 12
    assert set(truth["log_fold_change"]) == {1.0, -1.0}
    # where counts are high, log1p is the logarithm, and the rest of what normalisation does is the same for all genes
    control, kinds = of(adata, "control"), adata.obs["cell_type"]
    one = kinds.iloc[np.flatnonzero(control)] == "type_1"
    a, b, both = (change(adata, name)[one].mean(axis=0) for name in ("drug_a", "drug_b", "drug_a+drug_b"))
    added = pd.Series(0.0, adata.var_names)
    rows = truth.query("perturbation == 'drug_a+drug_b' and cell_type == 'type_1'")
    added[rows["gene"]] = rows["log_fold_change"].to_numpy()
    high = adata.layers["counts"].toarray().mean(axis=0) > 20
    assert (added[high] != 0).sum() >= 2
    beyond = (both - a - b)[high]
    assert np.corrcoef(beyond, added[high])[0, 1] > 0.97
    assert np.abs(beyond - added[high] - np.median(beyond - added[high])).max() < 0.4
    # the inert one adds nothing but what is said
    pd.testing.assert_frame_equal(
        adata.uns["simulation"]["effects"], simulate(600, 120, **DRUGS, seed=3).uns["simulation"]["effects"]
    )


def test_combinations_add_up_in_every_patient() -> None:
    adata = simulate(
        900, 40, perturbations=("drug_a", "drug_b", "inert"), combinations=[("drug_b", "inert")], patient_noise=0.3
    )
    assert not len(adata.uns["simulation"]["interactions"])
    pd.testing.assert_frame_equal(
        adata.uns["simulation"]["effects"],
        simulate(900, 40, perturbations=("drug_a", "drug_b", "inert"), patient_noise=0.3).uns["simulation"]["effects"],
    )
    high = adata.layers["counts"].toarray().mean(axis=0) > 20
    control = of(adata, "control")
    first = (adata.obs["patient"].iloc[np.flatnonzero(control)] == "patient_0").to_numpy()
    b, inert, both = (change(adata, name)[first][:, high].mean(axis=0) for name in ("drug_b", "inert", "drug_b+inert"))
    # the mean over patients of the inert one is 0, that of one patient is not
    assert np.abs(inert).mean() > 0.1
    assert np.corrcoef(both, b + inert)[0, 1] > 0.95


@pytest.mark.parametrize("stored", ["counts", "baseline"])
def test_the_same_cells_without_combinations(stored: str) -> None:
    given = {"baseline": simulate(200, 20, seed=5)} if stored == "baseline" else {}
    same(simulate(300, 20, **given, **DRUGS), simulate(300, 20, **given, **DRUGS, combinations=[], interaction=2.0))


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ("drug_a+drug_b", "a list of pairs is needed"),
        ([("drug_a", "drug_d")], "Did you mean 'drug_"),
        ([("drug_a", "drug_a")], "names one twice"),
        ([("drug_a", "drug_b"), ("drug_b", "drug_a")], "each pair is to be given once"),
        ([("drug_a", "drug_b", "drug_c")], "two different perturbations are needed"),
    ],
)
def test_what_is_no_combination_is_refused(pairs: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        simulate(300, 20, **DRUGS, combinations=pairs)
