from __future__ import annotations

import logging
import shlex
from pathlib import Path

import anndata as ad
import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs


@pytest.fixture
def fitted_on_genes(simulated: AnnData) -> AnnData:
    adata = simulated.copy()
    cs.pp.split(adata, test_fraction=0.4)
    cs.tl.cellot(adata, solver="mean_shift", use_rep="X")
    return adata


def cells(adata: AnnData, name: str) -> np.ndarray:
    return ((adata.obs["split"] == "test") & (adata.obs["perturbation"] == name)).to_numpy()


def test_files_hold_the_cells_of_the_split(fitted: AnnData, tmp_path: Path):
    files = cs.tl.export_cell_eval(fitted, tmp_path / "new" / "folder")
    predicted, real = (ad.read_h5ad(file) for file in files)
    assert list(predicted.var_names) == list(real.var_names) == list(fitted.var_names)
    names = ["control", "drug_a", "drug_b"]
    for name in names:
        of_real = real[real.obs["perturbation"] == name]
        np.testing.assert_array_equal(of_real.X, fitted.X[cells(fitted, name)].toarray())
        assert (predicted.obs["perturbation"] == name).sum() == cells(fitted, "control").sum()
    for data in (predicted, real):
        assert data.obs["perturbation"].unique().tolist() == names
        assert list(data.obs.columns) == ["perturbation"]
        assert data.obs_names.is_unique
        assert data.X.dtype == np.float32
    expected = cs.tl.predict(fitted, "drug_b", cells=cells(fitted, "control")).X
    np.testing.assert_allclose(predicted[predicted.obs["perturbation"] == "drug_b"].X, expected, atol=1e-6)


def test_files_of_one_perturbation(fitted: AnnData, tmp_path: Path):
    files = cs.tl.export_cell_eval(fitted, tmp_path, targets="drug_b")
    for data in map(ad.read_h5ad, files):
        assert data.obs["perturbation"].unique().tolist() == ["control", "drug_b"]
    with pytest.raises(ValueError, match="target 'drug_c' is unknown"):
        cs.tl.export_cell_eval(fitted, tmp_path, targets="drug_c")


def test_control_cells_make_the_same_round_trip_as_predictions(fitted: AnnData, tmp_path: Path):
    predicted = ad.read_h5ad(cs.tl.export_cell_eval(fitted, tmp_path).predicted)
    round_trip = cs.pp.decode(fitted, fitted.obsm["X_cellot"][cells(fitted, "control")])
    np.testing.assert_allclose(predicted[predicted.obs["perturbation"] == "control"].X, round_trip, atol=1e-6)


def test_maps_of_genes_need_no_decoder(fitted_on_genes: AnnData, tmp_path: Path):
    predicted, real = (ad.read_h5ad(file) for file in cs.tl.export_cell_eval(fitted_on_genes, tmp_path))
    control = [data[data.obs["perturbation"] == "control"].X for data in (predicted, real)]
    np.testing.assert_array_equal(*control)
    # the shift takes some genes of some cells below zero, which no expression is
    shifted = cs.tl.predict(fitted_on_genes, "drug_a", cells=cells(fitted_on_genes, "control")).X
    assert shifted.min() == 0
    np.testing.assert_array_equal(predicted[predicted.obs["perturbation"] == "drug_a"].X, shifted)


def test_expression_of_a_layer(simulated: AnnData, tmp_path: Path):
    adata = simulated.copy()
    adata.layers["log"] = adata.X
    adata.X = adata.layers["counts"]
    cs.pp.split(adata)
    cs.pp.represent(adata, n_components=8, layer="log")
    cs.tl.cellot(adata, solver="gaussian", targets="drug_a")
    real = ad.read_h5ad(cs.tl.export_cell_eval(adata, tmp_path).real)
    assert real.obs["perturbation"].unique().tolist() == ["control", "drug_a"]
    np.testing.assert_array_equal(
        real[real.obs["perturbation"] == "drug_a"].X, adata.layers["log"][cells(adata, "drug_a")].toarray()
    )


def test_bad_input(fitted: AnnData, tmp_path: Path):
    with pytest.raises(ValueError, match="split 'tst' is unknown"):
        cs.tl.export_cell_eval(fitted, tmp_path, split="tst")
    with pytest.raises(ValueError, match="split 'ood' has 0 of 'control'"):
        cs.tl.export_cell_eval(fitted, tmp_path, split="ood")
    adata = fitted.copy()
    del adata.uns["X_cellot"]
    with pytest.raises(ValueError, match="its decoder in adata.uns is gone"):
        cs.tl.export_cell_eval(adata, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_folder_that_is_a_file(fitted: AnnData, tmp_path: Path):
    (tmp_path / "file").write_text("kept")
    for folder in (tmp_path / "file", tmp_path / "file" / "in it"):
        with pytest.raises(NotADirectoryError, match="cannot be made, as .*file' is a file: give another"):
            cs.tl.export_cell_eval(fitted, folder)
    assert (tmp_path / "file").read_text() == "kept"


def test_whole_counts_of_control_observed_and_predicted_cells(
    fitted: AnnData, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.INFO, logger="cellot_sc"):
        files = cs.tl.export_cell_eval(fitted, tmp_path, preset="vcc2026")
    predicted, real = (ad.read_h5ad(file) for file in files)
    names = ["control", "drug_a", "drug_b"]
    for data in (predicted, real):
        assert list(data.var_names) == list(fitted.var_names)
        assert data.obs["perturbation"].unique().tolist() == names
        assert (data.X.data % 1 == 0).all() and data.X.min() >= 0
    counts = fitted.layers["counts"].toarray()
    for name in names:
        np.testing.assert_array_equal(real[real.obs["perturbation"] == name].X.toarray(), counts[cells(fitted, name)])
    start = counts[cells(fitted, "control")]
    np.testing.assert_array_equal(predicted[predicted.obs["perturbation"] == "control"].X.toarray(), start)
    expected = cs.tl.predict(fitted, cells=cells(fitted, "control"))
    cs.pp.to_counts(expected, fitted)
    drawn = predicted[predicted.obs["perturbation"] != "control"]
    assert drawn.obs["perturbation"].tolist() == expected.obs["perturbation"].tolist()
    np.testing.assert_array_equal(drawn.X.toarray(), expected.layers["counts"].toarray())
    others = ad.read_h5ad(cs.tl.export_cell_eval(fitted, tmp_path, preset="vcc2026", seed=1).predicted)
    assert (others.X != predicted.X).nnz > 1000
    # drugs are no genes
    assert "no perturbation has the name of a gene of the data, such as 'gene_00'" in caplog.text
    assert caplog.messages[-1].endswith("--no-target-genes")


def test_labels_that_are_genes_and_one_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    adata = cs.datasets.simulate(300, 40, perturbations=["gene_03", "of a drug"])
    cs.tl.cellot(adata, solver="mean_shift", use_rep="X")
    with caplog.at_level(logging.INFO, logger="cellot_sc"):
        for targets in (None, "gene_03"):
            caplog.clear()
            folder = tmp_path / "my results"
            cs.tl.export_cell_eval(adata, folder, preset="vcc2026", targets=targets)
            command = shlex.split(caplog.messages[-1].split("judged by: ")[1])
            assert command[:3] == ["cell-eval2", "run", "-ap"]
            assert command[-2:] == ["-o", str(folder / "vcc2026")]
            assert ("with one perturbation" in caplog.text) == (targets is not None)
        cs.tl.export_cell_eval(adata, tmp_path)
        assert "judged by: cell-eval run -ap" in caplog.messages[-1]


def test_no_expression_is_above_what_was_learnt_from(fitted: AnnData, tmp_path: Path):
    """That of maps which stretch is, and cell-eval refuses what is no logarithm."""
    adata = fitted.copy()
    adata.obsm["X_cellot"] = np.where(cells(adata, "control")[:, None], 30, 1) * adata.obsm["X_cellot"]
    predicted = ad.read_h5ad(cs.tl.export_cell_eval(adata, tmp_path).predicted)
    train = fitted[fitted.obs["split"] == "train"]
    assert predicted.X.max() == pytest.approx(train.X.max(), rel=1e-6)


def test_what_counts_need(fitted: AnnData, tmp_path: Path):
    with pytest.raises(ValueError, match="preset 'vcc2025' is unknown.*Valid: .*'vcc2026'"):
        cs.tl.export_cell_eval(fitted, tmp_path, preset="vcc2025")  # type: ignore[arg-type]
    with pytest.raises(KeyError, match="layer 'count' is not in adata.layers.*Did you mean 'counts'"):
        cs.tl.export_cell_eval(fitted, tmp_path, preset="vcc2026", counts_layer="count")
    adata = fitted.copy()
    adata.layers["counts"] = adata.X.copy()
    with pytest.raises(ValueError, match="raw counts are needed"):
        cs.tl.export_cell_eval(adata, tmp_path, preset="vcc2026")
    assert not list(tmp_path.iterdir())


def test_genes_that_were_not_measured_are_in_neither(lacking: AnnData, tmp_path: Path):
    predicted, real = (ad.read_h5ad(file) for file in cs.tl.export_cell_eval(lacking, tmp_path))
    assert list(predicted.var_names) == list(real.var_names) == list(lacking.var_names)
    here = cells(lacking, "drug_a")
    np.testing.assert_array_equal(real[real.obs["perturbation"] == "drug_a"].X, lacking.X[here].toarray())
    with pytest.raises(ValueError, match="2 were not measured in these cells, such as 'gene_03': preset 'cell-eval'"):
        cs.tl.export_cell_eval(lacking, tmp_path, preset="vcc2026")
