"""Tables of the report; the page sorts them by any column."""

from __future__ import annotations

import html
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

MISSING = "–"
DECIMALS = 3
ROUNDING = 1e-9
"""Numbers nearer to zero than this are errors of rounding."""


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
    def of(
        cls, value: float, note: str = "", marks: tuple[str, ...] = (), *, beside: Sequence[float] | None = None
    ) -> Cell:
        """Return the cell of a measured number, as :func:`number` writes it."""
        return cls(number(value, beside=beside), float(value), note, marks)


def render(heads: Sequence[str], rows: Sequence[Sequence[Cell]], *, first: Collection[str] = ()) -> str:
    """Return what is in a table: its head and its rows, each of which its first cells, those without numbers, name.

    A name that all rows share is said once, above them; on a small screen, all names of a row are in one cell.

    Parameters
    ----------
    heads
        Names of the columns.
    rows
        Cells of every row; a column is of numbers if its first cell has one.
    first
        Names of the columns that come first after the names, as a small screen has no room for more.
    """
    numeric = [cell.value is not None for cell in rows[0]] if rows else [False] * len(heads)
    n_names = next((i for i, is_number in enumerate(numeric) if is_number), 1)
    shared = [i for i in range(n_names) if len(rows) > 1 and len({row[i].text for row in rows}) == 1]
    shared = shared if len(shared) < n_names else shared[1:]
    said = "; ".join(f"{html.escape(heads[i])}: <strong>{html.escape(rows[0][i].text)}</strong>" for i in shared)
    rest = sorted(range(n_names, len(heads)), key=lambda i: heads[i] not in first)
    shown = [*(i for i in range(n_names) if i not in shared), *rest]
    n_names -= len(shared)
    kinds = [["n"] if numeric[i] else ["name"] if 0 < at < n_names else [] for at, i in enumerate(shown)]
    head = "".join(
        f'<th scope="col"{_kind(kind)}>{html.escape(heads[i])}</th>' for i, kind in zip(shown, kinds, strict=True)
    )
    body = "".join(f"<tr>{_row([row[i] for i in shown], n_names)}</tr>\n" for row in rows)
    caption = f"<caption>{said}</caption>" if said else ""
    return f"{caption}<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody>"


def _row(cells: Sequence[Cell], n_names: int) -> str:
    first, names, rest = cells[0], cells[1:n_names], cells[n_names:]
    also = f'<small class="also">{_breaking(" · ".join(cell.text for cell in names))}</small>' if names else ""
    return "".join(
        [
            _html(first, "th", ' scope="row"', more=also),
            *(_html(cell, "td", kinds=["name"]) for cell in names),
            *(_html(cell, "td") for cell in rest),
        ]
    )


def _html(cell: Cell, tag: str, scope: str = "", *, kinds: Sequence[str] = (), more: str = "") -> str:
    kind = _kind([*(["n"] if cell.value is not None else []), *kinds, *cell.marks])
    value = "" if cell.value is None else f' data-v="{cell.value}"'
    note = f"<small>{html.escape(cell.note)}</small>" if cell.note else ""
    text = _breaking(cell.text) if tag == "th" else html.escape(cell.text)
    return f"<{tag}{scope}{kind}{value}>{text}{note}{more}</{tag}>"


def _breaking(text: str) -> str:
    """Return a name that may be broken after its underscores, where a cell is narrow."""
    return html.escape(text).replace("_", "_<wbr>")


def _kind(classes: Sequence[str]) -> str:
    return f' class="{" ".join(classes)}"' if classes else ""


def number(value: float, digits: int = 3, *, beside: Sequence[float] | None = None) -> str:
    """Return a number as it is read: few digits, thousands apart, a true minus sign.

    It has so many digits that count, but no more than three decimals: what is smaller is said to be so.

    Parameters
    ----------
    value
        The number.
    digits
        How many of its digits count.
    beside
        Numbers that it stands beside: all of them have as many decimals as the largest one needs.
    """
    if math.isnan(value):
        return MISSING
    n = DECIMALS if beside is None else _decimals(beside, digits)
    if abs(value) < ROUNDING:
        return "0"
    if abs(value) < 0.5 * 10**-n:
        return f"< {10**-n:.{n}f}" if value > 0 else f"> −{10**-n:.{n}f}"
    if abs(value) >= 10**digits - 0.5:
        text = f"{value:,.0f}"
    else:
        text = f"{round(value, n):.{digits}g}" if beside is None else f"{value:.{n}f}"
    return text.replace("-", "−")


def _decimals(values: Sequence[float], digits: int) -> int:
    """Return how many decimals numbers need for the largest of them to have so many digits that count."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    if largest < ROUNDING:
        return DECIMALS
    return min(max(digits - 1 - math.floor(math.log10(largest)), 0), DECIMALS + 1)


def interval(low: float, high: float, *, beside: Sequence[float] | None = None) -> str:
    """Return an interval, or nothing if it is not known."""
    if math.isnan(low) or math.isnan(high):
        return ""
    return " … ".join(number(end, 2 if beside is None else 3, beside=beside) for end in (low, high))


def percent(fraction: float) -> str:
    """Return a fraction in percent, with a space that does not break."""
    return MISSING if math.isnan(fraction) else f"{100 * fraction:.0f}\u00a0%".replace("-", "−")
