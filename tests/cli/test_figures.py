from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Run


@pytest.mark.parametrize(("form", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_named_figures(run: Run, fitted_file: Path, tmp_path: Path, form: str, start: bytes) -> None:
    folder = tmp_path / "figures"
    line = ["figures", fitted_file, folder, "--figure", "marginals", "--target", "drug_a", "--format", form]
    assert run.well(*line).endswith(f"wrote {folder}: marginals.{form}\n")
    assert [path.name for path in folder.iterdir()] == [f"marginals.{form}"]
    assert (folder / f"marginals.{form}").read_bytes().startswith(start)


def test_a_figure_that_cannot_be_drawn_is_said_and_the_others_are_drawn(
    run: Run, fitted_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cellot_sc.cli import _drawing

    drawn = ("history", "marginals", "trajectory", "fate")
    monkeypatch.setattr(_drawing, "FIGURES", {name: _drawing.FIGURES[name] for name in drawn})
    out = run.well("figures", fitted_file, tmp_path / "figures")
    assert "no trajectory: the file holds no time course: call cellot-sc trajectory first.\n" in out
    assert "no fate: There are no fates under 'fate': call cellot-sc trajectory first.\n" in out
    assert "marginals.png" in [path.name for path in (tmp_path / "figures").iterdir()]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--figure marginal", "--figure 'marginal' is unknown. Did you mean 'marginals'?"),
        ("--figure trajectory", "the file holds no time course: call cellot-sc trajectory first."),
        ("--figure marginals --target drugA", "--target 'drugA' is unknown. Did you mean 'drug_a'?"),
        ("--format jpg", "--format 'jpg' is unknown. Did you mean 'png'?"),
        ("--split tset", "--split 'tset' is unknown. Did you mean 'test'?"),
        ("--groupby celltype", "--groupby 'celltype' is not in obs. Did you mean 'cell_type'?"),
    ],
)
def test_what_cannot_be(run: Run, fitted_file: Path, tmp_path: Path, options: str, words: str) -> None:
    assert words in run.badly("figures", fitted_file, tmp_path / "figures", *options.split())
    assert list(tmp_path.iterdir()) == []


def test_cells_without_maps_have_no_figure(run: Run, cells: Path, tmp_path: Path) -> None:
    assert "call cellot-sc fit first." in run.badly("figures", cells, tmp_path / "figures")
    assert list(tmp_path.iterdir()) == []
