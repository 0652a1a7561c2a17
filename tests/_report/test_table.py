from __future__ import annotations

import re

import numpy as np
import pytest

from cellot_sc._report._table import Cell, interval, number, render


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1234.4, "1,234"), (-0.012345, "−0.012"), (0, "0"), (np.nan, "–"), (999.7, "1,000"), (1.75e-14, "0"),
        (2e-5, "< 0.001"), (-2e-5, "> −0.001"), (0.0007, "0.001"), (0.1254, "0.125"), (3.456, "3.46"), (2.5, "2.5"),
    ],
)  # fmt: skip
def test_numbers(value: float, shown: str) -> None:
    assert number(value) == shown


@pytest.mark.parametrize(
    ("value", "beside", "shown"),
    [
        (-0.00347, [2.01, -0.00347], "> −0.01"), (0.5, [2.01, 0.5], "0.50"), (0.0017, [0.0542, 0.0017], "0.0017"),
        (3.4, [1234.0, 3.4], "3"), (np.nan, [np.nan], "–"), (1e-12, [1e-12], "0"),
    ],
)  # fmt: skip
def test_numbers_beside_others_have_their_decimals(value: float, beside: list[float], shown: str) -> None:
    assert number(value, beside=beside) == shown


def test_table_sorts_by_numbers_where_there_are() -> None:
    text = render(["name", "size"], [[Cell("<a>"), Cell.of(0.5, "0 … 1", ("best",))], [Cell("b_c"), Cell.of(np.nan)]])
    assert text == (
        '<thead><tr><th scope="col">name</th><th scope="col" class="n">size</th></tr></thead>\n<tbody>'
        '<tr><th scope="row">&lt;a&gt;</th><td class="n best" data-v="0.5">0.5<small>0 … 1</small></td></tr>\n'
        '<tr><th scope="row">b_<wbr>c</th><td class="n" data-v="nan">–</td></tr>\n</tbody>'
    )


def test_what_all_rows_share_is_said_once() -> None:
    rows = [[Cell("drug"), Cell(group), Cell("r"), Cell.count(n)] for group, n in (("T", 3), ("B", 40))]
    text = render(["perturbation", "cells", "metric", "n"], rows)
    assert text.startswith("<caption>perturbation: <strong>drug</strong>; metric: <strong>r</strong></caption><thead>")
    assert '<tr><th scope="row">T</th><td class="n" data-v="3">3</td></tr>' in text
    # a row keeps a name, and the only row all of them
    assert '<th scope="row">drug</th>' in render(["perturbation", "n"], [[Cell("drug"), Cell.count(1)]] * 2)
    assert "<caption>" not in render(["perturbation", "cells", "n"], [[Cell("drug"), Cell("T"), Cell.count(1)]])


def test_names_of_a_row_are_in_one_cell_too() -> None:
    text = render(["a", "b", "n"], [[Cell("x"), Cell("y"), Cell.count(1)], [Cell("z"), Cell("w"), Cell.count(2)]])
    assert '<th scope="row">x<small class="also">y</small></th><td class="name">y</td>' in text
    assert '<th scope="col" class="name">b</th>' in text


def test_intervals() -> None:
    assert interval(99.7, 123.4) == "100 … 123"
    assert interval(np.nan, 1.0) == ""
    assert interval(0.5, 1.0, beside=[2.01]) == "0.50 … 1.00"


def test_columns_that_matter_come_first() -> None:
    rows = [[Cell(name), Cell.count(1), Cell.count(2), Cell("yes")] for name in "ab"]
    text = render(["name", "x", "y", "is"], rows, first=("is", "y"))
    assert re.findall(r"<th scope=\"col\"[^>]*>(\w+)", text) == ["name", "y", "is", "x"]
    assert re.findall(r"<td[^>]*>(\w+)", text) == ["2", "yes", "1"] * 2
