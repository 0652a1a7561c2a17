from __future__ import annotations

import dataclasses
import inspect
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

import anndata
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc import _demo, _files, _report, _settings, cli

HEAVY = {"jax", "matplotlib", "moscot", "ott", "scanpy", "sklearn", "anndata"}


@pytest.fixture(scope="module")
def cells(simulated: AnnData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated cells as they come: no split, no representation."""
    path = tmp_path_factory.mktemp("cells") / "cells.h5ad"
    simulated.write_h5ad(path)
    return path


@pytest.fixture(scope="module")
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


class TestEvaluate:
    def test_table(self, run: Run, fitted_file: Path, tmp_path: Path) -> None:
        path = tmp_path / "scores.csv"
        out = run.well(
            "evaluate", fitted_file, path, "--split", "valid", "--groupby", "cell_type", "--metric", "mmd",
            "--metric", "energy_distance", "--space", "genes", "--n-boot", "5", "--seed", "2",
        )  # fmt: skip
        expected = cs.tl.evaluate(
            anndata.read_h5ad(fitted_file), split="valid", groupby="cell_type", metrics=["mmd", "energy_distance"],
            space="genes", n_boot=5, seed=2,
        )  # fmt: skip
        pd.testing.assert_frame_equal(pd.read_csv(path), expected)
        # the first metric is shown, beside the baselines
        assert "mmd of valid cells:" in out
        row = expected[
            expected["group"].eq("all") & expected["metric"].eq("mmd") & expected["perturbation"].eq("drug_a")
        ]
        shown = next(line for line in out.splitlines() if line.startswith("drug_a")).split()[1:]
        assert shown == [f"{value:.3g}" for value in row["value"]]

    def test_protocol(self, run: Run, fitted_file: Path, tmp_path: Path) -> None:
        path = tmp_path / "scores.csv"
        out = run.well(
            "evaluate", fitted_file, path, "--metric", "l2_means", "--space", "genes", "--baseline", "mean_shift",
            "--n-markers", "5", "--n-markers", "10", "--n-cells", "8", "--n-boot", "3",
        )  # fmt: skip
        expected = cs.tl.evaluate(
            anndata.read_h5ad(fitted_file), metrics="l2_means", space="genes", baselines="mean_shift",
            n_markers=[5, 10], n_cells=8, n_boot=3,
        )  # fmt: skip
        pd.testing.assert_frame_equal(pd.read_csv(path), expected)
        assert "l2_means of test cells, the first numbers of features and of cells:" in out
        assert out.count("drug_a") == out.count("drug_b")

    def test_units(self, run: Run, fitted_file: Path, tmp_path: Path) -> None:
        path = tmp_path / "scores.csv"
        run.well("evaluate", fitted_file, path, "--metric", "l2_means", "--unit", "patient", "--n-boot", "5")
        expected = cs.tl.evaluate(anndata.read_h5ad(fitted_file), metrics="l2_means", unit="patient", n_boot=5)
        pd.testing.assert_frame_equal(pd.read_csv(path), expected)


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
        assert asked == [{"key": "cellot", "split": None, "groupby": None, "unit": None, "metrics": ()}]
        assert "my.fit.html exists; --overwrite replaces it." in run.badly("report", source)
        run.well("report", source, "--overwrite", "--key", "shift", "--unit", "patient")
        assert asked[1]["unit"] == "patient"
        assert asked[1]["key"] == "shift"


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
            (["fit", "cells.h5ad", "new.h5ad", "--perturbation-key", "perturbatoin"], "Did you mean 'perturbation'?"),
            (["fit", "cells.h5ad", "new.h5ad", "--control", "contrl"], "Did you mean 'control'?"),
            (["fit", "cells.h5ad", "new.h5ad", "--target", "drug_x"], "target 'drug_x' is unknown."),
            (["fit", "cells.h5ad", "new.h5ad", "--solver", "icn"], "solver 'icn' is unknown. Did you mean 'icnn'?"),
            (["fit", "cells.h5ad", "new.h5ad", "--set", "n_step=3"], "no option 'n_step'. Did you mean 'n_steps'?"),
            (["fit", "cells.h5ad", "new.h5ad", "--set", "n_steps=many"], "n_steps is 'many'"),
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
            (["fit", "cells.h5ad", "new.h5ad", "--set", "n_steps=3", "--set", "n_steps=4"], "'n_steps' twice: 3 and 4"),
            (["fit", "cells.h5ad", "folder.h5ad", "--overwrite"], "is a folder that is no Zarr store"),
            (["fit", "folder.h5ad", "new.h5ad"], "folder.h5ad cannot be read as .h5ad: it is no file."),
            (["reproduce", "../x", "--data", "."], "task '../x' is unknown."),
            (["reproduce", "4i", "--data", ".", "--set", "use_rep=X"], "'use_rep' is none: it is for Python only."),
            (["reproduce", "4i", "--data", ".", "--set", "seed=3"], "'seed' is none: give --seed."),
            (["fit", "cells.h5ad", "new.h5ad", "--use-rep", "X_umap"], "use_rep 'X_umap' is not in adata.obsm."),
            (["fit", "cells.h5ad", "new.h5ad", "--use-rep", "X", "--n-components", "3"], "exclude each other"),
            (["fit", "cells.h5ad", "new.h5ad", "--n-components", "0"], "n_components is 0; a positive whole number"),
            (["fit", "cells.h5ad", "new.h5ad", "--n-components", "x"], "Invalid value for '--n-components'"),
            (["fit", "cells.h5ad", "new.h5ad", "--holdout", "patient=9"], "holdout value of adata.obs['patient'] '9'"),
            (
                ["fit", "cells.h5ad", "new.h5ad", "--context", "cell_type", "--context", "patien"],
                "Did you mean 'patient'?",
            ),
            (["fit", "cells.h5ad", "new.h5ad", "--seed", "-1"], "seed is -1"),
            (["fit", "fitted.h5ad", "new.h5ad", "--holdout", "patient=patient_0"], "adata.obs['split'] exists, but"),
            (["predict", "cells.h5ad", "new.h5ad"], "holds no fitted maps: call cs.tl.cellot first."),
            (["predict", "fitted.h5ad", "new.h5ad", "--target", "drug_aa"], "Did you mean 'drug_a'?"),
            (["predict", "fitted.h5ad", "new.h5ad", "--key", "celot"], "Did you mean 'cellot'?"),
            (["evaluate", "fitted.h5ad", "new.txt"], "ends in '.txt'. Valid: '.csv'."),
            (["evaluate", "fitted.h5ad", "new.csv", "--split", "tset"], "Did you mean 'test'?"),
            (["evaluate", "fitted.h5ad", "new.csv", "--split", "ood"], "split 'ood' has 0 of 'control'"),
            (["evaluate", "fitted.h5ad", "new.csv", "--metric", "mdd"], "metric 'mdd' is unknown. Did you mean 'mmd'?"),
            (["evaluate", "fitted.h5ad", "new.csv", "--groupby", "celltype"], "Did you mean 'cell_type'?"),
            (["evaluate", "fitted.h5ad", "new.csv", "--space", "gene"], "Invalid value for '--space'"),
            (["evaluate", "fitted.h5ad", "new.csv", "--n-markers", "5"], "give space='genes'"),
            (["evaluate", "fitted.h5ad", "new.csv", "--n-cells", "0"], "n_cells is 0; a positive whole number"),
            (["evaluate", "fitted.h5ad", "new.csv", "--unit", "patien"], "Did you mean 'patient'?"),
            (["evaluate", "fitted.h5ad", "new.csv", "--baseline", "gausian"], "Did you mean 'gaussian'?"),
            (["report", "fited.h5ad"], "fited.h5ad does not exist. Did you mean 'fitted.h5ad'?"),
            (["report", "cells.csv"], "ends in '.csv'. Valid: '.h5ad', '.zarr'."),
            (["report", "cells.h5ad"], "holds no fitted maps: call cs.tl.cellot first."),
            (["report", "fitted.h5ad", "--out", "new.htm"], "ends in '.htm'. Did you mean '.html'?"),
            (["report", "fitted.h5ad", "--key", "celot"], "Did you mean 'cellot'?"),
            (["report", "fitted.h5ad", "--split", "tset"], "split 'tset' is unknown. Did you mean 'test'?"),
            (["report", "fitted.h5ad", "--split", "ood"], "split 'ood' has 0 of 'control'"),
            (["report", "fitted.h5ad", "--groupby", "celltype"], "Did you mean 'cell_type'?"),
            (["report", "fitted.h5ad", "--unit", "patients"], "Did you mean 'patient'?"),
            (["demo", "--output", "cells.csv"], "is a file; a folder is needed."),
            (["demo", "--output", "full"], "full exists; --overwrite replaces it."),
            (["demo", "--seed", "-1"], "seed is -1"),
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
            "seed is -1": [*fit, "--seed", "-1"],
            "n_components is 0": [*fit, "--n-components", "0"],
            "n_boot is -1": [*evaluate, "--n-boot", "-1"],
            "n_cells is 0": [*evaluate, "--n-cells", "0"],
            "split 'tset' is unknown": [*evaluate, "--split", "tset"],
        }.items():
            assert words in run.badly(*arguments)
        assert list(tmp_path.iterdir()) == []

    def test_a_disk_that_fails_is_one_line(
        self, run: Run, fitted_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*args: object, **kwargs: object) -> None:
            raise OSError(28, "No space left on device", "new.h5ad")

        monkeypatch.setattr(AnnData, "write_h5ad", full)
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


def test_log_lines_and_settings_are_as_they_were(run: Run, fitted_file: Path, tmp_path: Path) -> None:
    before = _settings.logger.handlers[:], cs.settings.progress
    out = run.well("predict", fitted_file, tmp_path / "new.h5ad")
    assert "predicted 400 cells of drug_a, drug_b" in out
    assert (_settings.logger.handlers[:], cs.settings.progress) == before


def shrink_demo(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_demo.datasets, "simulate", partial(cs.datasets.simulate, n_cells=800))
    patch.setattr(_demo, "N_GENES", 60)
    patch.setattr(_demo, "N_COMPONENTS", 8)
    patch.setattr(_demo, "TRAINING", {"n_steps": 20, "check_every": 10, "penalties": (10.0,)})
    patch.setattr(_demo, "N_BOOT", 10)
    # written by the dozen, and looked at by nobody
    patch.setattr(cs.settings, "figure_dpi", 30)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """What a small demo wrote, and what it said."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as out:
        shrink_demo(patch)
        with pytest.raises(SystemExit) as exit_:
            cli.main(["demo", "--output", str(folder), "--seed", "1"])
    assert exit_.value.code == 0
    return folder, out.getvalue()


class TestDemo:
    def test_writes_everything_and_says_where(self, demo: tuple[Path, str]) -> None:
        folder, out = demo
        assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == {
            "metrics.csv", "fitted.h5ad", "predicted.h5ad", "report.html",
            *(
                f"figures/{name}.{suffix}"
                for name in (
                    "evaluation", "evaluation_groups", "embedding", "history", "marginals", "truth", "transport_cost",
                    "subpopulation_effects", "effect_clusters",
                )
                for suffix in ("png", "pdf")
            ),
        }  # fmt: skip
        assert out.splitlines()[-1] == f"The report: {folder / 'report.html'}"
        assert "energy_distance of test cells:" in out
        assert plt.get_fignums() == []

    def test_table_and_cells_belong_together(self, demo: tuple[Path, str]) -> None:
        folder, _ = demo
        scores = pd.read_csv(folder / "metrics.csv")
        assert set(scores["perturbation"]) == {"drug_a", "drug_b", "drug_c"}
        groups = {"group_shift", "group_gaussian"}
        assert set(scores["model"]) == {"icnn", "identity", "mean_shift", "gaussian", *groups, "observed"}
        assert set(scores["seed"]) == {1}
        fitted, predicted = (anndata.read_h5ad(folder / f"{name}.h5ad") for name in ("fitted", "predicted"))
        np.testing.assert_array_equal(cs.tl.predict(fitted).X, predicted.X)
        expected = cs.tl.evaluate(fitted, groupby="cell_type", unit="patient", n_boot=10, seed=1)
        pd.testing.assert_frame_equal(scores[: len(expected)], expected)
        report = (folder / "report.html").read_text(encoding="utf-8")
        assert report.count("data:image/png;base64,") == 9
        assert all(name in report for name in ("drug_a", "drug_b", "drug_c", "counterfactual_error"))

    def test_error_of_each_cell_against_its_truth(self, demo: tuple[Path, str]) -> None:
        folder, _ = demo
        scores = pd.read_csv(folder / "metrics.csv")
        rows = scores[scores["metric"] == "counterfactual_error"]
        columns = ("perturbation", "model", "value", "ci_low", "ci_high")
        error = {(name, model): score for name, model, *score in zip(*(rows[c] for c in columns), strict=True)}
        adata = anndata.read_h5ad(folder / "fitted.h5ad")
        cells = ((adata.obs["split"] == "test") & (adata.obs["perturbation"] == "control")).to_numpy()
        kept = adata.uns["X_cellot"]
        truth = (adata.layers["counterfactual_drug_a"][cells] - kept["mean"]) @ kept["components"].T
        moved = cs.tl.predict(adata, "drug_a", cells=cells).obsm["X_cellot"]
        expected = np.sqrt(((moved - truth) ** 2).sum(axis=1).mean())
        value, low, high = error["drug_a", "icnn"]
        assert value == pytest.approx(expected, rel=1e-4)
        assert low < value < high
        # nothing happens to cells under the inert perturbation, and the metric knows
        assert error["drug_c", "identity"] == [0, 0, 0]

    def test_again(self, run: Run, demo: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = tmp_path / "again"
        shutil.copytree(demo[0], folder)
        (folder / "notes.txt").write_text("mine")
        (folder / "metrics.csv").write_text("old")
        assert "exists; --overwrite replaces it" in run.badly("demo", "--output", folder)
        shrink_demo(monkeypatch)
        run.well("demo", "--output", folder, "--seed", "1", "--overwrite")
        pd.testing.assert_frame_equal(pd.read_csv(folder / "metrics.csv"), pd.read_csv(demo[0] / "metrics.csv"))
        assert (folder / "notes.txt").read_text() == "mine"


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
