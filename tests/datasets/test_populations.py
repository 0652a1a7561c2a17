from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
from anndata import AnnData

import cellot_sc as cs


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


def baseline_cells(**obs: Any) -> Any:
    rng = np.random.default_rng(0)
    x = np.log1p(rng.poisson(3, (80, 12)) * 1.3).astype(np.float32)
    names = pd.DataFrame(obs, index=[f"b{i}" for i in range(80)])
    return AnnData(x, obs=names, var=pd.DataFrame(index=[f"known_{g}" for g in range(12)]))


def test_baseline_scanpy_cells() -> None:
    baseline: Any = sc.datasets.pbmc68k_reduced()
    adata = simulate(900, baseline=baseline, perturbations=("ifn", "a", "b"))
    assert adata.var_names.equals(baseline.raw.var_names)
    assert set(adata.obs["cell_type"]) <= set(baseline.obs["bulk_labels"])
    assert "counts" not in adata.layers
    assert isinstance(adata.X, sp.csr_matrix)
    # control and inert cells are cells of the baseline: X is scaled there, so they come from raw
    known = {row.tobytes() for row in baseline.raw.X.toarray()}
    unchanged = adata.X[of(adata, "control") | of(adata, "b")].toarray()
    assert all(row.tobytes() in known for row in unchanged)
    assert np.linalg.norm(change(adata, "ifn"), axis=1).min() > 0
    np.testing.assert_array_equal(change(adata, "b"), 0)
    responder = (adata.obs["cell_type"] == "Dendritic").to_numpy()[of(adata, "control")]
    shift = np.linalg.norm(change(adata, "a"), axis=1)
    assert shift[responder].min() > 0
    np.testing.assert_array_equal(shift[~responder], 0)


def test_baseline_effect_is_on_the_log_scale() -> None:
    adata = simulate(60, baseline=baseline_cells(), perturbations=["p"])
    control = of(adata, "control")
    effects = adata.uns["simulation"]["effects"].set_index("gene")["log_fold_change"]
    strength = adata.uns["simulation"]["patients"].set_index("patient")["strength"]
    fold = np.outer(strength[adata.obs["patient"][control]], effects.reindex(adata.var_names).fillna(0))
    expected = np.log1p(np.expm1(adata.X[control].toarray()) * np.exp(fold))
    np.testing.assert_allclose(adata.layers["counterfactual_p"][control], expected, rtol=1e-5, atol=1e-6)


def test_baseline_same_seed_same_bits() -> None:
    same(*(simulate(100, baseline=baseline_cells(), seed=3) for _ in range(2)))


@pytest.mark.parametrize(
    ("columns", "read"),
    [
        (["leiden", "louvain", "bulk_labels", "cell_type"], "cell_type"),
        (["leiden", "louvain", "bulk_labels"], "bulk_labels"),
        (["leiden", "louvain"], "louvain"),
        (["leiden"], "leiden"),
        ([], None),
    ],
)
def test_baseline_cell_types(columns: list[str], read: str | None) -> None:
    baseline = baseline_cells(**{column: np.resize([f"{column}_x", f"{column}_y"], 80) for column in columns})
    adata = simulate(100, baseline=baseline)
    assert set(adata.obs["cell_type"]) == ({"all"} if read is None else {f"{read}_x", f"{read}_y"})


def test_baseline_patients() -> None:
    known = simulate(100, baseline=baseline_cells(patient=np.resize(["101", "107"], 80)))
    assert set(known.obs["patient"]) == {"101", "107"}
    unknown = simulate(100, baseline=baseline_cells(), n_patients=3)
    assert set(unknown.obs["patient"]) == {"patient_0", "patient_1", "patient_2"}


def test_baseline_is_left_as_it_was() -> None:
    baseline = baseline_cells(cell_type=np.resize(["x", "y"], 80))
    before = baseline.copy()
    simulate(100, baseline=baseline)
    np.testing.assert_array_equal(baseline.X, before.X)
    pd.testing.assert_frame_equal(baseline.obs, before.obs)


def test_bad_baseline() -> None:
    counts = baseline_cells()
    counts.X = np.round(counts.X)
    with pytest.raises(ValueError, match="whole numbers only, as counts do"):
        simulate(100, baseline=counts)

    scaled = baseline_cells()
    scaled.X = scaled.X - 1
    with pytest.raises(ValueError, match="no expression without negative values in X or raw.X"):
        simulate(100, baseline=scaled)
    with pytest.raises(ValueError, match="no expression without negative values"):
        simulate(100, baseline=AnnData(obs=scaled.obs))

    missing = baseline_cells()
    missing.X[3, 2] = np.nan
    with pytest.raises(ValueError, match=r"baseline.X holds NaN or inf in 1 of 80 cells"):
        simulate(100, baseline=missing)

    unlabelled = baseline_cells(cell_type=pd.Categorical([None, *["x"] * 79]))
    with pytest.raises(ValueError, match=r"baseline.obs\['cell_type'\] is missing for 1 cells"):
        simulate(100, baseline=unlabelled)

    with pytest.raises(ValueError, match="n_cells is 2; at least 3 are needed: one for each of 3 conditions"):
        simulate(2, baseline=baseline_cells())
