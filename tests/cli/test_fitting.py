from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata
import numpy as np
import pytest

import cellot_sc as cs

if TYPE_CHECKING:
    from tests.cli.conftest import Run

SHIFT = ("--solver", "mean_shift")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "fits"


def shard(run: Run, many: Path, folder: Path, which: str, *options: object) -> str:
    return run.well("fit", many, folder, "--n-components", 4, *SHIFT, "--shard", which, *options)


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
