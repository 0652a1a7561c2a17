from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import scanpy as sc

from cellot_sc import _validate


def test_figure_file(tmp_path: Path) -> None:
    for path in (tmp_path / "map.PNG", str(tmp_path / "map.pdf")):
        assert _validate.figure_file(path, "history") == Path(path)
    assert _validate.figure_file(None, "history") is None
    assert _validate.figure_file(False, "history") is None
    with pytest.raises(ValueError, match=r"save '.*map\.pgn' is no figure's file\. Did you mean '\.png'\?"):
        _validate.figure_file(tmp_path / "map.pgn", "history")
    with pytest.raises(ValueError, match=r"save '\.png' has no name before its end: give one, such as 'history\.png'"):
        _validate.figure_file(".png", "history")
    with pytest.raises(ValueError, match=r"save '.*map\.png': the folder '.*absent' does not exist"):
        _validate.figure_file(tmp_path / "absent" / "map.png", "history")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ValueError, match=r"save '.*folder\.png' is a folder"):
        _validate.figure_file(tmp_path / "folder.png", "history")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


def test_file_that_scanpy_would_name(tmp_path: Path, scanpy_settings: None) -> None:
    sc.settings.figdir, sc.settings.file_format_figs = tmp_path / "new" / "figures", "svg"
    assert _validate.figure_file(True, "history") == tmp_path / "new" / "figures" / "history.svg"
    assert (tmp_path / "new" / "figures").is_dir()
    (tmp_path / "file").touch()
    sc.settings.figdir = tmp_path / "file" / "figures"
    with pytest.raises(ValueError, match="save True: scanpy.settings.figdir .*file/figures' cannot be made"):
        _validate.figure_file(True, "history")


@pytest.mark.parametrize("path", [3, b"a.png", ["a.png"], "a\0.png"])
def test_what_is_no_path(path: Any) -> None:
    with pytest.raises(ValueError, match=r"save .* is no path of a file"):
        _validate.figure_file(path, "history")


def test_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ValueError, match="cannot be written to"):
        _validate.figure_file(tmp_path / "map.png", "history")
