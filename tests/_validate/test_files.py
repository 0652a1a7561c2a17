from __future__ import annotations

from pathlib import Path

import pytest

from cellot_sc import _validate


def test_writable(tmp_path: Path) -> None:
    path = tmp_path / "out.h5ad"
    assert _validate.writable(path, overwrite=False) == path
    path.write_text("old")
    assert _validate.writable(path, overwrite=True) == path
    with pytest.raises(FileExistsError, match=r"out\.h5ad exists; --overwrite replaces it"):
        _validate.writable(path, overwrite=False)
    assert path.read_text() == "old"
