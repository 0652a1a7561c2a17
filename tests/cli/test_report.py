from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anndata
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc import _report

if TYPE_CHECKING:
    from tests.cli.conftest import Run


class TestReport:
    def test_page(self, run: Run, fitted_file: Path, tmp_path: Path) -> None:
        path = tmp_path / "page.html"
        out = run.well("report", fitted_file, "--out", path, "--groupby", "patient", "--split", "test")
        assert out.endswith(f"wrote {path}\n")
        assert "energy_distance of test cells:" in out
        text = path.read_text(encoding="utf-8")
        assert "fitted.h5ad · 600 cells with 60 features" in text
        # the groups are those that were named, not the default
        assert "patient_3" in text and "type_0" not in text
        assert list(tmp_path.iterdir()) == [path]

    def test_defaults(self, run: Run, fitted_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[dict[str, object]] = []

        class Found:
            scores = cs.tl.evaluate(anndata.read_h5ad(fitted_file), metrics="l2_means", n_boot=0)

            def write(self, path: Path, **words: str) -> None:
                path.write_text(words["source"])

        def compose(adata: AnnData, **options: object) -> Found:
            asked.append(options)
            return Found()

        monkeypatch.setattr(_report, "compose", compose)
        source = tmp_path / "my.fit.zarr"
        anndata.read_h5ad(fitted_file).write_zarr(source)
        run.well("report", source)
        assert (tmp_path / "my.fit.html").read_text() == "my.fit.zarr"
        told = {name: value for name, value in asked[0].items() if name not in ("n_boot", "seed")}
        assert told == {"key": "cellot", "split": None, "groupby": None, "unit": None, "metrics": ()}
        assert "my.fit.html exists; --overwrite replaces it." in run.badly("report", source)
        run.well("report", source, "--overwrite", "--key", "shift", "--unit", "patient")
        assert asked[1]["unit"] == "patient"
        assert asked[1]["key"] == "shift"
