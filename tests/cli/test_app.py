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
from typer.main import get_command

import cellot_sc as cs
from cellot_sc import _files, _settings, cli
from cellot_sc._defaults import SOLVERS
from cellot_sc.cli._app import check_apart, flags

if TYPE_CHECKING:
    from tests.cli.conftest import Run


HEAVY = {"jax", "matplotlib", "moscot", "ott", "scanpy", "sklearn", "anndata"}


class TestHelp:
    def test_names_every_command(self, run: Run) -> None:
        out = run.well("--help")
        for command, (_, example) in cli.COMMANDS.items():
            assert f"\n  {command.__name__} " in out
            assert example.startswith(command.__name__)
            assert run.well(command.__name__, "--help").endswith(f"\n\n  cellot-sc {example}\n")
        assert run.well() == out

    @pytest.mark.parametrize(
        "command", ["demo", "fit", "predict", "evaluate", "report", "effects", "figures", "trajectory"]
    )
    def test_says_what_every_option_does(self, run: Run, command: str) -> None:
        options = [line.strip() for line in run.well(command, "--help").splitlines() if line.startswith("  --")]
        assert len(options) >= 4
        assert max(len(line) for line in run.well(command, "--help").splitlines()) <= 80

    def test_shows_the_way_of_a_model(self, run: Run) -> None:
        lines = run.well("--help").splitlines()
        assert "  cellot-sc fit cells.h5ad fitted.h5ad --model drug.cellot.zarr" in lines
        assert "  cellot-sc predict drug.cellot.zarr new.h5ad predicted.h5ad" in lines

    @pytest.mark.parametrize(
        ("command", "line"),
        [("predict", "MODEL [CELLS] OUTPUT"), ("fit", "INPUT OUTPUT"), ("inspect", "FILE"), ("reproduce", "[TASK]")],
    )
    def test_usage_is_what_one_types(self, run: Run, command: str, line: str) -> None:
        first = run.well(command, "--help").splitlines()[0]
        assert first == f"Usage: cellot-sc {command} [OPTIONS] {line}"

    def test_solvers_are_named(self, run: Run) -> None:
        assert sorted(SOLVERS) == sorted(cs.ot.SOLVERS)
        said = " ".join(run.well("trajectory", "--help").split())
        assert f"How to fit: {', '.join(SOLVERS)}." in said

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
        imported = set(json.loads(done.stdout.splitlines()[-1]))
        assert HEAVY.isdisjoint(imported)
        # these are for those who have something to check
        assert arguments[-1] != "--help" or {"numpy", "pandas"}.isdisjoint(imported)

    @pytest.mark.parametrize(
        "arguments",
        [
            ["fit", "cells.h5ad", "new.h5ad", "--perturbation-key", "pertubation"],
            ["fit", "cells.h5ad", "new.h5ad", "--holdout", "patint=101"],
            ["fit", "cells.h5ad", "new.h5ad", "--solver", "gausian"],
            ["evaluate", "cells.h5ad", "new.csv", "--groupby", "celltype"],
            ["report", "cells.h5ad", "--groupby", "celltype"],
            ["predict", "cells.h5ad", "cells.h5ad", "new.h5ad", "--control-key", "pertubation"],
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
        assert re.fullmatch(r"cellot-sc: error: .* is (not in obs|unknown). Did you mean '.*\n", done.stderr)

    @pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
    def test_killed_while_it_writes(
        self, run: Run, cells: Path, fitted_file: Path, tmp_path: Path, suffix: str
    ) -> None:
        code = """
import os, signal, sys
from cellot_sc import _on_disk
from cellot_sc.cli import main

def die(file, frame):
    finish(file, frame)
    os.kill(os.getpid(), signal.SIGKILL)

finish = _on_disk.GrowingFile.finish
_on_disk.GrowingFile.finish = die
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

    def test_commands_and_options_are_completed(self) -> None:
        for words, found in (("cellot-sc tra", "trajectory"), ("cellot-sc effects --tab", "--table")):
            asked = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
            environment = os.environ | {"_CELLOT_SC_COMPLETE": "complete_bash"} | asked
            done = subprocess.run(
                [sys.executable, "-m", "cellot_sc"], capture_output=True, text=True, env=environment
            )  # fmt: skip
            assert (done.returncode, done.stdout.split(), done.stderr) == (0, [found], "")

    def test_fit_and_an_error(self, cells: Path, tmp_path: Path) -> None:
        arguments = ("fit", cells, tmp_path / "fitted.zarr", "--solver", "mean_shift")
        done = self.start(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert "no split in obs['split']: making one" in done.stdout
        assert "cellot" in anndata.read_zarr(tmp_path / "fitted.zarr").uns
        done = self.start(*arguments)
        assert done.returncode == 2
        assert done.stderr == f"cellot-sc: error: {tmp_path / 'fitted.zarr'} exists; --overwrite replaces it.\n"


def test_flags_are_those_of_the_command_first() -> None:
    commands = get_command(cli.app).commands  # type: ignore[attr-defined]
    assert flags(commands, "fit")["perturbation_key"] == "--perturbation-key"
    predict = flags(commands, "predict")
    assert predict["perturbation_key"] == "--control-key"
    assert predict["context_map"] == "--context-map"
    assert predict["context"] == "--context"
    assert predict["match_abundance=False"] == "--keep-abundance"
    assert flags(commands, "evaluate")["baselines"] == "--baseline"
    assert flags(commands, "--help") == flags(commands, "")
    # of one word, only those of the command itself begin a sentence
    assert flags(commands, "evaluate")["metrics is"] == "--metric"
    assert flags(commands, "evaluate")["solver is"] == "--baseline"
    assert flags(commands, "fit")["solver is"] == "--solver"
    assert "groupby is" not in flags(commands, "fit")
    assert predict["cs.tl.fate"] == "cellot-sc trajectory"


def test_an_output_takes_the_place_of_nothing_that_is_read(tmp_path: Path) -> None:
    model, link = tmp_path / "m.h5", tmp_path / "link.h5"
    model.write_text("a model")
    link.symlink_to(model)
    check_apart(tmp_path / "new.h5", {"MODEL": model})
    for output in (model, link, tmp_path / "." / "x" / ".." / "m.h5"):
        with pytest.raises(ValueError, match="is both MODEL and OUTPUT: give OUTPUT another name"):
            check_apart(output, {"MODEL": model})
