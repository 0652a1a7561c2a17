from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cellot_sc.datasets import tasks

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def test_the_list_names_sizes_and_sources(run: Run) -> None:
    out = run.well("reproduce", "--list")
    for name, task in tasks.items():
        assert f"{name}\n  {task.title} ({task.setting})\n" in out
        assert task.files[0] in out
        assert task.source in out
    assert "perturbations: 34, features: 48, batch size: 256" in out
    assert out.endswith("All files are in https://doi.org/10.3929/ethz-b-000609681\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "TASK is missing: cellot-sc reproduce --list shows them."),
        (["lupus"], "--data is missing"),
        (["lupu", "--data", "."], "task 'lupu' is unknown. Did you mean 'lupus'?"),
        (["lupus", "--data", ".", "--seed", "-1"], "seed is -1"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_made(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert words in run.badly("reproduce", *arguments)
    assert list(tmp_path.iterdir()) == []
