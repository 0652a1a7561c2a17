from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellot_sc import cli


@pytest.fixture(scope="session")
def cells(simulated: AnnData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated cells as they come: no split, no representation."""
    path = tmp_path_factory.mktemp("cells") / "cells.h5ad"
    simulated.write_h5ad(path)
    return path


@pytest.fixture(scope="session")
def fitted_file(cells: Path) -> Path:
    """Cells with Gaussian maps."""
    path = cells.with_name("fitted.h5ad")
    with pytest.raises(SystemExit) as exit_:
        cli.main(["fit", str(cells), str(path), "--solver", "gaussian", "--n-components", "8"])
    assert exit_.value.code == 0
    return path


class Run:
    """Runs the command line in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            cli.main([str(argument) for argument in arguments])
        out, err = self.capsys.readouterr()
        assert isinstance(exit_.value.code, int)
        return exit_.value.code, out, err

    def well(self, *arguments: object) -> str:
        status, out, err = self(*arguments)
        assert (status, err) == (0, "")
        return out

    def badly(self, *arguments: object) -> str:
        """Return the one line on stderr."""
        status, _, err = self(*arguments)
        assert status == 2
        assert err.startswith("cellot-sc: error: ")
        assert err.endswith("\n")
        assert err.count("\n") == 1
        return err.removeprefix("cellot-sc: error: ").strip()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(capsys)


@pytest.fixture(scope="session")
def model_file(cells: Path) -> Path:
    """A model of Gaussian maps of each cell type; beside it, the cells that it was fitted to have them, too."""
    path = cells.with_name("model.cellot.zarr")
    with pytest.raises(SystemExit) as exit_:
        cli.main(
            ["fit", str(cells), str(path.with_name("typed.h5ad")), "--model", str(path), "--solver", "group_gaussian",
             "--context", "cell_type", "--n-components", "4"]
        )  # fmt: skip
    assert exit_.value.code == 0
    return path


@pytest.fixture(scope="session")
def new_file(cells: Path) -> Path:
    """Control cells of another file: other names of genes, of cell types and of the control, genes in another order."""
    adata = anndata.read_h5ad(cells)
    new = adata[adata.obs["perturbation"] == "control"].copy()[:, ::-1].copy()
    new.obs["drug"] = "DMSO"
    new.obs["cell_type"] = new.obs["cell_type"].astype(str).str.replace("type_", "Type ")
    del new.obs["perturbation"]
    new.var["symbol"] = new.var_names
    new.var_names = [f"ENSG{i}" for i in range(new.n_vars)]
    path = cells.with_name("new.h5ad")
    new.write_h5ad(path)
    return path


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cells of 18 perturbations, in three blocks, as they come: no split, no representation."""
    rng = np.random.default_rng(0)
    numbers = np.repeat(np.arange(-3, 18), 30)
    x = rng.normal(size=(len(numbers), 6)).astype(np.float32) + np.maximum(numbers, 0)[:, None] / 10
    labels = np.where(numbers < 0, "control", [f"drug_{i:02}" for i in numbers])
    patients = np.resize(["one", "two", "three"], len(x))
    obs = pd.DataFrame({"perturbation": labels, "patient": patients}, index=[f"c{i}" for i in range(len(x))])
    path = tmp_path_factory.mktemp("many") / "cells.h5ad"
    anndata.AnnData(x, obs).write_h5ad(path)
    return path


@pytest.fixture(scope="session")
def fitted_many(many: Path) -> Path:
    """The same with maps."""
    path = many.with_name("fitted.h5ad")
    with pytest.raises(SystemExit):
        cli.main(["fit", str(many), str(path), "--n-components", "4", "--solver", "mean_shift"])
    return path
