"""Names beside points: none covers another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from adjustText import adjust_text
from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from . import _colors

N_ITERATIONS = 300
"""So many, and not for so long as adjustText has it: the same figure on every machine."""
FORCES: dict[str, Any] = {"expand": (1.2, 1.8), "force_text": (0.2, 0.4), "force_static": (0.2, 0.4)}
"""How far names stay off each other and off points, which have a size here and none for adjustText."""
SLACK = 1.0
"""Pixels by which a name may stand out."""
LEADER = 8
"""A name further than this from its point, in points, is joined to it by a line."""


def beside(ax: Axes, xy: np.ndarray, names: Sequence[str], *, others: np.ndarray) -> list[Text]:
    """Write names next to their points, shape (n_names, 2), and off the ``others``; return those that found room.

    Names come in order of importance. To be called within :meth:`Canvas.settled`, when the limits of the axes are
    final.
    """
    if not len(names):
        return []
    figure = ax.figure.get_figure(root=True)
    texts = [ax.text(x, y, name, fontsize="small", zorder=5) for (x, y), name in zip(xy, names, strict=True)]
    # adjustText draws the figure anew: as good and much faster without the other panels
    hidden = [other for other in figure.axes if other is not ax and other.get_visible()]
    plt.setp(hidden, visible=False)
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
