from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anndata
import numpy as np
import pytest

import cellot_sc as cs
from cellot_sc import _files

if TYPE_CHECKING:
    from tests.cli.conftest import Run


class TestPredict:
    @pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
    def test_round_trip(self, run: Run, fitted_file: Path, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"predicted{suffix}"
        run.well("predict", fitted_file, path, "--target", "drug_a")
        found = anndata.read_h5ad(path) if suffix == ".h5ad" else anndata.read_zarr(path)
        expected = cs.tl.predict(anndata.read_h5ad(fitted_file), "drug_a")
        np.testing.assert_array_equal(found.X, expected.X)
        assert found.obs_names.tolist() == expected.obs_names.tolist()
        assert set(found.obs["perturbation"]) == {"drug_a"}

    def test_all_targets_of_a_zarr_file(self, run: Run, fitted_file: Path, tmp_path: Path) -> None:
        anndata.read_h5ad(fitted_file).write_zarr(tmp_path / "fitted.zarr")
        run.well("predict", tmp_path / "fitted.zarr", tmp_path / "all.h5ad")
        found = anndata.read_h5ad(tmp_path / "all.h5ad")
        assert found.obs["perturbation"].value_counts().to_dict() == {"drug_a": 200, "drug_b": 200, "control": 0}

    def test_some_targets(self, run: Run, fitted_file: Path, tmp_path: Path) -> None:
        run.well("predict", fitted_file, tmp_path / "two.h5ad", "--target", "drug_b", "--target", "drug_a")
        found = anndata.read_h5ad(tmp_path / "two.h5ad")
        assert found.obs["perturbation"].unique().tolist() == ["drug_b", "drug_a"]


TYPES = [f"--context-map=Type {i}=type_{i}" for i in range(4)]


class TestModel:
    @pytest.mark.parametrize("suffix", [".zarr", ".h5"])
    def test_other_cells(self, run: Run, model_file: Path, new_file: Path, tmp_path: Path, suffix: str) -> None:
        model = tmp_path / f"model{suffix}"
        cs.Model.load(model_file).save(model)
        out = run.well(
            "predict", model, new_file, tmp_path / "out.zarr", "--gene-key", "symbol", "--control-key", "drug",
            "--control", "DMSO", *TYPES, "--uncertainty", "--target", "drug_a",
        )  # fmt: skip
        assert out.endswith(f"wrote {tmp_path / 'out.zarr'}\n")
        assert "does not know" not in out
        found = anndata.read_zarr(tmp_path / "out.zarr")
        expected = cs.tl.predict(anndata.read_h5ad(model_file.with_name("typed.h5ad")), "drug_a", uncertainty=True)
        assert found.obs_names.tolist() == expected.obs_names.tolist()
        np.testing.assert_allclose(found.X, expected.X, atol=1e-5)
        np.testing.assert_allclose(found.layers["sd"], expected.layers["sd"], atol=1e-5)
        assert set(found.obs["drug"]) == {"drug_a"}

    def test_maps_of_another_file(self, run: Run, fitted_file: Path, cells: Path, tmp_path: Path) -> None:
        run.well("predict", fitted_file, cells, tmp_path / "other.h5ad", "--target", "drug_b")
        run.well("predict", fitted_file, tmp_path / "own.h5ad", "--target", "drug_b")
        found, expected = (anndata.read_h5ad(tmp_path / f"{name}.h5ad") for name in ("other", "own"))
        np.testing.assert_allclose(found.X, expected.X, atol=1e-5)

    def test_what_is_not_known_is_said_as_one_types_it(
        self, run: Run, model_file: Path, new_file: Path, tmp_path: Path
    ) -> None:
        out = run.well("predict", model_file, new_file, tmp_path / "out.h5ad", "--gene-key", "symbol")
        assert "give --context-map 'Type 0=type_0' --context-map 'Type 1=type_1' --context-map 'Type 2=type_2'" in out

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("model.zarr", "Missing argument 'OUTPUT'."),
            ("model.zarr out.h5ad", "model.zarr is a model, which has no cells: the order is MODEL CELLS OUTPUT."),
            ("model.zarr new.h5ad", "model.zarr is a model, which has no cells: the order is MODEL CELLS OUTPUT."),
            (". out.h5ad", ". ends in ''. Valid: '.h5ad', '.zarr', '.h5'."),
            ("model.h5 out.h5ad", "model.h5 does not exist."),
            ("modl.zarr new.h5ad out.h5ad", "modl.zarr does not exist. Did you mean 'model.zarr'?"),
            ("model.zarr ne.h5ad out.h5ad", "ne.h5ad does not exist. Did you mean 'new.h5ad'?"),
            ("new.h5ad model.zarr out.h5ad", "model.zarr is a model, and stands where CELLS do: the order is MODEL"),
            ("model.zarr model.zarr out.h5ad", "model.zarr is a model, and stands where CELLS do"),
            ("new.h5ad fitted.h5ad out.h5ad", "holds no fitted maps: call cellot-sc fit first."),
            ("text.h5 new.h5ad out.h5ad", "text.h5 cannot be read as a model: it is something else"),
            ("model.zarr new.h5ad out.h5", "out.h5 ends in '.h5'. Did you mean '.h5ad'?"),
            ("model.zarr new.h5ad fitted.h5ad", "fitted.h5ad exists; --overwrite replaces it."),
            ("fitted.h5ad new.h5ad", "new.h5ad exists; --overwrite replaces it, and if it holds CELLS, name an OUTPUT"),
            ("model.zarr new.h5ad model.zarr --overwrite", "model.zarr is both MODEL and OUTPUT: give OUTPUT another"),
            ("model.zarr new.h5ad new.h5ad --overwrite", "new.h5ad is both CELLS and OUTPUT: give OUTPUT another"),
            ("fitted.h5ad fitted.h5ad --overwrite", "fitted.h5ad is both MODEL and OUTPUT"),
            ("model.zarr new.h5ad a.h5ad out.h5ad", "4 files are given, and MODEL CELLS OUTPUT are three"),
            ("model.zarr new.h5ad out.h5ad --key a", "--key a: it is for an AnnData with several fits, and"),
            ("fitted.h5ad out.h5ad --gene-key symbol", "are about other cells than those of MODEL: give CELLS, too."),
            ("fitted.h5ad out.h5ad --uncertainty", "differ: fit with --context, such as --context patient."),
            ("model.zarr new.h5ad out.h5ad", "60 are there under other names: give --gene-key symbol."),
            ("model.zarr new.h5ad out.h5ad --control-key drg", "--control-key 'drg' is not in obs. Did you mean"),
            ("model.zarr new.h5ad out.h5ad --gene-key symbl", "--gene-key 'symbl' is not in var. Did you mean"),
            ("model.zarr new.h5ad out.h5ad --control DMSO", "--control DMSO is given, and there is no"),
            ("model.zarr new.h5ad out.h5ad --context-map a", "--context-map 'a' is not of the form NAME=VALUE."),
            ("model.zarr new.h5ad out.h5ad --context-map a=1 --context-map a=2", "--context-map gives 'a' twice"),
            ("model.zarr new.h5ad out.h5ad --context-map a=type_9", "--context-map: context 'type_9' is unknown."),
            ("model.zarr new.h5ad out.h5ad --target drug_x", "target 'drug_x' is unknown. Did you mean"),
        ],
    )  # fmt: skip
    def test_errors(
        self, run: Run, model_file: Path, fitted_file: Path, new_file: Path, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch, line: str, words: str,
    ) -> None:  # fmt: skip
        for name, source in {"model.zarr": model_file, "fitted.h5ad": fitted_file, "new.h5ad": new_file}.items():
            (tmp_path / name).symlink_to(source)
        (tmp_path / "text.h5").write_text("no model")
        before = sorted(tmp_path.rglob("*"))
        monkeypatch.chdir(tmp_path)
        assert words in run.badly("predict", *line.split())
        assert sorted(tmp_path.rglob("*")) == before

    def test_what_is_wrong_with_a_model_is_said_before_cells_are_read(
        self, run: Run, model_file: Path, new_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_files, "read", lambda path: pytest.fail("read"))
        broken = tmp_path / "broken.h5"
        cs.Model.load(model_file).save(broken)
        broken.write_bytes(broken.read_bytes()[:-10])
        out = tmp_path / "out.h5ad"
        assert "broken.h5 cannot be read as a model: it is cut short" in run.badly("predict", broken, new_file, out)
        assert "target 'x' is unknown" in run.badly("predict", model_file, new_file, out, "--target", "x")
        assert list(tmp_path.iterdir()) == [broken]


def test_a_model_is_no_file_of_cells(run: Run, model_file: Path, tmp_path: Path) -> None:
    words = f"{model_file} holds a model, and cells are needed: an AnnData."
    assert run.badly("fit", model_file, tmp_path / "out.h5ad") == words
    assert run.badly("evaluate", model_file, tmp_path / "out.csv") == words
    assert run.badly("report", model_file, "--out", tmp_path / "out.html") == words
