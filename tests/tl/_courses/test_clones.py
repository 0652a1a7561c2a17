from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, read_h5ad
from scipy import sparse
from sklearn.metrics import roc_auc_score

import cellot_sc as cs
from cellot_sc.tl._courses.agreement import Agreement


@pytest.fixture(scope="module")
def _cells() -> AnnData:
    adata = cs.datasets.simulate_branching(900, 40)
    cs.pp.split(adata, "time", control="0")
    cs.pp.represent(adata, n_components=6)
    cs.tl.trajectory(adata, solver="gaussian")
    cs.tl.fate(adata)
    return adata


@pytest.fixture
def cells(_cells: AnnData) -> AnnData:
    return _cells.copy()


def value(table: pd.DataFrame, model: str, metric: str, source: str = "all") -> float:
    chosen = table[
        (table["model"] == model) & (table["metric"] == metric) & (table["source"] == source) & (table["fate"] == "all")
    ]
    return float(chosen["value"].iloc[0])


def test_table(cells: AnnData) -> None:
    table = cs.tl.clonal_agreement(cells, baselines=["prior", "identity", "mean_shift"], n_boot=50)
    assert set(table["model"]) == {"gaussian", "prior", "identity", "mean_shift"}
    assert set(table["source"]) == {"0", "1", "all"}
    judged = table[table["model"] != "prior"]
    assert (judged["ci_low"] <= judged["value"]).all()
    assert (judged["value"] <= judged["ci_high"]).all()
    assert value(table, "gaussian", "accuracy") > value(table, "prior", "accuracy") + 0.2
    assert value(table, "prior", "auroc") == 0.5


def test_values_against_plain_computation(cells: AnnData) -> None:
    table = cs.tl.clonal_agreement(cells, baselines=[], n_boot=0)
    clone = np.asarray(cells.obsm["X_clone"].argmax(axis=1)).ravel()
    late = (cells.obs["time"] == 2).to_numpy()
    shares = pd.crosstab(clone[late], cells.obs["cell_type"][late].to_numpy(), normalize="index")
    early = (cells.obs["time"] == 0).to_numpy() & np.isin(clone, shares.index)
    truth = shares.loc[clone[early]].to_numpy()
    predicted = cells.obsm["fate"][early]
    right = truth[np.arange(len(truth)), predicted.argmax(1)] == truth.max(1)
    assert value(table, "gaussian", "accuracy", "0") == pytest.approx(right.mean())
    has = truth == truth.max(axis=1, keepdims=True)
    expected = np.mean([roc_auc_score(has[:, k], predicted[:, k]) for k in range(3)])
    assert value(table, "gaussian", "auroc", "0") == pytest.approx(expected)
    expected = np.mean([np.corrcoef(truth[:, k], predicted[:, k])[0, 1] for k in range(3)])
    assert value(table, "gaussian", "correlation", "0") == pytest.approx(expected)


def test_a_column_of_clones_is_the_same(cells: AnnData) -> None:
    cells.obs["clone"] = np.asarray(cells.obsm["X_clone"].argmax(axis=1)).ravel().astype(str)
    a, b = (cs.tl.clonal_agreement(cells, key, baselines=[], n_boot=0) for key in ("X_clone", "clone"))
    pd.testing.assert_frame_equal(a, b)


def test_cells_without_a_clone_are_left_out(cells: AnnData) -> None:
    whole = cs.tl.clonal_agreement(cells, baselines=[], n_boot=0)
    kept = np.random.default_rng(0).random(cells.n_obs) < 0.5
    cells.obsm["X_clone"] = sparse.csr_matrix(cells.obsm["X_clone"].toarray() * kept[:, None])
    half = cs.tl.clonal_agreement(cells, baselines=[], n_boot=0)
    assert half["n_cells"].max() < whole["n_cells"].max()


def test_a_cell_in_two_clones_has_the_relatives_of_both(cells: AnnData) -> None:
    clones = cells.obsm["X_clone"].toarray().copy()
    early = int(np.flatnonzero(cells.obs["time"] == 0)[0])
    clones[early] = True
    cells.obsm["X_clone"] = sparse.csr_matrix(clones)
    assert cs.tl.clonal_agreement(cells, baselines=[], n_boot=0)["n_cells"].max() >= 1


def test_few_clones_give_wide_intervals(cells: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    clones = cells.obsm["X_clone"].toarray()
    cells.obsm["few"] = sparse.csr_matrix(clones[:, :12])
    many = cs.tl.clonal_agreement(cells, baselines=[], n_boot=200)
    few = cs.tl.clonal_agreement(cells, "few", baselines=[], n_boot=200)

    def width(table: pd.DataFrame) -> float:
        row = table[(table["metric"] == "accuracy") & (table["source"] == "all")].iloc[0]
        return float(row["ci_high"] - row["ci_low"])

    assert width(few) > 1.5 * width(many)
    assert "clones link time 0 to the fates: expect wide intervals" in caplog.text


def test_clones_are_drawn_as_a_whole() -> None:
    observed = np.repeat(np.eye(2), 20, axis=0)
    predicted = np.vstack([np.tile([0.9, 0.1], (20, 1)), np.tile([0.6, 0.4], (20, 1))])
    agreement = Agreement(observed, np.repeat([0, 1], 20), n_boot=100, seed=0)
    # a resample has one clone twice or both once: all right, half or none
    assert agreement.accuracy(predicted) == (0.5, 0.0, 1.0)


def test_moscot_on_a_branching_process(cells: AnnData) -> None:
    table = cs.tl.clonal_agreement(cells, baselines="moscot", n_boot=20)
    # far from chance: its default regularisation is so weak that it matches single cells
    assert value(table, "moscot", "accuracy") > 0.6
    assert value(table, "moscot", "auroc") > 0.7


def test_haematopoiesis(test_data: Path) -> None:
    path = test_data / "larry_cospar_781.h5ad"
    if not path.is_file():
        pytest.skip(f"no real data: {path} is no file")
    adata = read_h5ad(path)
    adata.X = adata.X.log1p()
    cs.pp.split(adata, "time", control="2", test_fraction=0)
    cs.pp.represent(adata, n_components=20)
    cs.tl.trajectory(adata, solver="gaussian")
    cs.tl.fate(adata, fates=["Baso", "Mast", "Monocyte", "Neutrophil"])
    table = cs.tl.clonal_agreement(adata, baselines=["prior", "identity"])
    assert value(table, "gaussian", "auroc", "4") > 0.75
    rows = table[(table["model"] == "gaussian") & (table["source"] == "4")]
    assert rows["n_clones"].iloc[0] > 80


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"clone_key": "X_clones"}, KeyError, "neither in adata.obsm nor in adata.obs. Did you mean 'X_clone'"),
        ({"key": "fates"}, KeyError, "There are no fates under 'fates': call cs.tl.fate first. Did you mean 'fate'"),
        ({"baselines": "mosco"}, ValueError, "baselines 'mosco' is unknown. Did you mean 'moscot'"),
    ],
)
def test_errors(cells: AnnData, kwargs: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        cs.tl.clonal_agreement(cells, **kwargs)


def test_no_clone_spans_times(cells: AnnData) -> None:
    cells.obsm["none"] = sparse.eye_array(cells.n_obs, format="csr")
    with pytest.raises(ValueError, match="No early cell shares a clone of 'none'"):
        cs.tl.clonal_agreement(cells, "none", baselines=[])
    cells.obsm["bad"] = np.full((cells.n_obs, 2), np.nan)
    with pytest.raises(ValueError, match="holds NaN or negative values"):
        cs.tl.clonal_agreement(cells, "bad", baselines=[])


def test_a_text_for_missing_is_no_clone(cells: AnnData) -> None:
    clone = cells.obsm.pop("X_clone").argmax(axis=1)
    names = pd.Series(np.asarray(clone).ravel().astype(str), index=cells.obs_names)
    tables = []
    for missing in ("nan", None):
        cells.obs["clone"] = names.where(np.arange(cells.n_obs) % 3 > 0, missing)
        tables.append(cs.tl.clonal_agreement(cells, "clone", baselines="prior", n_boot=0))
    pd.testing.assert_frame_equal(*tables)  # type: ignore[arg-type]


def test_a_fate_that_is_named_like_all(cells: AnnData) -> None:
    cells.obs["cell_type"] = cells.obs["cell_type"].astype(str).replace("fate_a", "all")
    cs.tl.fate(cells)
    with pytest.raises(ValueError, match="has a category 'all', which names a summary"):
        cs.tl.clonal_agreement(cells, baselines="prior", n_boot=0)


def test_labels_that_have_changed_since_fates_were_read_are_told_of(
    cells: AnnData, caplog: pytest.LogCaptureFixture
) -> None:
    adata = cells
    cs.tl.fate(adata, "cell_type")
    cs.tl.clonal_agreement(adata, n_boot=0)
    assert "other labels" not in caplog.text
    exchanged = {"fate_a": "fate_b", "fate_b": "fate_a"}
    adata.obs["cell_type"] = adata.obs["cell_type"].astype(str).replace(exchanged)
    cs.tl.clonal_agreement(adata, n_boot=0)
    assert (
        "obs['cell_type'] had other labels, or other cells, when fates were read: call cs.tl.fate again" in caplog.text
    )
