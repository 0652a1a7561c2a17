from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from anndata import AnnData

from cellot_sc import _files


@pytest.fixture
def adata() -> AnnData:
    return AnnData(np.arange(6, dtype=np.float32).reshape(3, 2), uns={"a": 1})


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("suffix", _files.ANNDATA)
def test_round_trip_and_replacement(adata: AnnData, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cells{suffix}"
    _files.write(adata, path, overwrite=False)
    np.testing.assert_array_equal(_files.read(path).X, adata.X)
    with pytest.raises(FileExistsError, match="exists; --overwrite replaces it"):
        _files.write(adata, path, overwrite=False)
    adata.X += 1
    _files.write(adata, path, overwrite=True)
    np.testing.assert_array_equal(_files.read(path).X, adata.X)
    assert names(tmp_path) == {path.name}


@pytest.mark.parametrize("suffix", _files.ANNDATA)
def test_a_write_that_fails_leaves_the_old_file(adata: AnnData, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cells{suffix}"
    _files.write(adata, path, overwrite=False)
    broken = adata.copy()
    broken.uns["b"] = object()
    with pytest.raises(Exception, match=r"[Nn]o method registered for writing"):
        _files.write(broken, path, overwrite=True)
    np.testing.assert_array_equal(_files.read(path).X, adata.X)
    assert names(tmp_path) == {path.name}


def test_a_folder_that_is_no_store_is_not_replaced(adata: AnnData, tmp_path: Path) -> None:
    for path in (tmp_path / "cells.zarr", tmp_path / "cells.h5ad"):
        path.mkdir()
        (path / "thesis.txt").write_text("ten years of work")
        with pytest.raises(ValueError, match="is a folder that is no Zarr store: it is not replaced"):
            _files.write(adata, path, overwrite=True)
        assert names(path) == {"thesis.txt"}


def test_a_store_replaces_a_file(adata: AnnData, tmp_path: Path) -> None:
    path = tmp_path / "cells.zarr"
    path.write_text("not a store")
    _files.write(adata, path, overwrite=True)
    np.testing.assert_array_equal(_files.read(path).X, adata.X)


def test_the_old_store_comes_back_if_the_new_one_cannot_be_moved(
    adata: AnnData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cells.zarr"
    _files.write(adata, path, overwrite=False)
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
        _files.write(adata, tmp_path / name, overwrite=True)
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
