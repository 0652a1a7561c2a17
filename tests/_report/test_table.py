from __future__ import annotations

import numpy as np
import pytest

from cellot_sc._report._table import Cell, interval, number, render


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1234.4, "1,234"), (-0.012345, "−0.0123"), (0, "0"), (np.nan, "–"), (2e-5, "2e−05"), (999.7, "1,000")],
)
def test_numbers(value: float, shown: str) -> None:
    assert number(value) == shown


def test_table_sorts_by_numbers_where_there_are() -> None:
    text = render(["name", "size"], [[Cell("<a>"), Cell.of(0.5, "0 … 1", ("best",))], [Cell("b"), Cell.of(np.nan)]])
    assert text == (
        '<thead><tr><th scope="col">name</th><th scope="col" class="n">size</th></tr></thead>\n<tbody>'
        '<tr><th scope="row">&lt;a&gt;</th><td class="n best" data-v="0.5">0.5<small>0 … 1</small></td></tr>\n'
        '<tr><th scope="row">b</th><td class="n" data-v="nan">–</td></tr>\n</tbody>'
    )


def test_intervals() -> None:
    assert interval(99.7, 123.4) == "100 … 123"
    assert interval(np.nan, 1.0) == ""
