from __future__ import annotations

import os
from pathlib import Path

import pytest

from cellot_sc._stores import Store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "a.zarr"
    (path / "0").mkdir(parents=True)
    (path / "zarr.json").write_text("head")
    (path / "0" / "c.0").write_bytes(b"12345")
    return path


def test_a_file_is_read_in_pieces(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_bytes(b"0123456789")
    with Store(tmp_path / "a.h5") as store:
        assert (store.is_folder, store.size) == (False, 10)
        assert store.start(3, 0) == b"012"
        assert store.piece("", 4, 3).tobytes() == b"456"
        assert store.piece("", 10**9, 0).size == 0
        for offset, n_bytes in ((8, 3), (-1, 2), (4, -1)):
            with pytest.raises(ValueError, match="cut short"):
                store.piece("", offset, n_bytes)
        before = store.digest(after=4, without="zarr.json")
    for content, same in ((b"xxxx456789", True), (b"012345678x", False)):
        (tmp_path / "a.h5").write_bytes(content)
        with Store(tmp_path / "a.h5") as store:
            assert (store.digest(after=4, without="zarr.json") == before) is same


def test_a_folder_is_read_file_by_file(folder: Path) -> None:
    with Store(folder) as store:
        assert store.is_folder
        assert store.sizes == {"0/c.0": 5, "zarr.json": 4}
        assert store.start(0, 2) == b"he"
        assert store.piece("0/c.0", 0, 5).tobytes() == b"12345"
        for name, offset, n_bytes in (("0/c.0", 0, 4), ("0/c.0", 1, 4), ("../a.zarr/0/c.0", 0, 5), ("0/c.1", 0, 5)):
            with pytest.raises(ValueError, match="is not there, or has another size"):
                store.piece(name, offset, n_bytes)


def test_the_digest_of_a_folder_is_of_names_and_bytes(folder: Path) -> None:
    def digest() -> str:
        with Store(folder) as store:
            return store.digest(after=0, without="zarr.json")

    before = digest()
    (folder / "zarr.json").write_text("another head")
    (folder / ".DS_Store").write_text("x")
    assert digest() == before
    (folder / "0" / "c.0").rename(folder / "0" / "c.1")
    assert digest() != before


@pytest.mark.skipif(not hasattr(os, "SEEK_DATA"), reason="this system does not tell what of a file was written")
@pytest.mark.parametrize("size", [2**24, 2**40])
def test_a_file_that_is_nearly_all_hole_is_refused_if_it_is_large(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(b"0" * 4096)
    os.truncate(path, size)
    if size == 2**24:
        with Store(path) as store:
            assert store.size == size
        return
    with pytest.raises(ValueError, match="were never written"):
        Store(path)
