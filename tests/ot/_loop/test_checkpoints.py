from __future__ import annotations

import dataclasses
import errno
import json
import zipfile
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from cellot_sc import ot
from cellot_sc.ot import Problem
from cellot_sc.ot._loop.checkpoints import Checkpoint, cells_digest, fit_checkpoint
from cellot_sc.ot._solvers.paper import PaperConfig

RUN: dict[str, Any] = {"b": {"x": jnp.arange(3.0), "n": np.int64(7)}, "a": np.array([[True, False]])}
HISTORY = {"step": [0, 3], "seconds": [0.0, 0.1], "metrics": {"loss": [float("nan"), 2.0]}, "selected": None}
RECORD: dict[str, Any] = {"done": 3, "seconds": 0.1, "histories": [HISTORY]}


def test_round_trip_keeps_every_bit(tmp_path: Path):
    checkpoint = Checkpoint(tmp_path / "new" / "folder", "me", resume=True)
    checkpoint.prepare()
    checkpoint.save(RUN, RECORD)
    kept = checkpoint.load(RUN, 3, 1)
    assert kept is not None
    run, record = kept
    assert record.done == 3
    assert record.seconds == 0.1
    assert record.histories[0].step == [0, 3]
    assert record.histories[0].metrics["loss"][1] == 2
    assert run.keys() == RUN.keys()
    np.testing.assert_array_equal(run["b"]["x"], RUN["b"]["x"])
    assert run["b"]["x"].dtype == np.float32
    assert run["b"]["n"] == 7
    np.testing.assert_array_equal(run["a"], RUN["a"])


def test_nothing_to_resume(tmp_path: Path):
    checkpoint = Checkpoint(tmp_path, "me", resume=True)
    assert checkpoint.load(RUN, 10, 1) is None
    checkpoint.save(RUN, RECORD)
    assert Checkpoint(tmp_path, "me", resume=False).load(RUN, 10, 1) is None


def test_file_of_another_training_is_refused(tmp_path: Path):
    Checkpoint(tmp_path, "me", resume=False).save(RUN, RECORD)
    with pytest.raises(ValueError, match="checkpoint.npz belongs to a fit with other data or options"):
        Checkpoint(tmp_path, "you", resume=True).load({"other": RUN}, 1, 2)


def test_kill_while_writing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    checkpoint = Checkpoint(tmp_path, "me", resume=True)
    checkpoint.save(RUN, RECORD | {"done": 1})

    def killed(*args: object, **kwargs: object) -> None:
        args[0].write(b"half a file")  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", killed)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(RUN, RECORD | {"done": 2})
    monkeypatch.undo()
    kept = checkpoint.load(RUN, 10, 1)
    assert kept is not None
    assert kept[1].done == 1
    checkpoint.save(RUN, RECORD | {"done": 3})
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.npz"]


def test_nothing_is_pickled(tmp_path: Path):
    checkpoint = Checkpoint(tmp_path, "me", resume=False)
    checkpoint.save(RUN, {"done": 1})
    with zipfile.ZipFile(checkpoint.path) as archive:
        assert all(name.endswith(".npy") for name in archive.namelist())
        assert all(b"'|O'" not in archive.read(name)[:200] for name in archive.namelist())


def test_fingerprint_is_of_cells_options_and_seed(tmp_path: Path):
    x, y = np.random.default_rng(0).normal(size=(2, 20, 2)).astype(np.float32)
    problem = Problem(x, y, x[:5], y[:5])

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
            "source_weights": np.arange(20),
            "target_weights": np.arange(20),
        }.items()
    ]
    others += [fingerprint([problem], seed=1), fingerprint([problem], width=4), fingerprint([problem, problem])]
    assert same not in others
    assert len(set(others)) == len(others)


def test_no_folder_no_checkpoint():
    assert fit_checkpoint(PaperConfig(), [], 0) is None


def test_nothing_is_trained_where_nothing_can_be_kept(tmp_path: Path):
    (tmp_path / "file").write_text("")
    (tmp_path / "taken" / "checkpoint.npz").mkdir(parents=True)
    for folder in (tmp_path / "file", tmp_path / "file" / "within", tmp_path / "taken", Path("\0")):
        with pytest.raises(OSError, match=r"^no checkpoint can be written to .*: choose another checkpoint_dir\.$"):
            Checkpoint(folder, "me", resume=False).prepare()
    x = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    with pytest.raises(OSError, match="no checkpoint can be written to"):
        ot.fit([Problem(x, x + 1)], "paper", checkpoint_dir=tmp_path / "file")


def test_what_a_kill_left_is_removed_before_anything_is_trained(tmp_path: Path):
    checkpoint = Checkpoint(tmp_path, "me", resume=True)
    checkpoint.partial.write_bytes(b"half a file")
    checkpoint.prepare()
    assert not list(tmp_path.iterdir())


def test_full_disk_is_a_sentence_and_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    checkpoint = Checkpoint(tmp_path, "me", resume=True)

    def full(*args: Any, **kwargs: Any) -> None:
        args[0].write(b"half a file")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        with pytest.raises(OSError, match=r"checkpoint.npz' \(No space left on device\)\. $"):
            checkpoint.save(RUN, RECORD)
    checkpoint.save(RUN, RECORD)
    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match=r"No space left on device\)\. What was kept before stays: make room"):
        checkpoint.save(RUN, RECORD)
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.npz"]
    assert checkpoint.load(RUN, 10, 1) is not None


def rewritten(path: Path, **changed: Any) -> None:
    """Write the arrays of a file anew, some of them others."""
    with np.load(path) as file:
        arrays = dict(file) | changed
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


def as_text(record: Any) -> np.ndarray:
    return np.frombuffer(json.dumps(record).encode(), dtype=np.uint8)


def lies_about_its_shape(path: Path) -> None:
    """Say of an array that it has more numbers than any memory holds."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    old = b"(3,), }"
    members["leaf_1.npy"] = (
        members["leaf_1.npy"].replace(b"(), } ", b"(10**13,), }").replace(old, b"(9999999999999,), }")
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def compressed(path: Path) -> None:
    with np.load(path) as file:
        np.savez_compressed(path, **file)


GOOD = {"fingerprint": "me", "done": 3, "seconds": 0.1, "histories": [{"step": [0], "seconds": [0.1], "metrics": {}}]}
HOSTILE: dict[str, Any] = {
    "empty": lambda path: path.write_bytes(b""),
    "no zip": lambda path: path.write_text("a,b\n1,2\n"),
    "an array": lambda path: path.write_bytes(b"\x93NUMPY" + bytes(100)),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "its end": lambda path: path.write_bytes(path.read_bytes()[100:]),
    "flipped": lambda path: path.write_bytes(path.read_bytes().replace(np.float32(2).tobytes(), b"\1\1\1\1")),
    "pickles": lambda path: rewritten(path, leaf_1=np.array([print, None], dtype=object)),
    "other shapes": lambda path: rewritten(path, leaf_1=np.zeros(4, np.float32)),
    "other types": lambda path: rewritten(path, leaf_1=np.zeros(3)),
    "nothing": lambda path: rewritten(path, leaf_1=None),
    "no record": lambda path: rewritten(path, record=None),
    "no JSON": lambda path: rewritten(path, record=np.arange(9, dtype=np.uint8)),
    "a list": lambda path: rewritten(path, record=as_text([1, 2])),
    "deep": lambda path: rewritten(path, record=np.frombuffer(b"[" * 10**6, dtype=np.uint8)),
    "a record of numbers": lambda path: rewritten(path, record=np.arange(9.0)),
    "a huge shape": lies_about_its_shape,
    "compressed": compressed,
    **{
        f"{key}={value}": lambda path, key=key, value=value: rewritten(path, record=as_text(GOOD | {key: value}))
        for key, value in (
            *(("done", 10**9), ("done", -1), ("done", "3"), ("done", 2.5), ("seconds", "1"), ("seconds", None)),
            *(("histories", []), ("histories", None), ("histories", [{"step": [0], "seconds": [], "metrics": {}}])),
            *(("histories", [{"step": ["a"], "seconds": [1]}]), ("histories", [{"steps": [0]}]), ("histories", [1])),
        )
    },
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_one_sentence(tmp_path: Path, name: str):
    checkpoint = Checkpoint(tmp_path, "me", resume=True)
    checkpoint.save(RUN, RECORD)
    HOSTILE[name](checkpoint.path)
    sentence = (
        r"checkpoint.npz' is no checkpoint that can be read \(.*\): remove it, or choose another checkpoint_dir\.$"
    )
    with pytest.raises(ValueError, match=sentence):
        checkpoint.load(RUN, 10, 1)


def test_numbers_that_are_not_finite_are_not_resumed(tmp_path: Path):
    x = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    options: dict[str, Any] = {"n_steps": 4, "check_every": 2, "hidden": (4,), "n_latent": 1, "batch_size": 8}
    ot.fit([Problem(x, x + 1)], "scgen", checkpoint_dir=tmp_path, **options)
    path = tmp_path / "checkpoint.npz"
    with np.load(path) as file:
        name = next(name for name in file if file[name].dtype == np.float32 and file[name].ndim == 4)
        bad = np.full_like(file[name], np.nan)
    rewritten(path, **{name: bad})
    with pytest.raises(ValueError, match="checkpoint.npz' holds NaN or inf: remove it"):
        ot.fit([Problem(x, x + 1)], "scgen", checkpoint_dir=tmp_path, resume=True, **options)


def test_what_is_known_of_cells() -> None:
    x = np.arange(12, dtype=np.float32).reshape(6, 2)
    codes = np.array([[0, 0], [0, 1], [0, 2]] * 2)
    given: dict[str, Any] = {"source": x, "target": x + 1, "source_contexts": codes, "target_contexts": codes}
    # of two columns, with different numbers of names
    given["context_names"] = [["a"], ["b", "c", "d"]]
    digest = cells_digest([ot.Problem(**given)])
    assert digest == cells_digest([ot.Problem(**(given | {"source": x.copy()}))])
    others = [
        [ot.Problem(**(given | {"target": x + 2}))],
        [ot.Problem(**(given | {"context_names": [["a"], ["b", "c", "e"]]}))],
        [ot.Problem(**(given | {"source_weights": np.arange(6)}))],
        [ot.Problem(x, x + 1)],
        [ot.Problem(**given)] * 2,
    ]
    assert len({digest, *map(cells_digest, others)}) == 6
