from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anndata
import pytest

import cellot_sc as cs
from cellot_sc import _files, _settings

if TYPE_CHECKING:
    from tests.cli.conftest import Run


HEAVY = {"jax", "matplotlib", "moscot", "ott", "scanpy", "sklearn", "anndata"}


class TestHelp:
    def test_names_every_command(self, run: Run) -> None:
        out = run.well("--help")
        for command in ("demo", "fit", "predict", "evaluate", "report", "reproduce"):
            assert f"\n  {command} " in out
        assert run.well() == out

    @pytest.mark.parametrize("command", ["demo", "fit", "predict", "evaluate", "report"])
    def test_says_what_every_option_does(self, run: Run, command: str) -> None:
        options = [line.strip() for line in run.well(command, "--help").splitlines() if line.startswith("  --")]
        assert len(options) >= 4
        assert max(len(line) for line in run.well(command, "--help").splitlines()) <= 80

    def test_version(self, run: Run) -> None:
        assert run.well("--version") == f"cellot-sc {cs.__version__}\n"


def test_log_lines_and_settings_are_as_they_were(run: Run, fitted_file: Path, tmp_path: Path) -> None:
    before = _settings.logger.handlers[:], cs.settings.progress
    out = run.well("predict", fitted_file, tmp_path / "new.h5ad")
    assert "predicted 400 cells of drug_a, drug_b" in out
    assert (_settings.logger.handlers[:], cs.settings.progress) == before


class TestProcess:
    """What only a process of its own shows."""

    def test_settings_of_the_environment_that_cannot_be(self) -> None:
        environment = os.environ | {"CELLOT_SC_VERBOSITY": "loud"}
        done = subprocess.run(
            [sys.executable, "-m", "cellot_sc", "fit", "a.h5ad", "b.h5ad"],
            capture_output=True, text=True, env=environment,
        )  # fmt: skip
        words = "CELLOT_SC_VERBOSITY is 'loud': Input should be 'error', 'warning', 'info' or 'debug'."
        assert (done.returncode, done.stderr) == (2, f"cellot-sc: error: {words}\n")

    @staticmethod
    def start(*arguments: object) -> subprocess.CompletedProcess[str]:
        code = "import sys; from cellot_sc.cli import main; sys.argv[0] = 'cellot-sc'; main()"
        return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)

    @pytest.mark.parametrize("arguments", [["--help"], ["fit", "--help"], ["fit", "absent.h5ad", "new.h5ad"], ["x"]])
    def test_starts_without_what_is_heavy(self, arguments: list[str]) -> None:
        code = f"""
import json, sys
from cellot_sc.cli import main
try:
    main({arguments!r})
except SystemExit:
    print(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})))
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert HEAVY.isdisjoint(json.loads(done.stdout.splitlines()[-1]))

    @pytest.mark.parametrize(
        "arguments",
        [
            ["fit", "cells.h5ad", "new.h5ad", "--perturbation-key", "pertubation"],
            ["fit", "cells.h5ad", "new.h5ad", "--holdout", "patint=101"],
            ["fit", "cells.h5ad", "new.h5ad", "--solver", "gausian"],
            ["evaluate", "cells.h5ad", "new.csv", "--groupby", "celltype"],
            ["report", "cells.h5ad", "--groupby", "celltype"],
        ],
    )
    def test_a_mistyped_name_is_said_without_what_is_heavy(self, cells: Path, arguments: list[str]) -> None:
        code = f"""
import sys
from cellot_sc.cli import main
try:
    main({arguments!r})
except SystemExit:
    print(*sorted({{"anndata", "jax", "ott", "moscot", "scanpy", "zarr"}} & set(sys.modules)))
"""
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=cells.parent
        )  # fmt: skip
        assert done.stdout.strip() == ""
        assert re.fullmatch(r"cellot-sc: error: .* is (not in adata.obs|unknown). Did you mean '.*\n", done.stderr)

    @pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
    def test_killed_while_it_writes(
        self, run: Run, cells: Path, fitted_file: Path, tmp_path: Path, suffix: str
    ) -> None:
        # what is computed does not matter, and takes seconds to import
        code = f"""
import os, signal, sys, types
import anndata

def die(adata, path):
    write(adata, path)
    os.kill(os.getpid(), signal.SIGKILL)

write = anndata.AnnData.write_{suffix[1:]}
anndata.AnnData.write_{suffix[1:]} = die
sys.modules["cellot_sc.tl"] = types.SimpleNamespace(predict=lambda adata, *_, **__: adata)
from cellot_sc.cli import main
main(sys.argv[1:])
"""
        path = tmp_path / f"out{suffix}"
        old = anndata.read_h5ad(cells)
        _files.write(old, path)
        arguments = ["predict", str(fitted_file), str(path), "--overwrite"]
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")
        assert len(list(tmp_path.iterdir())) == 2
        assert _files.read(path).obs.columns.equals(old.obs.columns)
        assert "removed what a killed run had left" in run.well(*arguments)
        assert list(tmp_path.iterdir()) == [path]
        assert _files.read(path).n_obs == 400

    def test_fit_and_an_error(self, cells: Path, tmp_path: Path) -> None:
        arguments = ("fit", cells, tmp_path / "fitted.zarr", "--solver", "mean_shift")
        done = self.start(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert "no split in obs['split']: making one" in done.stdout
        assert "cellot" in anndata.read_zarr(tmp_path / "fitted.zarr").uns
        done = self.start(*arguments)
        assert done.returncode == 2
        assert done.stderr == f"cellot-sc: error: {tmp_path / 'fitted.zarr'} exists; --overwrite replaces it.\n"
