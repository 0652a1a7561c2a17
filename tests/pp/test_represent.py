from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import zarr
from anndata import AnnData

import cellot_sc as cs
from cellot_sc import _chunks
from cellot_sc.ot._loop import reconstruction
from cellot_sc.pp import _pca, _represent


@pytest.fixture
def adata(simulated: AnnData) -> AnnData:
    """Split cells."""
    adata = simulated.copy()
    cs.pp.split(adata, holdout={"patient": "patient_3"})
    return adata


def same_decoder(a: Any, b: Any) -> None:
    assert set(a) == set(b)
    for name in a:
        if isinstance(a[name], dict):
            same_decoder(a[name], b[name])
        else:
            np.testing.assert_array_equal(a[name], b[name])


def test_writes_representation_and_decoder(adata: AnnData) -> None:
    assert cs.pp.represent(adata, n_components=12) is None
    assert adata.obsm["X_cellot"].shape == (600, 12)
    assert adata.obsm["X_cellot"].dtype == np.float32
    decoder = adata.uns["X_cellot"]
    assert decoder["method"] == "pca"
    assert decoder["layer"] == "X"
    assert decoder["n_components"] == 12
    assert decoder["range"][0] == 0
    assert list(decoder["var_names"]) == list(adata.var_names)
    assert decoder["components"].shape == (12, 60)
    assert decoder["mean"].shape == (60,)
    ratio = decoder["explained_variance_ratio"]
    assert (np.diff(ratio) <= 0).all()
    assert 0.3 < ratio.sum() < 1


def test_train_cells_alone_decide(adata: AnnData) -> None:
    """Other cells' expression changes neither the components nor where train cells lie."""
    train = (adata.obs["split"] == "train").to_numpy()
    other = adata.copy()
    rng = np.random.default_rng(0)
    x = other.X.toarray()
    x[~train] = rng.permuted(x[~train] * 7 + 1, axis=0)
    other.X = sp.csr_matrix(x)
    for cells in (adata, other):
        cs.pp.represent(cells, n_components=10)
    same_decoder(adata.uns["X_cellot"], other.uns["X_cellot"])
    np.testing.assert_array_equal(adata.obsm["X_cellot"][train], other.obsm["X_cellot"][train])
    assert (adata.obsm["X_cellot"][~train] != other.obsm["X_cellot"][~train]).any(axis=1).all()


def test_mean_is_of_train_cells(adata: AnnData) -> None:
    cs.pp.represent(adata, n_components=5)
    train = (adata.obs["split"] == "train").to_numpy()
    expected = adata.X[train].toarray().mean(axis=0)
    np.testing.assert_allclose(adata.uns["X_cellot"]["mean"], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(adata.obsm["X_cellot"][train].mean(axis=0), 0, atol=1e-4)


def test_unsplit_cells_are_all_used_and_it_says_so(simulated: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    adata = simulated.copy()
    cs.pp.represent(adata, n_components=5)
    assert "no obs['split']: the representation is fitted on all cells" in caplog.text
    np.testing.assert_allclose(adata.obsm["X_cellot"].mean(axis=0), 0, atol=1e-4)


def test_layer_and_names(adata: AnnData) -> None:
    adata.layers["shifted"] = adata.X.toarray() - 1
    adata.obs = adata.obs.rename(columns={"split": "fold"})
    cs.pp.represent(adata, n_components=5, layer="shifted", split_key="fold", key_added="X_shifted")
    assert "X_cellot" not in adata.obsm
    decoder = adata.uns["X_shifted"]
    assert decoder["layer"] == "shifted"
    assert decoder["range"][0] < 0
    train = (adata.obs["fold"] == "train").to_numpy()
    np.testing.assert_allclose(decoder["mean"], adata.layers["shifted"][train].mean(axis=0), rtol=1e-4, atol=1e-5)


def test_dense_and_sparse_agree(adata: AnnData) -> None:
    dense = adata.copy()
    dense.X = adata.X.toarray()
    for cells in (adata, dense):
        cs.pp.represent(cells, n_components=10)
    np.testing.assert_allclose(adata.obsm["X_cellot"], dense.obsm["X_cellot"], atol=1e-3)


def test_few_genes_lower_the_number_of_components(adata: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    few = adata[:, :24].copy()
    cs.pp.represent(few)
    assert few.obsm["X_cellot"].shape == (600, 24)
    assert "n_components lowered from 50 to 24" in caplog.text


def test_few_cells_lower_the_number_of_components(simulated: AnnData) -> None:
    few = simulated[:20].copy()
    cs.pp.represent(few)
    assert few.obsm["X_cellot"].shape == (20, 19)


def test_same_cells_same_bits(adata: AnnData) -> None:
    other = adata.copy()
    for cells in (adata, other):
        cs.pp.represent(cells)
    same_decoder(adata.uns["X_cellot"], other.uns["X_cellot"])
    np.testing.assert_array_equal(adata.obsm["X_cellot"], other.obsm["X_cellot"])


def test_copy(adata: AnnData) -> None:
    out = cs.pp.represent(adata, n_components=5, copy=True)
    assert out is not None
    assert "X_cellot" not in adata.obsm
    assert "X_cellot" not in adata.uns
    cs.pp.represent(adata, n_components=5)
    np.testing.assert_array_equal(out.obsm["X_cellot"], adata.obsm["X_cellot"])


def test_log_says_what_was_added(adata: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    cs.pp.represent(adata, n_components=5)
    assert "by pca of 321 train cells: added obsm['X_cellot'] (5 dimensions)" in caplog.text


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_survives_the_disk(adata: AnnData, tmp_path: Path, suffix: str) -> None:
    cs.pp.represent(adata, n_components=8)
    path = tmp_path / f"cells.{suffix}"
    if suffix == "h5ad":
        adata.write_h5ad(path)
        back = ad.read_h5ad(path)
    else:
        adata.write_zarr(path)
        back = ad.read_zarr(path)
    same_decoder(adata.uns["X_cellot"], back.uns["X_cellot"])
    np.testing.assert_array_equal(_represent.project(back.X, back.uns["X_cellot"]), adata.obsm["X_cellot"])
    latent = adata.obsm["X_cellot"][:50] + 1
    np.testing.assert_array_equal(cs.pp.decode(back, latent), cs.pp.decode(adata, latent))


def test_new_cells_are_projected_like_those_that_were_there(adata: AnnData) -> None:
    cs.pp.represent(adata, n_components=8)
    decoder = adata.uns["X_cellot"]
    np.testing.assert_allclose(_represent.project(adata.X[5:9], decoder), adata.obsm["X_cellot"][5:9], atol=1e-5)
    control = (adata.obs["perturbation"] == "control").to_numpy()
    inert = _represent.project(adata.layers["counterfactual_drug_b"][control], decoder)
    np.testing.assert_allclose(inert, adata.obsm["X_cellot"][control], atol=1e-5)


def test_counts_can_be_integers(adata: AnnData) -> None:
    adata.layers["whole"] = adata.layers["counts"].astype(np.int64)
    cs.pp.represent(adata, n_components=5, layer="whole", key_added="a")
    cs.pp.represent(adata, n_components=5, layer="counts", key_added="b")
    np.testing.assert_allclose(adata.obsm["a"], adata.obsm["b"], rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"method": "pcaa"}, ValueError, "method 'pcaa' is unknown. Did you mean 'pca'"),
        ({"n_components": 0}, ValueError, "n_components is 0; a positive whole number"),
        ({"n_components": -3}, ValueError, "n_components is -3; a positive whole number"),
        ({"n_components": 2.5}, ValueError, "n_components is 2.5; a positive whole number"),
        ({"layer": "cuonts"}, KeyError, "layer 'cuonts' is not in adata.layers. Did you mean 'counts'"),
        ({"layer": "counterfactual_drug_a"}, ValueError, "holds NaN or inf in 400 of 600 cells"),
        ({"split_key": "splti"}, KeyError, "split_key 'splti' is not in adata.obs. Did you mean 'split'"),
        ({"split_key": "patient"}, ValueError, "labels that are no split"),
    ],
)
@pytest.mark.parametrize("copy", [True, False])
def test_bad_input(adata: AnnData, arguments: dict[str, Any], error: type[Exception], message: str, copy: bool) -> None:
    obs = adata.obs.copy()
    with pytest.raises(error, match=message):
        cs.pp.represent(adata, **arguments, copy=copy)
    assert not adata.obsm
    assert set(adata.uns) == {"simulation", "split"}
    pd.testing.assert_frame_equal(adata.obs, obs)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("sparse", [True, False])
def test_expression_that_is_not_finite(adata: AnnData, value: float, sparse: bool) -> None:
    x = adata.X.toarray()
    x[3, 5] = x[3, 6] = x[9, 1] = value
    adata.X = sp.csr_matrix(x) if sparse else x
    with pytest.raises(ValueError, match=r"adata.X holds NaN or inf in 2 of 600 cells"):
        cs.pp.represent(adata)
    assert not adata.obsm


@pytest.mark.parametrize("sparse", [True, False])
def test_expression_that_is_constant(simulated: AnnData, sparse: bool) -> None:
    adata = simulated.copy()
    adata.X = sp.csr_matrix(adata.shape, dtype=np.float32) if sparse else np.ones(adata.shape, dtype=np.float32)
    with pytest.raises(ValueError, match="The expression of train cells is the same in all of them"):
        cs.pp.represent(adata)
    assert not adata.obsm


def test_too_few_train_cells(adata: AnnData) -> None:
    train = adata.obs_names[adata.obs["split"] == "train"]
    adata.obs.loc[train[9:], "split"] = "test"
    with pytest.raises(ValueError, match="The representation has 9 train cells; at least 10 are needed"):
        cs.pp.represent(adata)
    assert not adata.obsm


def test_no_expression(simulated: AnnData) -> None:
    adata = AnnData(obs=simulated.obs, var=simulated.var)
    with pytest.raises(ValueError, match=r"adata.X is None: give the layer"):
        cs.pp.represent(adata)


def test_counts_are_warned_of_once_and_used(adata: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    cs.pp.represent(adata, n_components=3, layer="counts")
    cs.pp.represent(adata, n_components=3)
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warned) == 1
    assert warned[0].startswith("adata.layers['counts'] holds whole numbers only")
    assert "X_cellot" in adata.obsm


def test_genes_without_a_name_are_refused_before_anything_is_written(adata: AnnData) -> None:
    adata.var_names = pd.Index([None, *adata.var_names[1:]], dtype=object)
    with pytest.raises(ValueError, match=r"adata\.var_names are missing for 1 of 60 features"):
        cs.pp.represent(adata)
    assert "X_cellot" not in adata.uns
    assert "X_cellot" not in adata.obsm


@pytest.mark.parametrize("n_genes", [60, 30])
def test_expression_that_is_not_in_memory(
    adata: AnnData, store: Callable[[AnnData], AnnData], monkeypatch: pytest.MonkeyPatch, n_genes: int
) -> None:
    cs.pp.represent(adata, n_components=5)
    small = store(adata)
    cs.pp.represent(small, n_components=5)
    np.testing.assert_array_equal(small.obsm["X_cellot"], adata.obsm["X_cellot"])

    monkeypatch.setattr(_chunks, "MAX_VALUES", 60 * 50)
    monkeypatch.setattr(_pca, "MAX_READ_GENES", n_genes)
    large = store(adata)
    cs.pp.split(large, holdout={"patient": "patient_3"})
    assert large.obs["split"].tolist() == adata.obs["split"].tolist()
    cs.pp.represent(large, n_components=5)
    np.testing.assert_allclose(large.obsm["X_cellot"], adata.obsm["X_cellot"], atol=1e-4)
    for name in ("mean", "components", "explained_variance_ratio", "range"):
        np.testing.assert_allclose(large.uns["X_cellot"][name], adata.uns["X_cellot"][name], atol=1e-4)
    # fitted before a split that holds these cells out
    cs.pp.split(large, holdout={"patient": "patient_2"})


def test_networks_learn_from_cells_that_are_not_in_memory(
    adata: AnnData, store: Callable[[AnnData], AnnData], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {
        "method": "autoencoder",
        "n_components": 4,
        "n_steps": 50,
        "batch_size": 8,
        "hidden": (16,),
    }
    cs.pp.represent(adata, **given)
    monkeypatch.setattr(_chunks, "MAX_VALUES", 60 * 50)
    # no piece is smaller than all of them
    large = store(adata)
    cs.pp.represent(large, **given)
    np.testing.assert_allclose(large.obsm["X_cellot"], adata.obsm["X_cellot"], atol=1e-3)
    monkeypatch.setattr(reconstruction, "MAX_DENSE", 60 * 128)
    cs.pp.represent(large, **given)
    x = adata.X.toarray()
    errors = [np.square(cs.pp.decode(one, one.obsm["X_cellot"]) - x).sum() for one in (adata, large)]
    assert errors[1] == pytest.approx(errors[0], rel=0.02)


def test_counts_in_a_file_are_warned_of(
    adata: AnnData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_chunks, "MAX_VALUES", 60 * 50)
    AnnData(adata.layers["counts"], obs=adata.obs, var=adata.var).write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    cs.pp.represent(backed, n_components=3)
    backed.file.close()
    assert "adata.X holds whole numbers only" in caplog.text


CHILD = """
import sys
from pathlib import Path
import anndata as ad
import cellot_sc as cs

cs.settings.verbosity = "error"
small = cs.datasets.simulate(n_cells=100, n_genes=20)
cs.pp.split(small)
cs.pp.represent(small, n_components=3)

def resident(what):
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(what)).split()[1])

before = resident("VmRSS")
# what was resident at most is counted from here; what getrusage says is not less than what the parent once had
Path("/proc/self/clear_refs").write_text("5")
path = sys.argv[1]
adata = ad.experimental.read_lazy(path) if path.endswith("zarr") else ad.read_h5ad(path, backed="r")
cs.pp.split(adata)
cs.pp.represent(adata, n_components=10)
print((resident("VmHWM") - before) / (4 * adata.n_obs * adata.n_vars))
"""


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_memory_is_that_of_chunks(tmp_path: Path, suffix: str) -> None:
    if suffix == "zarr":
        pytest.importorskip("dask.array", reason="dask is not installed")
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the system does not say how much memory was used")
    rng = np.random.default_rng(0)
    n_cells, n_genes, n_copies = 20_000, 1000, 9
    indices = rng.integers(n_genes, size=(n_cells, 50)).astype(np.int32)
    indices.sort(axis=1)
    values = np.log1p(rng.exponential(3, indices.size)).astype(np.float32)
    x = sp.csr_matrix((values, indices.ravel(), np.arange(0, indices.size + 1, 50)), shape=(n_cells, n_genes))
    x.sum_duplicates()
    obs = pd.DataFrame({"perturbation": ["control", "drug"] * (n_cells * n_copies // 2)}).set_axis(
        [f"cell_{i}" for i in range(n_cells * n_copies)]
    )
    path = tmp_path / f"cells.{suffix}"
    with h5py.File(path, "w") if suffix == "h5ad" else nullcontext(zarr.open_group(path, mode="w")) as group:
        ad.io.write_elem(group, "/", AnnData(x, obs=obs[:n_cells]))
        del group["raw"]
        written = ad.io.sparse_dataset(group["X"])
        for _ in range(n_copies - 1):
            written.append(x)
        ad.io.write_elem(group, "obs", obs)
    command = [sys.executable, "-W", "ignore", "-c", CHILD, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 0 < float(done.stdout) < 0.25
