from __future__ import annotations

from pathlib import Path

import anndata
import pytest

import cellot_sc as cs
from cellot_sc.cli._drawing import FIGURES, Drawn
from cellot_sc.cli._tabulating import Tables

OF_OTHER_TABLES = {"clonal_agreement"}


@pytest.fixture(scope="module")
def drawn(fitted_file: Path) -> Drawn:
    """A file with Gaussian maps."""
    told = {"groupby": None, "unit": None, "features": None}
    tables = Tables(anndata.read_h5ad(fitted_file), told, {"targets": None, "key": "cellot", "seed": 0})
    return Drawn(tables, "test")


def test_every_figure_of_the_package_is_drawn() -> None:
    assert set(FIGURES) == set(cs.pl.__all__) - OF_OTHER_TABLES


# the sources are the cells, their scores, and tables
@pytest.mark.parametrize("name", ["marginals", "scorecard", "responses"])
def test_a_figure(drawn: Drawn, name: str, tmp_path: Path) -> None:
    FIGURES[name](drawn, show=False, save=tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 5000


def test_what_figures_have_in_common_is_made_once(drawn: Drawn) -> None:
    assert drawn.scores is drawn.scores
    assert drawn.tables["signature"] is drawn.tables["signature"]
    assert set(drawn.scores["split"]) == {"test"}
    assert drawn.shown == {"targets": None, "key": "cellot", "split": "test"}
