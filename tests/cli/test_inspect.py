from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import cellot_sc as cs
from cellot_sc._inspect import describe_cells

if TYPE_CHECKING:
    from tests.cli.conftest import Run


@pytest.mark.parametrize("name", ["cells", "fitted_file"])
def test_cells_are_described(run: Run, name: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(name)
    assert run.well("inspect", path) == describe_cells(path) + "\n"


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
def test_a_model_is_labelled(run: Run, model_file: Path, tmp_path: Path, suffix: str) -> None:
    model = cs.Model.load(model_file)
    path = tmp_path / f"a drug{suffix}"
    model.save(path)
    said = run.well("inspect", path)
    assert said == f"{model!r}\nnext:\n  cellot-sc predict '{path}' new.h5ad predicted.h5ad\n"
    assert said.startswith("Model of 'control' to 'drug_a', 'drug_b'\n  maps      group_gaussian in 4 dimensions")


def test_what_is_neither(run: Run, model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("text.h5ad", "text.h5", "text.zarr", "cells.csv"):
        Path(name).write_text("neither")
    for name in ("folder.h5ad", "folder.h5", "folder.zarr"):
        Path(name).mkdir()
    for name, words in {
        "text.h5ad": "text.h5ad cannot be read as .h5ad: Unable to",
        "text.h5": "text.h5 cannot be read as a model: it is something else, or its start is broken",
        "text.zarr": "text.zarr cannot be read as .zarr: it is a file, not a folder.",
        "folder.h5ad": "folder.h5ad cannot be read as .h5ad: it is no file.",
        "folder.h5": "folder.h5 cannot be read as a model: it is a folder, not a file.",
        "folder.zarr": "folder.zarr cannot be read as .zarr: ",
        "cells.csv": "cells.csv ends in '.csv'. Valid: '.h5ad', '.zarr', '.h5'.",
        "txt.h5": "txt.h5 does not exist. Did you mean 'text.h5'?",
    }.items():
        assert run.badly("inspect", name).startswith(words)
