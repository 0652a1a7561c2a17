"""Names in figures: text and never math, of a length that can be read, and none covers another."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from adjustText import adjust_text
from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from . import _colors

LONGEST = 54
"""Letters of a name. Of a longer one, the beginning and the end are shown."""
MISSING = "missing"
"""What is shown where there is no name."""
PLAIN: dict[str, Any] = {"parse_math": False, "usetex": False}
"""Properties of a text in which a name stands: ``$``, ``_``, ``^`` and backslashes are shown as they are."""
N_LINES = 3
"""Lines of a title."""
PARTS = r"[^\s_+/-]*[\s_+/-]+|[^\s_+/-]+"
"""Of a name, between which a line may end: words with what comes after them."""
GAP = 12.0
"""Room between two titles, in pixels."""
WIDEST = 0.6
"""Width of a name beside a point, as a part of that of its axes; adjustText warns of names that do not fit."""
N_ITERATIONS = 300
"""So many, and not for so long as adjustText has it: the same figure on every machine."""
FORCES: dict[str, Any] = {"expand": (1.2, 1.8), "force_text": (0.2, 0.4), "force_static": (0.2, 0.4)}
"""How far names stay off each other and off points, which have a size here and none for adjustText."""
SLACK = 1.0
"""Pixels by which a name may stand out."""
LEADER = 8
"""A name further than this from its point, in points, is joined to it by a line."""


def short(name: object, longest: int = LONGEST) -> str:
    """Return a name as one line of at most so many letters, without its middle if it has more."""
    text = str(name)
    if not text.strip():
        return repr(text)
    if not text.isprintable():
        text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    if len(text) <= longest:
        return text
    end = (longest - 1) // 2
    return f"{text[: longest - 1 - end]}…{text[-end:]}"


def lines(name: str, letters: int) -> list[str]:
    """Return a name in lines of so many letters: broken after a space or one of ``_-+/``, in words that are longer."""
    found = [""]
    for part in re.findall(PARTS, name):
        if len((found[-1] + part).rstrip()) <= letters:
            found[-1] += part
            continue
        whole = part.rstrip()
        found += [whole[start : start + letters] for start in range(0, len(whole), letters)]
        found[-1] += part[len(whole) :]
    return [line.strip() for line in found if line.strip()]


def texts(values: pd.Series) -> list[str]:
    """Return the names in a column of a table as text, as it is shown where one is missing."""
    return [MISSING if absent else str(name) for name, absent in zip(values, values.isna(), strict=True)]


def wrap(title: Text, width: float) -> None:
    """Break a title into lines that are no wider than so many pixels; of more than three, the middle is left out."""
    # a title has no other use for its label: it keeps what was broken
    whole = title.get_label() or title.get_text()
    title.set_label(whole)
    while title.get_window_extent().width > width:
        widest = max(map(len, title.get_text().split("\n")))
        letters = min(int(widest * width / title.get_window_extent().width), widest - 1)
        if letters < 1:
            break
        title.set_text("\n".join(_few_lines(str(whole), letters)))


def _few_lines(name: str, letters: int) -> list[str]:
    """Return a name in at most three lines, without as much of its middle as that needs."""
    broken = lines(name, letters)
    for longest in range(N_LINES * letters, N_LINES * letters // 2, -1):
        if len(broken) <= N_LINES:
            return broken
        broken = lines(short(name, longest), letters)
    # words leave room at the ends of lines: what is too long is cut anywhere
    text = short(name, N_LINES * letters)
    return [text[start : start + letters] for start in range(0, len(text), letters)]


def wrap_titles(axes: Sequence[Axes]) -> int:
    """Break titles so that none reaches the next axes; return by how many lines the rows of panels grew in all."""
    figure = axes[0].figure.get_figure(root=True)
    # of the three places of a title, the one that this package uses
    titles = [(ax, ax._left_title) for ax in axes if ax._left_title.get_text()]  # type: ignore[attr-defined]
    # far from the end of its own axes, wherever the layout puts them
    if all(title.get_window_extent().width < ax.get_window_extent().width / 2 for ax, title in titles):
        return 0
    # the middle of a wide title lies beyond its axes, and the layout would leave no room for them
    plt.setp([title for _, title in titles], visible=False)
    figure.draw_without_rendering()
    plt.setp([title for _, title in titles], visible=True)
    grown: dict[object, int] = {}
    boxes = [other.get_window_extent() for other in figure.axes if other.get_visible()]
    for ax, title in titles:
        box = ax.get_window_extent()
        right = [b.x0 for b in boxes if b.x0 > box.x0 + 1 and b.y0 < box.y1 and b.y1 > box.y0]
        before = title.get_text().count("\n")
        wrap(title, min([*right, figure.bbox.x1]) - box.x0 - GAP)
        spec = ax.get_subplotspec()
        row = None if spec is None else spec.rowspan.start
        grown[row] = max(grown.get(row, 0), title.get_text().count("\n") - before)
    return sum(grown.values())


def beside(ax: Axes, xy: np.ndarray, names: Sequence[str], *, others: np.ndarray) -> list[Text]:
    """Write names next to their points, shape (n_names, 2), and off the ``others``; return those that found room.

    Names come in order of importance. To be called within :meth:`Canvas.settled`, when the limits of the axes are
    final.
    """
    if not len(names):
        return []
    figure = ax.figure.get_figure(root=True)
    texts = [
        ax.text(x, y, short(name), fontsize="small", zorder=5, **PLAIN) for (x, y), name in zip(xy, names, strict=True)
    ]
    widest = WIDEST * ax.get_window_extent().width
    for text in texts:
        width = text.get_window_extent().width
        if width > widest:
            text.set_text(short(text.get_text(), max(3, int(len(text.get_text()) * widest / width))))
    # adjustText draws the figure anew: as good and much faster without the other panels
    hidden = [other for other in figure.axes if other is not ax and other.get_visible()]
    plt.setp(hidden, visible=False)
    # of labels that are too long it warns in a way that Python deprecates; they are left out below
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        adjust_text(texts, x=others[:, 0], y=others[:, 1], ax=ax, iter_lim=N_ITERATIONS, **FORCES)
    plt.setp(hidden, visible=True)
    inside = ax.get_window_extent()
    taken: list[Bbox] = []
    kept: list[Text] = []
    for text, point in zip(texts, ax.transData.transform(xy), strict=True):
        # what is outside when the layout is made anew would change it
        text.set_in_layout(False)
        box = text.get_window_extent()
        fits = (np.abs(box.get_points() - np.clip(box.get_points(), inside.min, inside.max)) < SLACK).all()
        if not fits or any(box.overlaps(other) for other in taken):
            text.remove()
            continue
        taken.append(box)
        kept.append(text)
        # the nearest point of the box
        end = np.clip(point, box.min, box.max)
        if np.hypot(*(end - point)) * 72 / figure.dpi > LEADER:
            line = ax.transData.inverted().transform([point, end])
            ax.plot(*line.T, color=_colors.GREY, linewidth=0.5, zorder=1, scalex=False, scaley=False)
    return kept
