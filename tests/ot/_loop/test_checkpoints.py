from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from cellot_sc.ot import Problem
from cellot_sc.ot._loop.checkpoints import Checkpoint, fit_checkpoint
from cellot_sc.ot._solvers.paper import PaperConfig

RUN: dict[str, Any] = {"b": {"x": jnp.arange(3.0), "n": np.int64(7)}, "a": np.array([[True, False]])}


def test_round_trip_keeps_every_bit(tmp_path: Path):
    Checkpoint(tmp_path / "new" / "folder", "me", resume=False).save(RUN, {"done": 3, "seconds": 0.1})
    found = Checkpoint(tmp_path / "new" / "folder", "me", resume=True).load(RUN)
    assert found is not None
    run, record = found
    assert record["done"] == 3
    assert record["seconds"] == 0.1
    assert run.keys() == RUN.keys()
    np.testing.assert_array_equal(run["b"]["x"], RUN["b"]["x"])
    assert run["b"]["x"].dtype == np.float32
    assert run["b"]["n"] == 7
    np.testing.assert_array_equal(run["a"], RUN["a"])


def test_nothing_to_resume(tmp_path: Path):
    checkpoint = Checkpoint(tmp_path, "me", resume=True)
    assert checkpoint.load(RUN) is None
    checkpoint.save(RUN, {})
    assert Checkpoint(tmp_path, "me", resume=False).load(RUN) is None


def test_file_of_another_training_is_refused(tmp_path: Path):
    Checkpoint(tmp_path, "me", resume=False).save(RUN, {})
    with pytest.raises(ValueError, match="checkpoint.npz belongs to a fit with other data or options"):
        Checkpoint(tmp_path, "you", resume=True).load(RUN)


def test_kill_while_writing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    checkpoint = Checkpoint(tmp_path, "me", resume=True)
    checkpoint.save(RUN, {"done": 1})

    def killed(*args: object, **kwargs: object) -> None:
        args[0].write(b"half a file")  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", killed)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(RUN, {"done": 2})
    monkeypatch.undo()
    found = checkpoint.load(RUN)
    assert found is not None
    assert found[1]["done"] == 1
    checkpoint.save(RUN, {"done": 3})
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.npz"]


def test_nothing_is_pickled(tmp_path: Path):
    checkpoint = Checkpoint(tmp_path, "me", resume=False)
    checkpoint.save(RUN, {"done": 1})
    with zipfile.ZipFile(checkpoint.path) as archive:
        assert all(name.endswith(".npy") for name in archive.namelist())
        assert all(b"'|O'" not in archive.read(name)[:200] for name in archive.namelist())


def test_fingerprint_is_of_cells_options_and_seed(tmp_path: Path):
    x, y = np.random.default_rng(0).normal(size=(2, 20, 2)).astype(np.float32)
    groups = np.arange(20) % 2
    problem = Problem(x, y, x[:5], y[:5], groups, groups)

    def fingerprint(problems: list[Problem], seed: int = 0, **options: int) -> str:
        checkpoint = fit_checkpoint(PaperConfig(**options, checkpoint_dir=tmp_path), problems, seed)  # type: ignore[arg-type]
        assert checkpoint is not None
        return checkpoint.fingerprint

    same = fingerprint([problem])
    elsewhere = fit_checkpoint(PaperConfig(checkpoint_dir=tmp_path / "elsewhere", resume=True), [problem], 0)
    assert elsewhere is not None
    assert elsewhere.fingerprint == same
    assert fingerprint([dataclasses.replace(problem, source=x.copy())]) == same
    moved = x.copy()
    moved[3, 1] += 1e-6
    others = [
        fingerprint([dataclasses.replace(problem, **{name: value})])
        for name, value in {
            "source": moved,
            "target": y[::-1],
            "source_valid": x[:4],
            "target_valid": y[5:10],
            "source_groups": 1 - groups,
            "target_groups": 1 - groups,
        }.items()
    ]
    others += [fingerprint([problem], seed=1), fingerprint([problem], width=4), fingerprint([problem, problem])]
    assert same not in others
    assert len(set(others)) == len(others)


def test_no_folder_no_checkpoint():
    assert fit_checkpoint(PaperConfig(), [], 0) is None
