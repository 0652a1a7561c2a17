from __future__ import annotations

from pathlib import Path

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
