from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata
import numpy as np
import pytest

import cellot_sc as cs
from cellot_sc import cli

if TYPE_CHECKING:
    from tests.cli.conftest import Run

GAUSSIAN = ("--solver", "gaussian", "--n-components", 4)


class TestFit:
    def test_does_what_the_functions_do(self, run: Run, cells: Path, fitted_file: Path) -> None:
        expected = anndata.read_h5ad(cells)
        cs.pp.split(expected)
        cs.pp.represent(expected, n_components=8)
        cs.tl.cellot(expected, solver="gaussian")
        found = anndata.read_h5ad(fitted_file)
        assert found.obs["split"].tolist() == expected.obs["split"].tolist()
        np.testing.assert_array_equal(found.obsm["X_cellot"], expected.obsm["X_cellot"])
        for target in ("drug_a", "drug_b"):
            np.testing.assert_array_equal(cs.tl.predict(found, target).X, cs.tl.predict(expected, target).X)

    def test_every_option_arrives(self, run: Run, cells: Path, tmp_path: Path) -> None:
        adata = anndata.read_h5ad(cells)
        adata.obs["drug"] = adata.obs["perturbation"].cat.rename_categories({"control": "DMSO"})
        adata.write_h5ad(tmp_path / "in.h5ad")
        out = run.well(
            "fit", tmp_path / "in.h5ad", tmp_path / "out.zarr", "--perturbation-key", "drug", "--control", "DMSO",
            "--target", "drug_b", "--target", "drug_a", "--use-rep", "X", "--split-key", "part",
            "--context", "cell_type", "--context", "patient", "--seed", "3", "--key", "maps", "--set", "width=8",
            "--set", "penalties=[1, 2]", "--set", "n_steps=2", "--holdout", "patient=patient_0",
            "--keep-abundance",
        )  # fmt: skip
        assert out.endswith(f"wrote {tmp_path / 'out.zarr'}\n")
        found = anndata.read_zarr(tmp_path / "out.zarr")
        expected = {
            "label_key": "drug", "control": "DMSO", "targets": ("drug_b", "drug_a"), "use_rep": "X",
            "split_key": "part", "context": ("cell_type", "patient"), "solver": "icnn", "seed": 3,
            "match_abundance": False, "options": {"width": 8, "penalties": (1, 2), "n_steps": 2},
        }  # fmt: skip
        assert expected.items() <= dataclasses.asdict(cs.tl.maps(found, "maps").fit).items()
        assert set(found.obs["patient"][found.obs["part"] == "ood"]) == {"patient_0"}
        assert "patient_0" not in set(found.obs["patient"][found.obs["part"] != "ood"])

    def test_keeps_the_split_and_the_representation_that_are_there(
        self, run: Run, fitted_file: Path, tmp_path: Path
    ) -> None:
        run.well("fit", fitted_file, tmp_path / "again.h5ad", "--solver", "mean_shift", "--key", "shift")
        before, after = anndata.read_h5ad(fitted_file), anndata.read_h5ad(tmp_path / "again.h5ad")
        assert after.obs["split"].tolist() == before.obs["split"].tolist()
        np.testing.assert_array_equal(after.obsm["X_cellot"], before.obsm["X_cellot"])
        assert {"cellot", "shift"} <= set(after.uns)

    def test_same_file_in_and_out(self, run: Run, fitted_file: Path, tmp_path: Path) -> None:
        path = tmp_path / "cells.h5ad"
        path.write_bytes(fitted_file.read_bytes())
        assert "exists; --overwrite replaces it" in run.badly("fit", path, path, "--solver", "identity")
        run.well("fit", path, path, "--solver", "identity", "--overwrite")
        assert anndata.read_h5ad(path).uns["cellot"]["solver"] == "identity"


class TestReport:
    def test_is_that_of_the_command(
        self, run: Run, cells: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[Any] = []
        monkeypatch.setattr(cli._fit, "report", lambda *given, **options: made.append((*given, options)))
        page, out = tmp_path / "page.html", tmp_path / "out.h5ad"
        run.well("fit", cells, out, *GAUSSIAN, "--key", "maps", "--report", page)
        assert made == [(out, page, {"key": "maps", "overwrite": False})]

    def test_errors_come_before_the_fit(self, run: Run, cells: Path, tmp_path: Path) -> None:
        (tmp_path / "there.html").touch()
        for page, words in {"there.html": "--overwrite replaces it", "page.pdf": "'.html'"}.items():
            assert words in run.badly("fit", cells, tmp_path / "out.h5ad", *GAUSSIAN, "--report", tmp_path / page)
        said = run.badly("fit", cells, tmp_path / "out", "--shard", "1/1", "--report", tmp_path / "page.html")
        assert "--shard and --report exclude each other" in said
        assert not (tmp_path / "out.h5ad").exists()


class TestModel:
    def test_holds_the_maps_of_the_file(self, run: Run, model_file: Path) -> None:
        adata = anndata.read_h5ad(model_file.with_name("typed.h5ad"))
        model = cs.Model.load(model_file)
        assert repr(model) == repr(cs.Model.of(adata))
        assert model.fitted.fit.context == ("cell_type",)

    def test_errors(self, run: Run, cells: Path, model_file: Path, tmp_path: Path) -> None:
        source = tmp_path / "cells.zarr"
        anndata.read_h5ad(cells).write_zarr(source)
        out = tmp_path / "out.zarr"
        for model, words in {
            out: f"{out} is both OUTPUT and --model: give --model another name.",
            source: f"{source} is both INPUT and --model: give --model another name.",
            tmp_path / "m.h5ad": "m.h5ad ends in '.h5ad'. Did you mean '.h5'? Valid: '.zarr', '.h5'.",
            tmp_path / "absent" / "m.h5": "the folder",
        }.items():
            assert words in run.badly("fit", source, out, "--model", model, "--overwrite")
        assert "model.cellot.zarr exists; --overwrite replaces it." in run.badly(
            "fit", source, out, "--model", model_file
        )
        assert list(tmp_path.iterdir()) == [source]

    def test_both_or_neither(self, run: Run, cells: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def stopped(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(cs.Model, "save", stopped)
        fit = ["fit", cells, tmp_path / "out.h5ad", "--model", tmp_path / "m.h5", "--solver", "mean_shift"]
        assert run(*fit)[::2] == (130, "cellot-sc: error: interrupted; nothing was written\n")
        assert list(tmp_path.iterdir()) == []
