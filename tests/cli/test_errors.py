from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import cellot_sc as cs
from cellot_sc import _files, _on_disk, cli

if TYPE_CHECKING:
    from tests.cli.conftest import Run


class TestErrors:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["fit", "cell.h5ad", "new.h5ad"], "cell.h5ad does not exist. Did you mean"),
            (["fit", "cells.csv", "new.h5ad"], "ends in '.csv'. Valid: '.h5ad', '.zarr'."),
            (["fit", "broken.h5ad", "new.h5ad"], "broken.h5ad cannot be read as .h5ad: "),
            (["fit", "cells.h5ad", "new.h5a"], "ends in '.h5a'. Did you mean '.h5ad'?"),
            (["fit", "cells.h5ad", "fitted.h5ad"], "fitted.h5ad exists; --overwrite replaces it."),
            (["fit", "cells.h5ad", "absent/new.h5ad"], "the folder"),
            (
                ["fit", "cells.h5ad", "new.h5ad", "--perturbation-key", "perturbatoin"],
                "--perturbation-key 'perturbatoin' is not",
            ),
            (["fit", "cells.h5ad", "new.h5ad", "--control", "contrl"], "Did you mean 'control'?"),
            (["fit", "cells.h5ad", "new.h5ad", "--target", "drug_x"], "--target 'drug_x' is unknown."),
            (["fit", "cells.h5ad", "new.h5ad", "--solver", "icn"], "--solver 'icn' is unknown. Did you mean 'icnn'?"),
            (
                ["fit", "cells.h5ad", "new.h5ad", "--set", "n_step=3"],
                "--set: --solver 'icnn' has no option 'n_step'. Did you mean 'n_steps'?",
            ),
            (["fit", "cells.h5ad", "new.h5ad", "--set", "n_steps=many"], "--set n_steps is 'many'"),
            (["fit", "cells.h5ad", "new.h5ad", "--set", "n_steps"], "--set 'n_steps' is not of the form NAME=VALUE."),
            (["fit", "cells.h5ad", "new.h5ad", "--set", "n_steps="], "--set 'n_steps=' is not of the form NAME=VALUE."),
            (["fit", "cells.h5ad", "new.h5ad", "--set", "=3"], "--set '=3' is not of the form NAME=VALUE."),
            (["fit", "cells.h5ad", "new.h5ad", "--set", "n_steps=a=b"], "n_steps is 'a=b'; a positive whole number"),
            (["fit", "cells.h5ad", "new.h5ad", "--set", "n_steps=1e3"], "n_steps is 1000.0; a positive whole number"),
            (["fit", "cells.h5ad", "new.h5ad", "--set", "n_steps=None"], "n_steps is None; a positive whole number"),
            (["fit", "cells.h5ad", "new.h5ad", "--set", "n_steps=True"], "n_steps is True; a positive whole number"),
            (["fit", "cells.h5ad", "new.h5ad", "--set", "n_steps=[[["], "n_steps is '[[['"),
            (["fit", "cells.h5ad", "new.h5ad", "--set", "penalties=NaN"], "penalties is nan"),
            (["fit", "cells.h5ad", "new.h5ad", "--set", "width=" + "9" * 5000], "width is '9999"),
            (
                ["fit", "cells.h5ad", "new.h5ad", "--set", "n_steps=3", "--set", "n_steps=4"],
                "'n_steps' twice: '3' and",
            ),
            (["fit", "cells.h5ad", "folder.h5ad", "--overwrite"], "is a folder that is no Zarr store"),
            (["fit", "folder.h5ad", "new.h5ad"], "folder.h5ad cannot be read as .h5ad: it is no file."),
            (["reproduce", "../x", "--data", "."], "task '../x' is unknown."),
            (["reproduce", "4i", "--data", ".", "--set", "use_rep=X"], "'use_rep' is none: it is for Python only."),
            (["reproduce", "4i", "--data", ".", "--set", "seed=3"], "'seed' is none: give --seed."),
            (["fit", "cells.h5ad", "new.h5ad", "--use-rep", "X_umap"], "--use-rep 'X_umap' is not in obsm."),
            (["fit", "cells.h5ad", "new.h5ad", "--use-rep", "X", "--n-components", "3"], "exclude each other"),
            (["fit", "cells.h5ad", "new.h5ad", "--n-components", "0"], "--n-components is 0; a positive whole number"),
            (
                ["fit", "cells.h5ad", "new.h5ad", "--n-components", "x"],
                "--n-components is 'x'; a whole number is needed.",
            ),
            (["fit", "cells.h5ad", "new.h5ad", "--holdout", "patient=9"], "--holdout value of obs['patient'] '9'"),
            (
                ["fit", "cells.h5ad", "new.h5ad", "--context", "cell_type", "--context", "patien"],
                "Did you mean 'patient'?",
            ),
            (["fit", "cells.h5ad", "new.h5ad", "--seed", "-1"], "--seed is -1"),
            (["fit", "fitted.h5ad", "new.h5ad", "--holdout", "patient=patient_0"], "obs['split'] exists, but"),
            (["predict", "cells.h5ad", "new.h5ad"], "holds no fitted maps: call cellot-sc fit first."),
            (
                ["predict", "fitted.h5ad", "new.h5ad", "--target", "drugA"],
                "--target 'drugA' is unknown. Did you mean 'drug_a'?",
            ),
            (
                ["fit", "cells.h5ad", "new.h5ad", "--target", "drug_a", "--target", "drug_a"],
                "--target names one twice",
            ),
            (["predict", "fitted.h5ad", "new.h5ad", "--key", "celot"], "Did you mean 'cellot'?"),
            (["evaluate", "fitted.h5ad", "new.txt"], "ends in '.txt'. Valid: '.csv'."),
            (["evaluate", "fitted.h5ad", "new.csv", "--split", "tset"], "Did you mean 'test'?"),
            (
                ["evaluate", "fitted.h5ad", "new.csv", "--split", "ood"],
                "cellot-sc fit --holdout patient=101, or judge by --split test",
            ),
            (
                ["evaluate", "fitted.h5ad", "new.csv", "--metric", "mdd"],
                "--metric 'mdd' is unknown. Did you mean 'mmd'?",
            ),
            (["evaluate", "fitted.h5ad", "new.csv", "--groupby", "celltype"], "Did you mean 'cell_type'?"),
            (
                ["evaluate", "fitted.h5ad", "new.csv", "--space", "gene"],
                "--space 'gene' is unknown. Did you mean 'genes'?",
            ),
            (
                ["evaluate", "fitted.h5ad", "new.csv", "--n-markers", "5"],
                "give --space genes, or maps fitted with --use-rep X.",
            ),
            (["figures", "fitted.h5ad", "new", "--format", "jpg"], "--format 'jpg' is unknown."),
            (["fit", "cells.h5ad", "new.h5ad", "--test-fraction=abc"], "--test-fraction is 'abc'; a number is needed."),
            (
                ["fit", "cells.h5ad", "new.h5ad", "--solver", "gaussian", "--context", "cell_type"],
                "--solver 'gaussian' fits no map per context: leave --context out, or give another solver. Valid: ",
            ),
            (
                ["fit", "cells.h5ad", "new.h5ad", "--split-key", "patient"],
                "--split-key 'patient' has labels that are no split",
            ),
            (
                ["trajectory", "cells.h5ad", "new.h5ad", "--time-key", "patient", "--order", "8"],
                "--order value of obs['patient'] '8' is unknown.",
            ),
            (
                ["effects", "cells.h5ad", "new"],
                "Maps of a model are applied to these cells by cellot-sc predict MODEL CELLS OUTPUT.",
            ),
            (["evaluate", "fitted.h5ad", "new.csv", "--n-cells", "0"], "--n-cells is 0; a positive whole number"),
            (
                ["evaluate", "fitted.h5ad", "new.csv", "--unit", "patien"],
                "--unit 'patien' is not in obs. Did you mean 'patient'?",
            ),
            (
                ["evaluate", "fitted.h5ad", "new.csv", "--baseline", "gausian"],
                "--baseline 'gausian' is unknown. Did you mean",
            ),
            (["report", "fited.h5ad"], "fited.h5ad does not exist. Did you mean 'fitted.h5ad'?"),
            (["report", "cells.csv"], "ends in '.csv'. Valid: '.h5ad', '.zarr'."),
            (["report", "cells.h5ad"], "holds no fitted maps: call cellot-sc fit first."),
            (["report", "fitted.h5ad", "--out", "new.htm"], "ends in '.htm'. Did you mean '.html'?"),
            (["report", "fitted.h5ad", "--key", "celot"], "Did you mean 'cellot'?"),
            (["report", "fitted.h5ad", "--split", "tset"], "split 'tset' is unknown. Did you mean 'test'?"),
            (["report", "fitted.h5ad", "--split", "ood"], "split 'ood' has 0 of 'control'"),
            (["report", "fitted.h5ad", "--groupby", "celltype"], "Did you mean 'cell_type'?"),
            (["report", "fitted.h5ad", "--unit", "patients"], "Did you mean 'patient'?"),
            (["demo", "--output", "cells.csv"], "is a file; a folder is needed."),
            (["demo", "--output", "full"], "full exists; --overwrite replaces it."),
            (["demo", "--seed", "-1"], "--seed is -1"),
            (["fit"], "Missing argument"),
            (["fitt"], "No such command 'fitt'"),
            (["fit", "cells.h5ad", "new.h5ad", "--solvr", "x"], "No such option"),
        ],
    )
    def test_exit_code_2_and_one_line(
        self, run: Run, cells: Path, fitted_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        arguments: list[str], words: str,
    ) -> None:  # fmt: skip
        for source in (cells, fitted_file):
            (tmp_path / source.name).symlink_to(source)
        (tmp_path / "cells.csv").write_text("a,b")
        (tmp_path / "broken.h5ad").write_text("a,b")
        (tmp_path / "folder.h5ad").mkdir()
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "thesis.txt").write_text("ten years of work")
        before = sorted(tmp_path.rglob("*"))
        monkeypatch.chdir(tmp_path)
        assert words in run.badly(*arguments)
        assert sorted(tmp_path.rglob("*")) == before

    def test_faults_of_the_program_are_one_line_too(
        self, run: Run, fitted_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cs.tl, "predict", lambda *args, **kwargs: json.loads("no JSON"))
        status, _, err = run("predict", fitted_file, tmp_path / "new.h5ad")
        assert status == 1
        assert err.startswith("cellot-sc: error: a fault of cellot-sc, JSONDecodeError: Expecting value")
        assert err.endswith("(CELLOT_SC_VERBOSITY=debug shows where)\n")
        assert err.count("\n") == 1
        assert list(tmp_path.iterdir()) == []
        with cs.settings.override(verbosity="debug"), pytest.raises(json.JSONDecodeError):
            cli.main(["predict", str(fitted_file), str(tmp_path / "new.h5ad")])

    def test_too_little_memory_is_one_line(
        self, run: Run, fitted_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def allocate(*args: object, **kwargs: object) -> None:
            raise MemoryError("Unable to allocate 7 TiB")

        monkeypatch.setattr(cs.tl, "predict", allocate)
        words = run.badly("predict", fitted_file, tmp_path / "new.h5ad")
        assert words == "there is not enough memory: Unable to allocate 7 TiB"

    @pytest.mark.parametrize("name", sorted(set(inspect.signature(cs.tl.cellot).parameters) - {"options"}))
    def test_parameters_that_are_no_options_have_flags(self, run: Run, name: str) -> None:
        words = run.badly("fit", "in.h5ad", "out.h5ad", "--set", f"{name}=true")
        assert f"--set gives options of the solver, and {name!r} is none: " in words
        flags = {
            "adata": "INPUT", "copy": "OUTPUT", "targets": "--target", "key_added": "--key",
            "perturbation_key": "--perturbation-key", "seed": "--seed", "use_rep": "--use-rep",
        }  # fmt: skip
        assert words.endswith(f"give {flags[name]}." if name in flags else ".")

    def test_wrong_options_are_said_before_anything_is_read(
        self, run: Run, fitted_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_files, "read", lambda path: pytest.fail("read"))
        fit = ["fit", fitted_file, tmp_path / "new.h5ad"]
        evaluate = ["evaluate", fitted_file, tmp_path / "new.csv"]
        for words, arguments in {
            "solver 'icn' is unknown": [*fit, "--solver", "icn"],
            "no option 'n_step'": [*fit, "--set", "n_step=3"],
            "width is -3": [*fit, "--set", "width=-3"],
            "--seed is -1": [*fit, "--seed", "-1"],
            "--n-components is 0": [*fit, "--n-components", "0"],
            "--n-boot is -1": [*evaluate, "--n-boot", "-1"],
            "--n-cells is 0": [*evaluate, "--n-cells", "0"],
            "split 'tset' is unknown": [*evaluate, "--split", "tset"],
        }.items():
            assert words in run.badly(*arguments)
        assert list(tmp_path.iterdir()) == []

    def test_the_column_of_the_fit_is_refused_before_anything_is_read(
        self, run: Run, fitted_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_files, "read", lambda path: pytest.fail("read"))
        monkeypatch.setattr(_on_disk, "cells", lambda path: pytest.fail("read"))
        commands = {"report": ["--out", "new.html"], "evaluate": ["new.csv"], "effects": ["new"], "figures": ["new"]}
        for command, output in commands.items():
            for flag in ["--groupby", "--unit"][: 1 if command == "evaluate" else 2]:
                words = run.badly(command, fitted_file, *output, flag, "perturbation")
                assert words.startswith(f"{flag} 'perturbation' is the column that maps are fitted by")

    def test_a_disk_that_fails_is_one_line(
        self, run: Run, fitted_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*args: object, **kwargs: object) -> None:
            raise OSError(28, "No space left on device", "new.h5ad")

        monkeypatch.setattr(_on_disk.GrowingFile, "add", full)
        assert run.badly("predict", fitted_file, tmp_path / "new.h5ad") == "new.h5ad: No space left on device"
        assert list(tmp_path.iterdir()) == []

    def test_an_interrupt_is_one_line(
        self, run: Run, fitted_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupt(*args: object, **kwargs: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(cs.tl, "predict", interrupt)
        status, _, err = run("predict", fitted_file, tmp_path / "new.h5ad")
        assert (status, err) == (130, "cellot-sc: error: interrupted; nothing was written\n")
        assert list(tmp_path.iterdir()) == []
