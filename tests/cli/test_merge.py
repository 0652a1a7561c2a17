from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata
import numpy as np
import pandas as pd
import pytest

import cellot_sc as cs
from cellot_sc import cli

if TYPE_CHECKING:
    from tests.cli.conftest import Run

N_TARGETS = 18
"""In three blocks."""
SHIFT = ("--solver", "mean_shift")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cells of many perturbations, as they come: no split, no representation."""
    rng = np.random.default_rng(0)
    numbers = np.repeat(np.arange(-3, N_TARGETS), 30)
    x = rng.normal(size=(len(numbers), 6)).astype(np.float32) + np.maximum(numbers, 0)[:, None] / 10
    labels = np.where(numbers < 0, "control", [f"drug_{i:02}" for i in numbers])
    patients = np.resize(["one", "two", "three"], len(x))
    obs = pd.DataFrame({"perturbation": labels, "patient": patients}, index=[f"c{i}" for i in range(len(x))])
    path = tmp_path_factory.mktemp("many") / "cells.h5ad"
    anndata.AnnData(x, obs).write_h5ad(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "fits"


def shard(run: Run, many: Path, folder: Path, which: str, *options: object) -> str:
    return run.well("fit", many, folder, "--n-components", 4, *SHIFT, "--shard", which, *options)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_shards_make_what_one_fit_makes(run: Run, many: Path, folder: Path, tmp_path: Path) -> None:
    out = shard(run, many, folder, "2/2")
    assert f"{folder} has shard 2 of 2: 1 of 3 blocks of perturbations" in out
    assert "every shard makes the split or the representation anew" in out
    assert names(folder) == ["block-0003.h5", "plan.json"]
    assert "lacks shard 1 of 2: run cellot-sc fit" in run.badly("merge", folder, tmp_path / "merged.h5ad")
    shard(run, many, folder, "1/2")
    run.well("merge", folder, tmp_path / "merged.h5ad", "--model", tmp_path / "model.h5")
    run.well("fit", many, tmp_path / "one.h5ad", "--n-components", 4, *SHIFT)
    merged, one = (anndata.read_h5ad(tmp_path / name) for name in ("merged.h5ad", "one.h5ad"))
    assert merged.obs.equals(one.obs)
    np.testing.assert_array_equal(merged.obsm["X_cellot"], one.obsm["X_cellot"])
    assert merged.uns["cellot"]["digest"] == one.uns["cellot"]["digest"]
    assert (tmp_path / "merged.h5ad").stat().st_size == (tmp_path / "one.h5ad").stat().st_size
    for model in (cs.tl.maps(merged), cs.Model.load(tmp_path / "model.h5").fitted):
        for target, fitted in cs.tl.maps(one).items():
            x = one.obsm["X_cellot"][:5]
            np.testing.assert_array_equal(model[target].transport(x), fitted.transport(x))


def test_the_command_that_is_named_makes_what_is_missing(run: Run, many: Path, folder: Path, tmp_path: Path) -> None:
    options: tuple[object, ...] = (
        "--target",
        "drug_03",
        "--target",
        "drug_05",
        "--keep-abundance",
        "--seed",
        3,
        "--set",
        "n_steps=2",
    )
    options = (*options, "--set", "width=4", "--set", "check_every=1", "--split-key", "my split")
    options = (*options, "--holdout", "patient=three")
    run.well("fit", many, folder, "--shard", "2/2", *options)
    assert names(folder) == ["plan.json"]
    [_, command] = run.badly("merge", folder, tmp_path / "merged.h5ad").split(": run ")
    assert "has shard 1 of 2" in run.well(*shlex.split(command)[1:])
    run.well("merge", folder, tmp_path / "merged.zarr")
    assert [*cs.tl.maps(anndata.read_zarr(tmp_path / "merged.zarr"))] == ["drug_03", "drug_05"]


def test_what_is_there_is_not_made_again(run: Run, many: Path, folder: Path) -> None:
    shard(run, many, folder, "1/3")
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert "1 of 1 blocks are there already" in shard(run, many, folder, "1/3")
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    # other shards of the same blocks go on from there
    assert "1 of 3 blocks are there already" in shard(run, many, folder, "1/1")
    for which in ("4/9", "9/9"):
        assert f"shard {which[0]} of 9 has nothing to do" in shard(run, many, folder, which)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--seed", 1], "--seed is 1, and "),
        (["--set", "width=3", "--solver", "icnn"], "--solver is 'icnn'"),
        (["--target", "drug_01"], "--target is ['drug_01'], and"),
        (["--keep-abundance"], "--match-abundance is False"),
    ],
)
def test_shards_of_another_fit_are_refused(run: Run, many: Path, folder: Path, options: list[Any], words: str) -> None:
    shard(run, many, folder, "3/3")
    line = ["fit", many, folder, "--n-components", 4, *SHIFT, "--shard", "1/3", *options]
    assert words in run.badly(*line)
    assert names(folder) == ["block-0003.h5", "plan.json"]


def test_other_versions_and_cells_are_refused(run: Run, many: Path, folder: Path, tmp_path: Path) -> None:
    shard(run, many, folder, "1/1")
    plan = json.loads((folder / "plan.json").read_text())
    (folder / "plan.json").write_text(json.dumps(plan | {"versions": plan["versions"] | {"jax": "0.1"}}))
    assert "was made with 0.1: shards need the same" in run.badly("merge", folder, tmp_path / "m.h5ad")
    (folder / "plan.json").write_text(json.dumps(plan | {"targets": plan["targets"][:-1]}))
    again = ["fit", many, folder, "--n-components", 4, *SHIFT, "--shard", "1/1"]
    assert "with other perturbations: the file has changed since" in run.badly(*again)
    (folder / "plan.json").write_text("{")
    assert "is no plan of shards that can be read" in run.badly("merge", folder, tmp_path / "m.h5ad")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--shard", "0/3"], "--shard is '0/3'; a number of so many, from 1"),
        (["--shard", "4/3"], "--shard is '4/3'"),
        (["--shard", "3"], "--shard is '3'"),
        (["--shard", "1/3", "--overwrite"], "exclude each other"),
        (["--shard", "1/3", "--model", "m.h5"], "exclude each other"),
        (["--shard", "1/3", "--solver", "icn"], "Did you mean 'icnn'?"),
    ],
)
def test_bad_shards(run: Run, many: Path, folder: Path, options: list[str], words: str) -> None:
    assert words in run.badly("fit", many, folder, *options)
    assert not folder.exists()


def test_places_that_are_none(run: Run, many: Path, folder: Path, tmp_path: Path) -> None:
    assert "plan.json does not exist: cellot-sc fit, evaluate or predict with --shard" in run.badly(
        "merge", folder, tmp_path / "m.h5ad"
    )
    assert "does not exist" in run.badly("fit", many, folder / "below", "--shard", "1/2")
    folder.touch()
    assert "is a file; the folder of the shards" in run.badly("fit", many, folder, "--shard", "1/2")


def test_a_half_written_block_is_made_again(run: Run, many: Path, folder: Path, tmp_path: Path) -> None:
    shard(run, many, folder, "1/1")
    whole = (folder / "block-0002.h5").read_bytes()
    (folder / "block-0002.h5").write_bytes(whole[:1000])
    assert "block-0002.h5 is made again: " in run.well("merge", folder, tmp_path / "merged.h5ad")
    assert (folder / "block-0002.h5").read_bytes() == whole


@pytest.fixture(scope="module")
def fitted(many: Path) -> Path:
    """The cells with maps."""
    path = many.with_name("fitted.h5ad")
    with pytest.raises(SystemExit):
        cli.main(["fit", str(many), str(path), "--n-components", "4", *SHIFT])
    return path


def assert_same(one: anndata.AnnData, other: anndata.AnnData) -> None:
    pd.testing.assert_frame_equal(one.obs, other.obs, check_exact=True)
    pd.testing.assert_frame_equal(one.var, other.var, check_exact=True)
    np.testing.assert_array_equal(one.X, other.X, strict=True)
    for name in ("layers", "obsm", "varm", "uns"):
        np.testing.assert_equal(dict(getattr(one, name)), dict(getattr(other, name)))


class TestScores:
    @pytest.mark.parametrize(
        "options",
        [
            # what goes across perturbations: discrimination, and means of them
            "--metric discrimination_l2 --metric l2_means --groupby patient --n-boot 5 --unit perturbation",
            "--metric energy_distance --unit patient --n-boot 5 --seed 3 --baseline gaussian",
            "--metric l2_means --space genes --n-markers 2 --n-markers 4 --n-cells 2 --n-cells 3 --split train",
        ],
    )
    def test_are_those_of_one_call(self, run: Run, fitted: Path, tmp_path: Path, options: str) -> None:
        scores, words = tmp_path / "scores", shlex.split(options)
        out = run.well("evaluate", fitted, scores, *words, "--shard", "2/2")
        assert f"{scores} has shard 2 of 2: 1 of 3 blocks of perturbations" in out
        assert names(scores) == ["block-0003.h5", "plan.json"]
        # the command that is named makes what is missing
        [_, command] = run.badly("merge", scores, tmp_path / "merged.csv").split(": run ")
        assert "has shard 1 of 2" in run.well(*shlex.split(command)[1:])
        assert "2 of 2 blocks are there already" in run.well(*shlex.split(command)[1:])
        out = run.well("merge", scores, tmp_path / "merged.csv")
        alone = run.well("evaluate", fitted, tmp_path / "one.csv", *words)
        assert out.replace("merged.csv", "one.csv").splitlines()[-21:] == alone.splitlines()[-21:]
        assert (tmp_path / "merged.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()

    def test_a_block_that_is_broken(self, run: Run, fitted: Path, tmp_path: Path) -> None:
        line = ["evaluate", fitted, tmp_path / "scores", "--metric", "l2_means", "--n-boot", 0, "--shard", "1/1"]
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


class TestPredictions:
    def test_are_those_of_one_call(self, run: Run, fitted: Path, tmp_path: Path) -> None:
        predictions, merged = tmp_path / "predictions", tmp_path / "merged.zarr"
        run.well("predict", fitted, predictions, "--shard", "2/2")
        assert names(predictions) == ["block-0003.h5ad", "plan.json"]
        [_, command] = run.badly("merge", predictions, merged).split(": run ")
        assert "has shard 1 of 2" in run.well(*shlex.split(command)[1:])
        assert "2 of 2 blocks are there already" in run.well(*shlex.split(command)[1:])
        run.well("merge", predictions, merged)
        run.well("merge", predictions, tmp_path / "merged.h5ad")
        run.well("predict", fitted, tmp_path / "one.h5ad")
        one = anndata.read_h5ad(tmp_path / "one.h5ad")
        assert_same(anndata.read_zarr(merged), one)
        assert_same(anndata.read_h5ad(tmp_path / "merged.h5ad"), one)
        assert "exists; --overwrite replaces it" in run.badly("merge", predictions, merged)
        assert "--model is for shards of cellot-sc fit" in run.badly("merge", predictions, merged, "--model", "m.h5")

    def test_of_a_model_and_other_cells(self, run: Run, model_file: Path, new_file: Path, tmp_path: Path) -> None:
        options = ["--gene-key", "symbol", "--control-key", "drug", "--control", "DMSO", "--uncertainty"]
        options += [word for i in range(3) for word in ("--context-map", f"Type {i}=type_{i}")]
        run.well("predict", model_file, new_file, tmp_path / "p", *options, "--shard", "2/2")
        [_, command] = run.badly("merge", tmp_path / "p", tmp_path / "merged.h5ad").split(": run ")
        out = run.well(*shlex.split(command)[1:])
        assert "has shard 1 of 2: 1 of 1 blocks" in out
        run.well("merge", tmp_path / "p", tmp_path / "merged.h5ad")
        run.well("predict", model_file, new_file, tmp_path / "one.h5ad", *options)
        one = anndata.read_h5ad(tmp_path / "one.h5ad")
        assert "sd" in one.layers
        assert_same(anndata.read_h5ad(tmp_path / "merged.h5ad"), one)

    def test_a_block_that_is_broken(self, run: Run, fitted: Path, tmp_path: Path) -> None:
        line = ["predict", fitted, tmp_path / "p", "--target", "drug_03", "--shard", "1/1"]
        run.well(*line)
        place = tmp_path / "p" / "block-0001.h5ad"
        place.write_bytes(place.read_bytes()[:-5000])
        said = run.badly("merge", tmp_path / "p", tmp_path / "merged.zarr")
        assert "block-0001.h5ad cannot be read as .h5ad: " in said
        assert "; remove it, and run cellot-sc predict" in said
        assert "block-0001.h5ad is made again: " in run.well(*line)
        run.well("merge", tmp_path / "p", tmp_path / "merged.zarr")


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_shards_of_something_else_are_refused(run: Run, fitted: Path, tmp_path: Path, command: str) -> None:
    folder, path = tmp_path / "shards", tmp_path / "cells.h5ad"
    shutil.copy(fitted, path)
    line = [command, path, folder, "--target", "drug_01", "--target", "drug_02"]
    run.well(*line, "--shard", "1/2")
    assert "nothing to do" in run.well(*line, "--shard", "2/2")
    other = {"evaluate": "predict", "predict": "evaluate"}[command]
    assert f"has shards of cellot-sc {command}" in run.badly(other, path, folder, "--shard", "1/2")
    assert "--key is 'm', and" in run.badly(*line, "--key", "m", "--shard", "1/2")
    assert "exclude each other" in run.badly(*line, "--overwrite", "--shard", "1/2")
    assert "--shard is '3/2'" in run.badly(*line, "--shard", "3/2")
    adata = anndata.read_h5ad(path)
    adata.obsm["X_cellot"] = adata.obsm["X_cellot"] * np.float32(1 + 1e-6)
    adata.write_h5ad(path)
    assert "was made with other cells: the file has changed since" in run.badly(*line, "--shard", "1/2")


CHILD = """
import os, resource, signal, sys
from contextlib import contextmanager
from cellot_sc import _files, cli

output = _files.output
@contextmanager
def interrupted(path, *arguments, **options):
    with output(path, *arguments, **options) as new:
        if path.stem == "block-0002" and sys.argv[1] == "full":
            # what is written beyond a size is refused, as on a full disk
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))
        yield new
        if path.stem == "block-0002":
            os.kill(os.getpid(), signal.SIGKILL)
_files.output = interrupted
cli.main(sys.argv[2:])
"""


@pytest.mark.parametrize("fate", ["killed", "full"])
@pytest.mark.parametrize("command", ["fit", "evaluate", "predict"])
def test_a_shard_that_dies_loses_nothing(
    run: Run, many: Path, fitted: Path, tmp_path: Path, command: str, fate: str
) -> None:
    folder = tmp_path / "shards"
    options = {"fit": ["--n-components", "4", *SHIFT], "evaluate": ["--metric", "l2_means", "--n-boot", "2"]}
    line = [
        command,
        str(many if command == "fit" else fitted),
        str(folder),
        *options.get(command, []),
        "--shard",
        "1/1",
    ]
    environment = os.environ | {"CELLOT_SC_COMPILATION_CACHE_DIR": "none"}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, fate, *line], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == (-signal.SIGKILL if fate == "killed" else 2), done.stderr
    if fate == "full":
        assert "block-0002" in done.stderr
        assert "File too large" in done.stderr
        assert done.stderr.count("\n") == 1
    suffix = "h5ad" if command == "predict" else "h5"
    there = [name for name in names(folder) if not name.startswith(".")]
    assert there == [f"block-0001.{suffix}", "plan.json"]
    merged = tmp_path / ("scores.csv" if command == "evaluate" else "merged.h5ad")
    assert "lacks shard 1 of 1" in run.badly("merge", folder, merged)
    out = run.well(*line)
    assert "1 of 3 blocks are there already" in out
    assert ("removed what a killed run had left" in out) == (fate == "killed")
    assert names(folder) == [*(f"block-{i:04}.{suffix}" for i in (1, 2, 3)), "plan.json"]
    run.well("merge", folder, merged)
