from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anndata
import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Run

SHIFT = ("--solver", "mean_shift")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_shards_of_something_else_are_refused(run: Run, fitted_many: Path, tmp_path: Path, command: str) -> None:
    folder, path = tmp_path / "shards", tmp_path / "cells.h5ad"
    shutil.copy(fitted_many, path)
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
    run: Run, many: Path, fitted_many: Path, tmp_path: Path, command: str, fate: str
) -> None:
    folder = tmp_path / "shards"
    options = {"fit": ["--n-components", "4", *SHIFT], "evaluate": ["--metric", "l2_means", "--n-boot", "2"]}
    line = [
        command,
        str(many if command == "fit" else fitted_many),
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
