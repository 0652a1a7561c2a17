from __future__ import annotations

import dataclasses
import errno
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata as ad
import joblib
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc import _trees, ot
from cellot_sc.ot import Solver
from cellot_sc.tl._fit import blocks

N_TARGETS = 18
"""In three blocks."""
QUICK: dict[str, Any] = {"solver": "icnn", "n_steps": 4, "check_every": 2, "min_steps": 1, "width": 4}


def cells(n_targets: int = N_TARGETS) -> AnnData:
    """Cells of many perturbations, of which every fifth moves cells by where they are."""
    rng = np.random.default_rng(0)
    numbers = np.repeat(np.arange(-3, n_targets), 30)
    x = rng.normal(size=(len(numbers), 3)).astype(np.float32)
    x[:, 0] += np.where(numbers % 5 == 0, 6 * np.sign(x[:, 0]), 0)
    x[:, 1] += np.maximum(numbers, 0) / 10
    labels = np.where(numbers < 0, "control", [f"drug_{i:02}" for i in numbers])
    split = np.resize(["train", "train", "valid"], len(numbers))
    return ad.AnnData(x, pd.DataFrame({"perturbation": labels, "split": split}, index=[f"c{i}" for i in range(len(x))]))


def fitted(adata: AnnData | None = None, **options: Any) -> AnnData:
    adata = cells() if adata is None else adata
    cs.tl.cellot(adata, use_rep="X", **({"solver": "mean_shift"} | options))
    return adata


def moved(adata: AnnData) -> np.ndarray:
    x = np.asarray(adata.X)[:50]
    return np.stack([fitted.transport(x) for fitted in cs.tl.maps(adata).values()])


def shift(run: Any, name: str = "shift") -> Solver:
    """Return the solver of mean shifts that runs otherwise."""
    return dataclasses.replace(ot.SOLVERS["mean_shift"], name=name, run=run)


def failing(after: int, how: Callable[[], None]) -> Solver:
    """Return a solver with which something happens to the process before it fits more than so many problems."""
    seen: list[int] = []

    def run(problems: Any, *given: Any) -> list[ot.Solution]:
        if sum(seen) + len(problems) > after:
            how()
        seen.append(len(problems))
        return ot.SOLVERS["mean_shift"].run(problems, *given)

    return shift(run)


def stop() -> None:
    raise MemoryError("no more")


def test_which_problems_are_together_depends_on_their_number_alone() -> None:
    assert [len(block) for block in blocks.split(8)] == [8]
    assert [block.tolist() for block in blocks.split(10)] == [[*range(5)], [*range(5, 10)]]
    assert {len(block) for n in range(1, 200) for block in blocks.split(n)} <= {*range(1, 9)}


@pytest.mark.parametrize("options", [{}, QUICK], ids=["mean_shift", "icnn"])
@pytest.mark.parametrize("engine", ["loky", "threading"])
def test_workers_make_the_maps_of_one_process(options: dict[str, Any], engine: str) -> None:
    alone = fitted(**options)
    with joblib.parallel_config(engine, n_jobs=2):
        shared = fitted(**options)
    np.testing.assert_array_equal(moved(shared), moved(alone))
    first, second = (cs.tl.maps(adata).history.drop(columns="seconds") for adata in (alone, shared))
    pd.testing.assert_frame_equal(second, first)
    assert [*cs.tl.maps(shared)] == [f"drug_{i:02}" for i in range(N_TARGETS)]


def test_a_worker_of_dask_that_is_killed_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    distributed = pytest.importorskip("distributed", reason="distributed is not installed")
    plain, flag, here = ot.SOLVERS["mean_shift"], tmp_path / "killed", os.getpid()

    # within another function, so that it is sent as it is
    def run(problems: Any, *given: Any) -> list[ot.Solution]:
        if not flag.exists():
            assert os.getpid() != here
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return plain.run(problems, *given)

    options: dict[str, Any] = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options, silence_logs=logging.CRITICAL) as cluster, distributed.Client(cluster):
        with joblib.parallel_config("dask"):
            found = fitted(solver=shift(run, "shift_by_dask"))
    assert flag.exists()
    np.testing.assert_array_equal(moved(found), moved(fitted()))


def test_workers_that_die_end_in_a_sentence(tmp_path: Path) -> None:
    plain, flag = ot.SOLVERS["mean_shift"], tmp_path / "first"

    def run(problems: Any, *given: Any) -> list[ot.Solution]:
        # one block is done, whichever is the first
        try:
            flag.touch(exist_ok=False)
        except FileExistsError:
            while not any((tmp_path / "fits").glob("*.h5")):
                time.sleep(0.05)
            os.kill(os.getpid(), signal.SIGKILL)
        return plain.run(problems, *given)

    adata = cells()
    with joblib.parallel_config("loky", n_jobs=2), pytest.raises(RuntimeError, match="of 3 blocks of perturbations"):
        fitted(adata, solver=shift(run, "shift_that_dies"), checkpoint_dir=tmp_path / "fits")
    assert adata.uns == {}
    # what was done is kept
    assert len([*(tmp_path / "fits").iterdir()]) == 1


def test_a_call_that_died_goes_on_where_it_was(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(MemoryError):
        fitted(solver=failing(12, stop), checkpoint_dir=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["block-0001.h5", "block-0002.h5"]
    with caplog.at_level(logging.INFO, "cellot_sc"):
        # no more than the last block
        found = fitted(solver=failing(6, stop), checkpoint_dir=str(tmp_path), resume=True)
    assert "2 of 3 blocks are there already" in caplog.messages
    np.testing.assert_array_equal(moved(found), moved(fitted()))
    # nothing is left to be fitted
    np.testing.assert_array_equal(
        moved(fitted(solver=failing(0, stop), checkpoint_dir=tmp_path, resume=True)), moved(found)
    )
    # without being told to, it begins anew
    with pytest.raises(MemoryError):
        fitted(solver=failing(0, stop), checkpoint_dir=tmp_path)
    assert [*tmp_path.iterdir()] == []


def test_the_state_of_a_block_is_kept_until_it_is_done(tmp_path: Path) -> None:
    within = [*cells().obs["perturbation"].unique()[1:]][:2]
    fitted(targets=within, checkpoint_dir=tmp_path, **QUICK)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["block-0001.h5", "checkpoint.npz"]
    found = fitted(checkpoint_dir=tmp_path / "all", **QUICK)
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == [f"block-000{i}.h5" for i in (1, 2, 3)]
    np.testing.assert_array_equal(moved(found), moved(fitted(**QUICK)))


@pytest.mark.parametrize("n_targets", [5, N_TARGETS])
def test_an_interrupt(n_targets: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []

    def progress(self: Any, done: int, total: int, metrics: dict[str, float]) -> None:
        steps.append(done)
        # in the second block, if there is one
        if len(steps) == (3 if n_targets > 8 else 1):
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("cellot_sc._progress.ProgressBar.__call__", progress)
        if n_targets > 8:
            with pytest.raises(KeyboardInterrupt):
                fitted(cells(n_targets), checkpoint_dir=tmp_path, **QUICK)
        else:
            # as ever: the best maps so far
            assert len(cs.tl.maps(fitted(cells(n_targets), checkpoint_dir=tmp_path, **QUICK))) == 5
    there = ["block-0001.h5", "block-0002"] if n_targets > 8 else ["checkpoint.npz"]
    assert sorted(path.name for path in tmp_path.iterdir()) == there
    resumed = fitted(cells(n_targets), checkpoint_dir=tmp_path, resume=True, **QUICK)
    np.testing.assert_array_equal(moved(resumed), moved(fitted(cells(n_targets), **QUICK)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, r"other seed \(0, not 1\): choose another folder"),
        ({"solver": "gaussian"}, r"other solver \('mean_shift', not 'gaussian'\)"),
        ({"targets": [f"drug_{i:02}" for i in range(10)]}, "other targets"),
        ({"split_key": "other"}, "other cells: choose"),
    ],
)
def test_blocks_of_another_fit_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    adata = cells()
    adata.obs["other"] = adata.obs["split"].to_numpy()[::-1]
    fitted(adata, checkpoint_dir=tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match=message):
        fitted(adata, checkpoint_dir=tmp_path, resume=True, key_added="another", **change)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert "another" not in adata.uns


def test_a_broken_block_is_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    expected = moved(fitted(checkpoint_dir=tmp_path))
    whole = {path: path.read_bytes() for path in tmp_path.iterdir()}
    first, second, third = sorted(whole)
    first.write_bytes(whole[first][:-100])
    second.write_bytes(b"")
    with caplog.at_level(logging.WARNING, "cellot_sc"):
        found = fitted(checkpoint_dir=tmp_path, resume=True)
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [message.split(" is made again: ")[0] for message in said] == [str(first), str(second)]
    np.testing.assert_array_equal(moved(found), expected)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == whole


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_full_disk(n_jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = _trees.write_tree

    def fills(tree: Any, path: Path, **options: Any) -> None:
        if path.name == "block-0002.h5":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write(tree, path, **options)

    adata = cells()
    with monkeypatch.context() as patched:
        patched.setattr(_trees, "write_tree", fills)
        with (
            joblib.parallel_config("loky", n_jobs=n_jobs),
            pytest.raises(OSError, match=r"block-0002.h5 cannot be written \(No space left on device\).* make room"),
        ):
            fitted(adata, checkpoint_dir=tmp_path)
    assert adata.uns == {}
    np.testing.assert_array_equal(moved(fitted(checkpoint_dir=tmp_path, resume=True)), moved(fitted()))


@pytest.mark.parametrize("place", ["", "a\0b", "file/below"])
def test_folders_that_cannot_be(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with pytest.raises((ValueError, OSError), match="checkpoint_dir"):
        fitted(checkpoint_dir=place)


def test_there_has_to_be_something_to_resume() -> None:
    with pytest.raises(ValueError, match="resume=True needs the checkpoint_dir"):
        fitted(resume=True)


def test_one_bar_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(
        "cellot_sc._progress.ProgressBar.__call__", lambda self, done, total, metrics: told.append((done, total))
    )
    fitted(**QUICK)
    # steps of two looks in each of three blocks; those of one block are as they are
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == told[-1][1]
    told.clear()
    fitted(cells(5), **QUICK)
    assert told == [(2, 4), (4, 4)]


def test_a_killed_process_loses_no_finished_block(tmp_path: Path) -> None:
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import os, signal
from pathlib import Path
from test_blocks import failing, fitted
fitted(solver=failing(6, lambda: os.kill(os.getpid(), signal.SIGKILL)), checkpoint_dir={str(tmp_path)!r})
"""
    found = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert found.returncode == -signal.SIGKILL, found.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["block-0001.h5"]
    resumed = fitted(solver=failing(12, stop), checkpoint_dir=tmp_path, resume=True)
    np.testing.assert_array_equal(moved(resumed), moved(fitted()))
