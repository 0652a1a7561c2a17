from __future__ import annotations

import base64
import importlib.metadata
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc import _report

VOID = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """A page taken apart: its tags with their attributes, its text, and whether every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.cells: list[list[str]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open[-3:]) and "small" not in self.open:
            self.cells[-1][-1] += data
        if not {"style", "script"} & set(self.open):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def fitted(simulated: AnnData) -> AnnData:
    adata = simulated.copy()
    names = {"control": "control", "drug_a": "drug <b>&amp;</b>", "drug_b": "drug_b"}
    adata.obs["perturbation"] = adata.obs["perturbation"].cat.rename_categories(names)
    cs.pp.split(adata, test_fraction=0.3)
    cs.pp.represent(adata, n_components=8)
    cs.tl.cellot(adata, solver="gaussian")
    return adata


@pytest.fixture(scope="module")
def scores(fitted: AnnData) -> pd.DataFrame:
    metrics = ["energy_distance", "pearson_delta", "variance_ratio"]
    return cs.tl.evaluate(fitted, groupby="cell_type", metrics=metrics, n_boot=20)


@pytest.fixture(scope="module")
def items(fitted: AnnData, scores: pd.DataFrame) -> list[_report.Item]:
    return _report.draw(fitted, scores)


@pytest.fixture(scope="module")
def page(
    fitted: AnnData, scores: pd.DataFrame, items: list[_report.Item], tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Page]:
    path = tmp_path_factory.mktemp("report") / "report.html"
    _report.write_report(fitted, scores, items, path, title="Kang & <co>")
    text = path.read_text(encoding="utf-8")
    return text, Page(text)


def test_figures(items: list[_report.Item]) -> None:
    assert [item.name for item in items] == ["evaluation", "evaluation_groups", "embedding", "marginals"]
    assert all(item.meaning.endswith(".") for item in items)
    assert plt.get_fignums() == []


def test_groups_and_history_only_where_there_are(fitted: AnnData) -> None:
    adata = fitted.copy()
    history = pd.DataFrame(
        [("drug_b", step, 0.0, "loss", 1.0) for step in (0, 1)],
        columns=["perturbation", "step", "seconds", "metric", "value"],
    )
    adata.uns["cellot"]["history"] = history
    items = _report.draw(adata, cs.tl.evaluate(adata, metrics="mmd", n_boot=0))
    assert [item.name for item in items] == ["evaluation", "embedding", "marginals", "history"]
    assert "not shown needed no steps" in items[-1].meaning


def test_nothing_comes_from_elsewhere(page: tuple[str, Page]) -> None:
    text, parsed = page
    assert not re.search(r"https?://|//\w+\.\w+/|@import|url\(", text)
    assert parsed.all("link") == []
    assert [attributes for attributes in parsed.all("script") if "src" in attributes] == []
    assert all((attributes["src"] or "").startswith("data:image/png;base64,") for attributes in parsed.all("img"))
    assert "$" not in text


def test_every_figure_is_embedded_with_its_meaning(page: tuple[str, Page], items: list[_report.Item]) -> None:
    text, parsed = page
    images = parsed.all("img")
    assert [image["alt"] for image in images] == [item.meaning for item in items]
    for image in images:
        picture = plt.imread(io.BytesIO(base64.b64decode((image["src"] or "").partition(",")[2])), format="png")
        assert min(picture.shape[:2]) > 150
        # not blank
        assert picture[..., :3].std() > 0.01
    for item in items:
        assert item.title in parsed.text
        assert f'<section id="{item.name}">' in text
        assert {"href": f"#{item.name}"} in parsed.all("a")


def test_table_has_every_score_beside_its_controls(page: tuple[str, Page], scores: pd.DataFrame) -> None:
    _, parsed = page
    head, *rows = [row for row in parsed.cells if len(row) > 2]
    assert head == [
        "perturbation", "cells", "metric", "identity", "mean shift", "Gaussian map", "observed", "gap closed",
    ]  # fmt: skip
    assert [row[:3] for row in rows] == [
        [name, group, metric]
        for name in ("drug <b>&amp;</b>", "drug_b")
        for group in ("all", "mean", "worst")
        for metric in ("energy_distance", "pearson_delta", "variance_ratio")
    ]
    table = scores.set_index(["perturbation", "group", "metric", "model"])["value"]
    for row in rows:
        for model, shown in zip(("identity", "mean_shift", "gaussian", "observed"), row[3:7], strict=True):
            value = table[row[0], row[1], row[2], model]
            assert shown == ("–" if np.isnan(value) else f"{value:.3g}".replace("-", "−"))
    closed = table["drug <b>&amp;</b>", "all", "energy_distance_frac_gap_closed", "gaussian"]
    assert rows[0][7] == f"{100 * closed:.0f}\N{NO-BREAK SPACE}%"


def test_names_are_escaped(page: tuple[str, Page]) -> None:
    text, parsed = page
    assert parsed.all("b") == []
    assert "drug &lt;b&gt;&amp;amp;&lt;/b&gt;" in text
    assert "<title>Kang &amp; &lt;co&gt;</title>" in text


def test_methods_name_what_was_done_and_with_what(page: tuple[str, Page]) -> None:
    _, parsed = page
    for part in (
        "600 cells with 60 features",
        "8 dimensions (X_cellot, pca of train cells)",
        "solver gaussian; seed 0",
        f"cellot-sc {cs.__version__}",
        f"anndata {importlib.metadata.version('anndata')}",
        f"jax {importlib.metadata.version('jax')}",
        "Judged are test cells",
    ):
        assert part in parsed.text


def test_readable_by_all(page: tuple[str, Page]) -> None:
    text, parsed = page
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in parsed.all("meta")
    assert "prefers-color-scheme: dark" in text
    assert parsed.all("html") == [{"lang": "en"}]
    assert len(parsed.all("h1")) == 1
    # what scrolls can be reached by key, and says what it is
    for attributes in parsed.all("div"):
        assert attributes["tabindex"] == "0" and attributes["aria-label"] and attributes["role"] == "region"
    # columns are sorted by buttons
    assert len(parsed.all("button")) == 8
    targets = {attributes.get("id") for _, attributes in parsed.tags}
    assert all((attributes["href"] or "")[1:] in targets for attributes in parsed.all("a"))


class TestSummary:
    @staticmethod
    def scores(identity: tuple[float, float], observed: float, closed: float) -> pd.DataFrame:
        rows = [
            ("mine", "energy_distance", 0.1, 0.0),
            ("identity", "energy_distance", *identity),
            ("observed", "energy_distance", observed, 0.0),
            ("mine", "energy_distance_frac_gap_closed", closed, 0.5),
            ("mean_shift", "energy_distance_frac_gap_closed", 0.4, 0.5),
        ]
        table = pd.DataFrame(rows, columns=["model", "metric", "value", "ci_low"])
        return table.assign(perturbation="a", group="all", ci_high=9.0)

    def test_an_effect(self) -> None:
        text = _report._summary(self.scores((2.0, 1.5), 0.1, 0.95), "mine")
        assert "closes <strong>95\N{NO-BREAK SPACE}%</strong> of the distance" in text
        assert "(mean shift 40\N{NO-BREAK SPACE}%)" in text

    def test_no_effect(self) -> None:
        assert "there is no effect to predict" in _report._summary(self.scores((0.1, -0.2), 0.0, 9.0), "mine")

    def test_without_intervals(self) -> None:
        table = self.scores((2.0, 1.5), 0.1, 0.95).assign(ci_low=np.nan, ci_high=np.nan)
        assert "95" in _report._summary(table, "mine")

    def test_other_metrics_only(self) -> None:
        assert _report._summary(self.scores((2.0, 1.5), 0.1, 0.95).assign(metric="mmd"), "mine") == "<ul></ul>"


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [
        ("energy_distance", {"a": 0.2, "identity": 0.1, "observed": 0.0}, {"identity"}),
        ("pearson_delta", {"a": 0.9, "identity": np.nan, "observed": 1.0}, {"a"}),
        ("variance_ratio", {"a": 2.0, "b": 0.5, "c": 3.0}, {"a", "b"}),
        ("counterfactual_error", {"a": 1.0, "b": 2.0}, {"a"}),
        ("mmd", {"a": np.nan}, set()),
    ],
)
def test_best_prediction(metric: str, values: dict[str, float], best: set[str]) -> None:
    assert _report._best_prediction(metric, values) == best


@pytest.mark.parametrize(
    ("value", "shown"), [(1234.4, "1,234"), (-0.012345, "−0.0123"), (0, "0"), (np.nan, "–"), (2e-5, "2e−05")]
)
def test_numbers(value: float, shown: str) -> None:
    assert _report.number(value) == shown


def test_report_of_34_perturbations_is_not_too_big(tmp_path: Path) -> None:
    names = [f"drug_{i:02d}" for i in range(34)]
    adata = cs.datasets.simulate(35 * 30, 15, perturbations=names, n_cell_types=2, n_patients=2)
    cs.pp.split(adata, test_fraction=0.3)
    cs.pp.represent(adata, n_components=3)
    cs.tl.cellot(adata, solver="mean_shift")
    scores = cs.tl.evaluate(adata, metrics="energy_distance", n_boot=0)
    _report.write_report(adata, scores, _report.draw(adata, scores), tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 5e6
    assert len(Page((tmp_path / "report.html").read_text(encoding="utf-8")).all("img")) == 3
