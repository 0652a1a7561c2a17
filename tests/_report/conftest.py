from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc import _report
from cellot_sc._report import _findings
from cellot_sc._report._found import Found

VOID = {"meta", "img", "source", "br", "wbr", "link", "input"}


class Page(HTMLParser):
    """A page taken apart: its tags with their attributes, its text, and whether every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open[-3:]) and "small" not in self.open:
            self.tables[-1][-1][-1] += data
        if not {"style", "script"} & set(self.open):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def table(self, head: str) -> list[list[str]]:
        """Return the rows of the table that has a column of this name."""
        return next(rows for rows in self.tables if head in rows[0])


@pytest.fixture(scope="session")
def fitted(simulated: AnnData) -> AnnData:
    adata = simulated.copy()
    names = {"control": "control", "drug_a": "drug <b>&amp;</b>", "drug_b": "drug_b"}
    adata.obs["perturbation"] = adata.obs["perturbation"].cat.rename_categories(names)
    cs.pp.split(adata, test_fraction=0.3)
    cs.pp.represent(adata, n_components=8)
    cs.tl.cellot(adata, solver="gaussian")
    return adata


@pytest.fixture(scope="session")
def report(fitted: AnnData) -> _report.Report:
    before = fitted.copy()
    found = _report.compose(fitted, n_boot=20)
    # it was looked at and left as it was
    assert (set(fitted.obs), set(fitted.uns), set(fitted.obsm)) == (set(before.obs), set(before.uns), set(before.obsm))
    return found


@pytest.fixture(scope="session")
def path(report: _report.Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    report.write(path, title="Kang & <co>", source="my cells.h5ad")
    return path


@pytest.fixture(scope="session")
def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def page(text: str) -> Page:
    return Page(text)


@pytest.fixture(scope="session")
def parse() -> Callable[[str], Page]:
    return Page


@pytest.fixture(scope="session")
def look() -> Callable[..., Found]:
    """Return what a summary is made of, for cells with maps and scores that are given."""

    def looked_at(adata: AnnData, scores: pd.DataFrame | None = None, **asked: Any) -> Found:
        asked = {"groupby": "cell_type", "unit": None, "key": "cellot", "seed": 0} | asked
        rows = pd.DataFrame(columns=_report.COLUMNS) if scores is None else scores
        return Found(adata, cs.tl.maps(adata), rows, rows.iloc[:0], _findings.find(adata, **asked), "test")

    return looked_at


@pytest.fixture(scope="session")
def looked_at(fitted: AnnData, look: Callable[..., Found]) -> Found:
    return look(fitted)
