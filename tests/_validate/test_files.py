from __future__ import annotations

from pathlib import Path

import pytest

from cellot_sc import _validate


def test_figure_file(tmp_path: Path) -> None:
    for path in (None, tmp_path / "map.PNG", str(tmp_path / "map.pdf")):
        _validate.figure_file(path)
    with pytest.raises(ValueError, match=r"save '.*map\.pgn' is no figure's file\. Did you mean '\.png'\?"):
        _validate.figure_file(tmp_path / "map.pgn")
    with pytest.raises(ValueError, match=r"save '.*map\.png': the folder '.*absent' does not exist"):
        _validate.figure_file(tmp_path / "absent" / "map.png")
    assert list(tmp_path.iterdir()) == []
