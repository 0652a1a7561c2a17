from __future__ import annotations

import base64
import gzip
import io
import re
from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from cellot_sc import _report
from cellot_sc._report import _page
from cellot_sc._report._items import Drawing, Item
from cellot_sc._report._table import Cell, render


def test_nothing_comes_from_elsewhere(text: str, page: Any) -> None:
    links = [attributes["href"] or "" for attributes in page.all("a")]
    packed = "data:application/gzip;base64,"
    assert all(link.startswith(("#", "https://doi.org/10.", packed)) for link in links)
    assert sum(link.startswith("https:") for link in links) >= 4
    # beside the links of citations, no address is in any attribute, style or script
    assert not re.search(r"https?://|//\w+\.\w+/|@import|url\(", re.sub(r">[^<]*<|href=\"https://doi.org/", "", text))
    assert page.all("link") == []
    assert [attributes for attributes in page.all("script") if "src" in attributes] == []
    images = [attributes["src"] or "" for attributes in page.all("img")]
    images += [attributes["srcset"] or "" for attributes in page.all("source")]
    assert all(image.startswith("data:image/png;base64,") for image in images)
    assert "$" not in text


def test_every_figure_is_embedded_with_its_meaning(text: str, page: Any, report: _report.Report) -> None:
    images = page.all("img")
    assert [image["alt"] for image in images] == [item.meaning for item in report.items if item.figure is not None]
    for image in images:
        picture = plt.imread(io.BytesIO(base64.b64decode((image["src"] or "").partition(",")[2])), format="png")
        assert min(picture.shape[:2]) > 150
        # not blank
        assert picture[..., :3].std() > 0.01
    for item in report.items:
        assert item.title in page.text
        assert f'<section id="{item.name}">' in text
        assert {"href": f"#{item.name}"} in page.all("a")


def test_tables_are_in_the_page_as_csv(page: Any, report: _report.Report) -> None:
    links = {link["download"]: link["href"] or "" for link in page.all("a") if "download" in link}
    assert {"scores.csv.gz", "transport_cost.csv.gz", "subpopulation_effects.csv.gz"} <= set(links)
    packed = base64.b64decode(links["scores.csv.gz"].partition(",")[2])
    found = pd.read_csv(io.BytesIO(packed), compression="gzip", keep_default_na=True)
    assert list(found) == list(report.scores) and len(found) == len(report.scores)
    np.testing.assert_allclose(found["value"], report.scores["value"], rtol=1e-3)


def test_of_long_tables_the_csv_has_what_is_surest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_page, "MOST_ROWS", 2)
    effects = pd.DataFrame(
        {"feature": ["a", "b", "c"], "effect": [1.0, 2.0, -3.0], "pvalue_adj": [0.01, np.nan, np.nan]}
    )
    text = _page._csv("effects", effects)
    assert "(the 2 of 3 rows that are surest, and then largest, numbers with four digits)" in text
    packed = base64.b64decode(text.partition("base64,")[2].partition('"')[0])
    assert gzip.decompress(packed) == b"feature,effect,pvalue_adj\na,1,0.01\nc,-3,\n"


def test_long_tables_and_what_is_not_most_severe_are_put_away(parse: Callable[[str], Any]) -> None:
    figures = [Drawing(plt.figure(figsize=(4, 3))), Drawing(plt.figure(), plt.figure(figsize=(4, 3)))]
    rows = [[Cell(f"p{i}"), Cell("too few", marks=("few",))] for i in range(30)]
    item = Item("long", "Long", "It is.", figures[0], table=render(["name", "verdict"], rows), whole=figures[1])
    text = _page._section(item)
    assert text.count("<details>") == 2 and "<summary>Table (30 rows)</summary>" in text
    assert "† Too few cells to say." in parse(text).text and len(parse(text).all("img")) == 2
    assert [source["media"] for source in parse(text).all("source")] == [_page.PHONE]
    plt.close("all")


def test_names_are_escaped(text: str, page: Any) -> None:
    assert page.all("b") == []
    assert "drug &lt;b&gt;&amp;amp;&lt;/b&gt;" in text
    assert "<title>Kang &amp; &lt;co&gt;</title>" in text
    assert "my cells.h5ad · 600 cells with 60 features" in text


def test_readable_by_all(text: str, page: Any) -> None:
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all("meta")
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == 1
    # what scrolls can be reached by key, and says what it is
    for attributes in page.all("div"):
        if attributes["class"] == "scroll":
            assert attributes["tabindex"] == "0" and attributes["aria-label"] and attributes["role"] == "region"
    targets = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(targets) == len(set(targets))
    assert all(link[1:] in targets for link in (of["href"] or "" for of in page.all("a")) if link.startswith("#"))
    # without scripts nothing is there that does nothing
    assert [button for button in page.all("button") if "hidden" not in button] == []
    assert all("hidden" in hint for hint in page.all("span") if hint.get("class") == "hint")
