from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anndata
import pandas as pd
import pytest

import cellot_sc as cs

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def test_tables_go_into_a_folder(run: Run, fitted_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "effects"
    out = run.well("effects", fitted_file, folder, "--table", "signature", "--table", "perturbation_similarity")
    assert out.endswith(f"wrote {folder}: signature.csv, perturbation_similarity.csv\n")
    assert sorted(path.name for path in folder.iterdir()) == ["perturbation_similarity.csv", "signature.csv"]
    adata = anndata.read_h5ad(fitted_file)
    pd.testing.assert_frame_equal(
        pd.read_csv(folder / "signature.csv"), cs.tl.signature(adata), check_dtype=False, rtol=1e-6
    )
    alike = pd.read_csv(folder / "perturbation_similarity.csv", index_col=0)
    assert [*alike.index] == [*alike.columns] == ["drug_a", "drug_b"]
    assert "exists; --overwrite replaces it" in run.badly("effects", fitted_file, folder)


def test_one_table_goes_into_a_file(run: Run, fitted_file: Path, tmp_path: Path) -> None:
    line = ["effects", fitted_file, tmp_path / "cells.csv", "--table", "responders", "--feature", "gene_01"]
    assert run.well(*line, "--target", "drug_a").endswith(f"wrote {tmp_path / 'cells.csv'}\n")
    table = pd.read_csv(tmp_path / "cells.csv")
    assert table["perturbation"].unique().tolist() == ["drug_a"]
    assert [path.name for path in tmp_path.iterdir()] == ["cells.csv"]


def test_what_cannot_be_made_is_said_and_the_rest_is_made(run: Run, fitted_many: Path, tmp_path: Path) -> None:
    # the cells have no cell types
    out = run.well("effects", fitted_many, tmp_path / "effects", "--target", "drug_01")
    assert "no abundance_shift: --groupby is needed for abundance_shift." in out
    assert "no responders: --feature is needed for responders." in out
    made = {path.stem for path in (tmp_path / "effects").iterdir()}
    assert {"transport_cost", "signature"} <= made and "abundance_shift" not in made


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("fitted.h5ad new.csv", "holds one table: name it by --table"),
        ("fitted.h5ad new.csv --table transport", "--table 'transport' is unknown. Did you mean 'transport_cost'?"),
        ("fitted.h5ad new.csv --table responders", "--feature is needed for responders."),
        ("fitted.h5ad new.csv --table signature --target drugA", "--target 'drugA' is unknown. Did you mean 'drug_a'?"),
        ("fitted.h5ad new --groupby celltype", "--groupby 'celltype' is not in obs. Did you mean 'cell_type'?"),
        ("cells.h5ad new", "uns['cellot'] holds no fitted maps: call cellot-sc fit first."),
    ],
)
def test_what_cannot_be(
    run: Run, cells: Path, fitted_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, words: str
) -> None:
    for source in (cells, fitted_file):
        (tmp_path / source.name).symlink_to(source)
    monkeypatch.chdir(tmp_path)
    assert words in run.badly("effects", *line.split())
    assert len(list(tmp_path.iterdir())) == 2
