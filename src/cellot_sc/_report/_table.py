"""Tables of the report; the page sorts them by any column."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

MISSING = "–"


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Parameters
    ----------
    text
        What is shown.
    value
        The number to sort by, or ``None`` to sort by the text.
    note
        What is shown below it, smaller.
    marks
        Classes of the style sheet, such as ``"best"``.
    """

    text: str
    value: float | None = None
    note: str = ""
    marks: tuple[str, ...] = ()

    @classmethod
    def count(cls, n: int, note: str = "") -> Cell:
        """Return the cell of a whole number."""
        return cls(f"{n:,}", n, note)

    @classmethod
    def of(cls, value: float, note: str = "", marks: tuple[str, ...] = ()) -> Cell:
        """Return the cell of a measured number."""
        return cls(number(value), float(value), note, marks)


def render(heads: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Return what is in a table: its head and its rows, each of which its first cell names.

    Parameters
    ----------
    heads
        Names of the columns.
    rows
        Cells of every row; a column is of numbers if its first cell has one.
    """
    numeric = [cell.value is not None for cell in rows[0]] if rows else [False] * len(heads)
    head = "".join(
        f'<th scope="col"{_kind(["n"] if is_number else [])}>{html.escape(label)}</th>'
        for label, is_number in zip(heads, numeric, strict=True)
    )
    body = "".join(f"<tr>{''.join(_html(cell, first=i == 0) for i, cell in enumerate(row))}</tr>\n" for row in rows)
    return f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody>"


def _html(cell: Cell, *, first: bool) -> str:
    tag, start = ("th", '<th scope="row"') if first else ("td", "<td")
    kind = _kind([*(["n"] if cell.value is not None else []), *cell.marks])
    value = "" if cell.value is None else f' data-v="{cell.value}"'
    note = f"<small>{html.escape(cell.note)}</small>" if cell.note else ""
    return f"{start}{kind}{value}>{html.escape(cell.text)}{note}</{tag}>"


def _kind(classes: Sequence[str]) -> str:
    return f' class="{" ".join(classes)}"' if classes else ""


def number(value: float, digits: int = 3) -> str:
    """Return a number with so many digits that count, and a true minus sign."""
    if math.isnan(value):
        return MISSING
    text = f"{value:,.0f}" if abs(value) >= 10**digits - 0.5 else f"{value:.{digits}g}"
    return text.replace("-", "−")


def interval(low: float, high: float) -> str:
    """Return an interval, or nothing if it is not known."""
    return "" if math.isnan(low) or math.isnan(high) else f"{number(low, 2)} … {number(high, 2)}"


def percent(fraction: float) -> str:
    """Return a fraction in percent, with a space that does not break."""
    return MISSING if math.isnan(fraction) else f"{100 * fraction:.0f}\u00a0%".replace("-", "−")
