from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr
from anndata import AnnData

from cellot_sc import _files


@pytest.fixture
def adata() -> AnnData:
    return AnnData(np.arange(6, dtype=np.float32).reshape(3, 2), uns={"a": 1})


def write(adata: AnnData, path: Path, *, overwrite: bool) -> None:
    with _files.output(path, _files.ANNDATA, overwrite=overwrite) as new:
        _files.write(adata, new)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("suffix", _files.ANNDATA)
def test_round_trip_and_replacement(adata: AnnData, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cells{suffix}"
    write(adata, path, overwrite=False)
    np.testing.assert_array_equal(_files.read(path).X, adata.X)
    with pytest.raises(FileExistsError, match="exists; --overwrite replaces it"):
        write(adata, path, overwrite=False)
    adata.X += 1
    write(adata, path, overwrite=True)
    np.testing.assert_array_equal(_files.read(path).X, adata.X)
    assert names(tmp_path) == {path.name}


@pytest.mark.parametrize("suffix", _files.ANNDATA)
def test_a_write_that_fails_leaves_the_old_file(adata: AnnData, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cells{suffix}"
    write(adata, path, overwrite=False)
    broken = adata.copy()
    broken.uns["b"] = object()
    with pytest.raises(Exception, match=r"[Nn]o method registered for writing"):
        write(broken, path, overwrite=True)
    np.testing.assert_array_equal(_files.read(path).X, adata.X)
    assert names(tmp_path) == {path.name}


def test_a_folder_that_is_no_store_is_not_replaced(adata: AnnData, tmp_path: Path) -> None:
    for path in (tmp_path / "cells.zarr", tmp_path / "cells.h5ad"):
        path.mkdir()
        (path / "thesis.txt").write_text("ten years of work")
        with pytest.raises(ValueError, match="is a folder that is no Zarr store: it is not replaced"):
            write(adata, path, overwrite=True)
        assert names(path) == {"thesis.txt"}


def test_a_store_replaces_a_file(adata: AnnData, tmp_path: Path) -> None:
    path = tmp_path / "cells.zarr"
    path.write_text("not a store")
    write(adata, path, overwrite=True)
    np.testing.assert_array_equal(_files.read(path).X, adata.X)


def test_the_old_store_comes_back_if_the_new_one_cannot_be_moved(
    adata: AnnData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cells.zarr"
    write(adata, path, overwrite=False)
    replace = os.replace
    moves: list[Path] = []

    def fail_once(source: Path, target: Path) -> None:
        moves.append(target)
        if len(moves) == 2:
            raise OSError("disk gone")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail_once)
    with pytest.raises(OSError, match="disk gone"), _files.replacing(path) as new:
        adata.copy().write_zarr(new)
    np.testing.assert_array_equal(_files.read(path).X, adata.X)
    assert names(tmp_path) == {path.name}


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("cells.h5ab", ValueError, "ends in '.h5ab'. Did you mean '.h5ad'"),
        ("cells", ValueError, "ends in ''. Valid: '.h5ad', '.zarr'"),
        ("absent/cells.h5ad", FileNotFoundError, "the folder .* does not exist"),
    ],
)
def test_outputs_that_cannot_be(adata: AnnData, tmp_path: Path, name: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        write(adata, tmp_path / name, overwrite=True)
    assert names(tmp_path) == set()


def test_inputs_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "cells.h5ad").write_text("this is no HDF5")
    (tmp_path / "cells.zarr").mkdir()
    (tmp_path / "cells.csv").write_text("a,b")
    with pytest.raises(FileNotFoundError, match=r"cell.h5ad does not exist. Did you mean '.*cells.h5ad'"):
        _files.read(tmp_path / "cell.h5ad")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        _files.read(tmp_path / "absent" / "cells.h5ad")
    with pytest.raises(ValueError, match=r"ends in '.csv'. Valid: '.h5ad', '.zarr'"):
        _files.read(tmp_path / "cells.csv")
    with pytest.raises(ValueError, match=r"cells.h5ad cannot be read as .h5ad: \S+"):
        _files.read(tmp_path / "cells.h5ad")
    with pytest.raises(ValueError, match=r"cells.zarr cannot be read as .zarr: \S+"):
        _files.read(tmp_path / "cells.zarr")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("folder.h5ad", "folder.h5ad cannot be read as .h5ad: it is no file"),
        ("pipe.h5ad", "pipe.h5ad cannot be read as .h5ad: it is no file"),
        ("file.zarr", "file.zarr cannot be read as .zarr: it is a file, not a folder"),
        ("cut.h5ad", "cut.h5ad cannot be read as .h5ad: .*truncated"),
        ("empty.h5ad", "empty.h5ad cannot be read as .h5ad: "),
        ("pickle.h5ad", "pickle.h5ad cannot be read as .h5ad: "),
        ("other.h5ad", "other.h5ad cannot be read as .h5ad: it holds no AnnData, or a broken one"),
        ("other.zarr", "other.zarr cannot be read as .zarr: it holds no AnnData, or a broken one"),
        ("link.h5ad", r"link.h5ad does not exist.$"),
    ],
)
def test_hostile_inputs(adata: AnnData, tmp_path: Path, name: str, words: str) -> None:
    path = tmp_path / name
    if name.startswith("folder"):
        path.mkdir()
    elif name.startswith("pipe"):
        os.mkfifo(path)
    elif name == "other.h5ad":
        with h5py.File(path, "w") as file:
            file["numbers"] = np.eye(3)
    elif name == "other.zarr":
        zarr.open_group(path, mode="w").create_array("numbers", data=np.eye(3))
    elif name.startswith("link"):
        path.symlink_to(tmp_path / "nowhere.h5ad")
    else:
        path.write_bytes(pickle.dumps({"a": 1}) if name.startswith("pickle") else b"")
    if name.startswith("cut"):
        adata.write_h5ad(path)
        path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        _files.read(path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "a temporary name")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(PermissionError, match="cannot be written: Permission denied") as error:
        with _files.output(tmp_path / "cells.h5ad", _files.ANNDATA, overwrite=False):
            raise AssertionError("found only when everything was computed")
    assert error.value.filename == str(tmp_path / "cells.h5ad")


def test_what_is_written_is_compressed(tmp_path: Path) -> None:
    _files.write(AnnData(np.ones((300, 100), dtype=np.float32)), tmp_path / "o.h5ad")
    with h5py.File(tmp_path / "o.h5ad") as file:
        assert file["X"].compression == "gzip"
    assert (tmp_path / "o.h5ad").stat().st_size < 120_000


def test_a_full_disk_is_one_error(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk: HDF5 fails in the same way, segmentation fault and all."""
    code = """
import resource, sys
from pathlib import Path
import anndata, numpy as np
from cellot_sc import _files

draw = np.random.default_rng(0).normal
adata = anndata.AnnData(draw(size=(300, 100)), layers={name: draw(size=(300, 100)) for name in "abc"})
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    with _files.output(Path(sys.argv[1]), _files.ANNDATA, overwrite=True) as new:
        _files.write(adata, new)
except OSError as error:
    print(error.filename, error.strerror, sep=": ", file=sys.stderr)
    sys.exit(2)
"""
    path = tmp_path / "o.h5ad"
    path.write_text("old")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(path)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, f"{path}: File too large\n")
    assert content(path) == "old"
    assert names(tmp_path) == {"o.h5ad"}


def test_a_folder_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    path = tmp_path / "o.csv"
    path.mkdir()
    (path / "thesis.txt").write_text("ten years of work")
    with pytest.raises(IsADirectoryError, match="o.csv"), _files.replacing(path) as new:
        new.write_text("a")
    assert names(path) == {"thesis.txt"}


def test_long_names(tmp_path: Path) -> None:
    path = tmp_path / ("o" * 250 + ".csv")
    with _files.replacing(path) as new:
        new.write_text("a")
    assert content(path) == "a"
    path = tmp_path / ("o" * 252 + ".csv")
    with pytest.raises(OSError, match="cannot be written: File name too long"), _files.replacing(path):
        raise AssertionError("found only when everything was computed")


KILLED = """
import os, signal, sys
from pathlib import Path
from cellot_sc import _files

path, act = Path(sys.argv[1]), sys.argv[2]
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
replace, moves = os.replace, []

def count(source, target):
    moves.append(target)
    # the old one, then the new one
    if str(len(moves)) == act:
        die()
    replace(source, target)

place = _files.filling(path, overwrite=True) if path.suffix == "" else _files.replacing(path)
with place as new:
    if path.suffix in (".zarr", ""):
        new.mkdir(exist_ok=True)
        (new / "zarr.json").write_text("new")
    else:
        new.write_text("new")
    if act == "wait":
        print("written", flush=True)
        sys.stdin.read()
    if act == "write":
        die()
    os.replace = count
"""


def start(path: Path, act: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path), act], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def killed(path: Path, act: str) -> None:
    with start(path, act) as process:
        assert process.wait() == -signal.SIGKILL


def content(path: Path) -> str:
    return (path / "zarr.json" if path.is_dir() else path).read_text()


class TestSuddenDeath:
    @pytest.mark.parametrize("name", ["o.h5ad", "o.csv", "o.html", "o.png", "o.zarr", "o"])
    def test_the_old_one_is_kept_and_the_next_run_cleans_up(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        if name in ("o.zarr", "o"):
            path.mkdir()
        (path / "zarr.json" if path.is_dir() else path).write_text("old")
        killed(path, "write")
        assert content(path) == "old"
        assert len(names(tmp_path)) == 2
        # whatever the next output in the folder is
        with _files.replacing(tmp_path / "another.csv") as new:
            new.write_text("a")
        assert names(tmp_path) == {name, "another.csv"}
        assert content(path) == "old"

    def test_between_the_two_steps_in_which_a_folder_is_replaced(self, adata: AnnData, tmp_path: Path) -> None:
        path = tmp_path / "o.zarr"
        adata.write_zarr(path)
        killed(path, "2")
        assert not path.exists()
        # what was complete is put in its place before anything is said to be missing
        with pytest.raises(ValueError, match="cannot be read as .zarr"):
            _files.read(path)
        assert content(path) == "new"
        assert names(tmp_path) == {"o.zarr"}

    def test_what_a_running_process_writes_stays(self, tmp_path: Path) -> None:
        path = tmp_path / "o.csv"
        with start(path, "wait") as process:
            assert process.stdout is not None and process.stdin is not None
            assert process.stdout.readline() == "written\n"
            [held] = names(tmp_path)
            with _files.replacing(path) as new:
                new.write_text("mine")
            assert names(tmp_path) == {held, "o.csv"}
            assert content(path) == "mine"
            process.stdin.close()
            assert process.wait() == 0
        assert content(path) == "new"
        assert names(tmp_path) == {"o.csv"}

    def test_what_is_not_ours_stays(self, tmp_path: Path) -> None:
        for name in (".o.csv.abcdefgh", ".git", ".o.csv.backup"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "mine").write_text("mine")
        before = names(tmp_path)
        with _files.replacing(tmp_path / "o.csv") as new:
            new.write_text("a")
        assert names(tmp_path) == {*before, "o.csv"}

    def test_where_nothing_can_be_locked_nothing_is_removed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        killed(tmp_path / "o.csv", "write")
        [left] = names(tmp_path)
        monkeypatch.setattr(_files, "fcntl", None)
        with _files.replacing(tmp_path / "o.csv") as new:
            new.write_text("a")
        assert names(tmp_path) == {left, "o.csv"}


class TestFilling:
    def test_files_come_at_the_end_and_others_stay(self, tmp_path: Path) -> None:
        folder = tmp_path / "demo"
        folder.mkdir()
        (folder / "mine.txt").write_text("mine")
        (folder / "a.txt").write_text("old")
        with _files.filling(folder, overwrite=True) as stage:
            (stage / "figures").mkdir()
            (stage / "figures" / "b.png").write_text("b")
            (stage / "a.txt").write_text("new")
            assert (folder / "a.txt").read_text() == "old"
        assert names(folder) == {"mine.txt", "a.txt", "figures"}
        assert [(folder / name).read_text() for name in ("mine.txt", "a.txt", "figures/b.png")] == ["mine", "new", "b"]
        assert names(tmp_path) == {"demo"}

    def test_nothing_is_left_of_a_failure(self, tmp_path: Path) -> None:
        with (
            pytest.raises(RuntimeError, match="on the way"),
            _files.filling(tmp_path / "demo", overwrite=False) as stage,
        ):
            (stage / "a.txt").write_text("a")
            raise RuntimeError("on the way")
        assert names(tmp_path) == set()

    def test_folders_that_cannot_be_filled(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("a")
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "a").write_text("a")
        (tmp_path / "empty").mkdir()
        with (
            pytest.raises(FileExistsError, match="is a file; a folder is needed"),
            _files.filling(tmp_path / "file", overwrite=True),
        ):
            pass
        with (
            pytest.raises(FileExistsError, match="full exists; --overwrite"),
            _files.filling(tmp_path / "full", overwrite=False),
        ):
            pass
        with (
            pytest.raises(FileNotFoundError, match="the folder .* does not exist"),
            _files.filling(tmp_path / "x" / "y", overwrite=False),
        ):
            pass
        with _files.filling(tmp_path / "empty", overwrite=False) as stage:
            (stage / "a").write_text("a")
        assert names(tmp_path / "empty") == {"a"}


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_columns_are_looked_for_before_cells_are_read(adata: AnnData, tmp_path: Path, suffix: str) -> None:
    adata.obs["patient"] = "a"
    path = tmp_path / f"cells.{suffix}"
    write(adata, path, overwrite=False)
    _files.check_columns(path, {"groupby": "patient", "unit": None})
    with pytest.raises(KeyError, match="groupby 'patint' is not in adata.obs. Did you mean 'patient'"):
        _files.check_columns(path, {"groupby": "patint"})


def test_columns_of_a_file_that_cannot_be_read_are_not_said_to_be_absent(tmp_path: Path) -> None:
    (tmp_path / "cells.h5ad").write_text("no cells")
    _files.check_columns(tmp_path / "cells.h5ad", {"groupby": "patient"})
    _files.check_columns(tmp_path / "cells.zarr", {"groupby": "patient"})
