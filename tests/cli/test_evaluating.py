from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import anndata
import numpy as np
import pytest

import cellot_sc as cs

if TYPE_CHECKING:
    from tests.cli.conftest import Run

SHIFT = ("--solver", "mean_shift")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestScores:
    @pytest.mark.parametrize(
        "options",
        [
            # what goes across perturbations: discrimination, and means of them
            "--metric discrimination_l2 --metric l2_means --groupby patient --n-boot 5 --unit perturbation",
            "--metric energy_distance --unit patient --n-boot 5 --seed 3 --baseline gaussian --floor gaussian",
            "--metric l2_means --space genes --n-markers 2 --n-markers 4 --n-cells 2 --n-cells 3 --split train",
        ],
    )
    def test_are_those_of_one_call(self, run: Run, fitted_many: Path, tmp_path: Path, options: str) -> None:
        scores, words = tmp_path / "scores", shlex.split(options)
        out = run.well("evaluate", fitted_many, scores, *words, "--shard", "2/2")
        assert f"{scores} has shard 2 of 2: 1 of 3 blocks of perturbations" in out
        assert names(scores) == ["block-0003.h5", "plan.json"]
        # the command that is named makes what is missing
        [_, command] = run.badly("merge", scores, tmp_path / "merged.csv").split(": run ")
        assert "has shard 1 of 2" in run.well(*shlex.split(command)[1:])
        assert "2 of 2 blocks are there already" in run.well(*shlex.split(command)[1:])
        out = run.well("merge", scores, tmp_path / "merged.csv")
        alone = run.well("evaluate", fitted_many, tmp_path / "one.csv", *words)
        assert out.replace("merged.csv", "one.csv").splitlines()[-21:] == alone.splitlines()[-21:]
        assert (tmp_path / "merged.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()

    def test_of_predictions(self, run: Run, fitted_many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        adata = anndata.read_h5ad(fitted_many)
        predicted = cs.tl.predict(adata, ["drug_01", "drug_17"])
        predicted.write_h5ad("tool.h5ad")
        words = "--metric discrimination_l2 --metric energy_distance --groupby patient --n-boot 5".split()
        line = ["evaluate", fitted_many, "scores", *words, "--prediction", "tool=tool.h5ad", "--shard"]
        run.well(*line, "1/2")
        # a file that is named from elsewhere is the same
        monkeypatch.chdir(tmp_path.parent)
        line[2], line[-2] = tmp_path / "scores", f"tool={tmp_path / 'tool.h5ad'}"
        run.well(*line, "2/2")
        run.well("merge", tmp_path / "scores", tmp_path / "merged.csv")
        run.well("evaluate", fitted_many, tmp_path / "one.csv", *line[3:-1])
        assert (tmp_path / "merged.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()
        predicted[::-1].copy().write_h5ad(tmp_path / "tool.h5ad")
        assert "was made with other prediction tool: the file has changed" in run.badly(*line, "1/2")

    def test_a_block_that_is_broken(self, run: Run, fitted_many: Path, tmp_path: Path) -> None:
        line = ["evaluate", fitted_many, tmp_path / "scores", "--metric", "l2_means", "--n-boot", 0, "--shard", "1/1"]
        run.well(*line)
        place = tmp_path / "scores" / "block-0002.h5"
        whole = place.read_bytes()
        place.write_bytes(whole[:1000])
        said = run.badly("merge", tmp_path / "scores", tmp_path / "scores.csv")
        assert "block-0002.h5" in said
        assert "remove it, and run cellot-sc evaluate" in said
        out = run.well(*line)
        assert "block-0002.h5 is made again: " in out
        assert "2 of 3 blocks are there already" in out
        assert place.read_bytes() == whole
        place.write_bytes((tmp_path / "scores" / "block-0001.h5").read_bytes())
        assert "is of other perturbations than" in run.badly("merge", tmp_path / "scores", tmp_path / "scores.csv")

    def test_times_build_on_each_other(self, run: Run, tmp_path: Path) -> None:
        adata = cs.datasets.simulate(300, 6)
        adata.obs["time"] = np.resize(["0", "1", "2"], adata.n_obs)
        cs.tl.trajectory(adata, "time", order=["0", "1", "2"], solver="mean_shift", use_rep="X")
        adata.write_h5ad(tmp_path / "times.h5ad")
        line = ["evaluate", tmp_path / "times.h5ad", tmp_path / "scores", "--key", "trajectory"]
        assert "holds a time course, whose maps build on each other" in run.badly(*line, "--shard", "1/2")
