from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from cellot_sc import _validate


def test_figure_file(tmp_path: Path) -> None:
    for path in (None, tmp_path / "map.PNG", str(tmp_path / "map.pdf")):
        _validate.figure_file(path)
    with pytest.raises(ValueError, match=r"save '.*map\.pgn' is no figure's file\. Did you mean '\.png'\?"):
        _validate.figure_file(tmp_path / "map.pgn")
    with pytest.raises(ValueError, match=r"save '.*map\.png': the folder '.*absent' does not exist"):
        _validate.figure_file(tmp_path / "absent" / "map.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ValueError, match=r"save '.*folder\.png' is a folder"):
        _validate.figure_file(tmp_path / "folder.png")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


@pytest.mark.parametrize("path", [3, b"a.png", ["a.png"], "a\0.png"])
def test_what_is_no_path(path: Any) -> None:
    with pytest.raises(ValueError, match=r"save .* is no path of a file"):
        _validate.figure_file(path)


def test_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ValueError, match="cannot be written to"):
        _validate.figure_file(tmp_path / "map.png")
