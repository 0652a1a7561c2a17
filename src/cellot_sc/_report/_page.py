"""The page itself: one file that loads nothing."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from importlib.resources import files
from string import Template

import pandas as pd
from anndata import AnnData
from matplotlib.figure import Figure

from ..metrics import Metric
from ..tl import FittedMaps
from . import _methods
from ._items import Item
from ._units import Answering

DPI = 120
WIDE = 900
"""Figures of more CSS pixels than this can be scrolled sideways on a small screen."""


def render(
    adata: AnnData,
    fitted: FittedMaps,
    scores: pd.DataFrame,
    items: Sequence[Item],
    *,
    summary: str,
    metrics: Sequence[Metric],
    groupby: str | None,
    units: Answering,
    n_boot: int,
    title: str,
    source: str,
) -> str:
    """Return the page.

    Parameters
    ----------
    adata
        Annotated data with fitted maps.
    fitted
        The maps.
    scores
        What :func:`cellot_sc.tl.evaluate` returned for them; further metrics may be appended.
    items
        The sections.
    summary
        What was found, as HTML.
    metrics
        The metrics of the scores.
    groupby
        Column of ``obs`` with the groups, if there is one.
    units
        What answers for its cells.
    n_boot
        Number of resamples behind the intervals.
    title
        Heading.
    source
        Name of the file that it is about.
    """
    solver, control = fitted.fit.solver, fitted.fit.control
    packages, machine = _methods.session()
    text, cite = _methods.paragraph(
        adata, scores, fitted, metrics=metrics, groupby=groupby, units=units, n_boot=n_boot, versions=packages
    )
    facts = [
        *([source] if source else []),
        f"{adata.n_obs:,} cells with {adata.n_vars:,} features",
        f"control “{control}”",
        f"solver {solver}",
        f"judged by {scores['split'].iloc[0]} cells" if len(scores) else "not judged",
        *([f"units “{units.tested}”"] if units.tested else []),
    ]
    filling = fitted.fit.space(adata).filling
    return Template(files(__package__).joinpath("page.html").read_text(encoding="utf-8")).substitute(
        title=html.escape(title),
        facts=html.escape(" · ".join(facts)),
        summary=summary + (f"<p>{html.escape(filling)}.</p>" if filling else ""),
        contents="".join(f'<li><a href="#{item.name}">{html.escape(item.title)}</a></li>' for item in items),
        sections="".join(_section(item) for item in items),
        methods=html.escape(text),
        references=_methods.references(cite),
        session=_rows(packages) + _rows(machine),
    )


def _section(item: Item) -> str:
    title, meaning = html.escape(item.title), html.escape(item.meaning)
    parts = [f'<section id="{item.name}"><h2>{title}</h2>']
    if item.figure is None:
        parts.append(f"<p>{meaning}</p>")
    else:
        data, width = _png(item.figure)
        parts.append(
            f'<figure><div class="scroll" tabindex="0" role="region" aria-label="Figure: {title}">'
            f'<img src="data:image/png;base64,{data}" alt="{meaning}" '
            f'style="width:{width}px;min-width:{min(width, WIDE) * 2 // 3}px"></div>'
            f"<figcaption>{meaning}</figcaption></figure>"
        )
    if item.table:
        # a script says that columns can be sorted, which makes them so
        hint = '<span class="hint" hidden>A column’s name sorts by it.</span>'
        parts.append(
            f'<p class="note">{html.escape(item.note)} {hint}</p>'
            f'<div class="scroll" tabindex="0" role="region" aria-label="Table: {title}">'
            f'<table class="sortable">{item.table}</table></div>'
        )
    return "".join([*parts, item.more, "</section>\n"])


def _png(figure: Figure) -> tuple[str, int]:
    """Return a figure as a data URI, and its width in CSS pixels."""
    with io.BytesIO() as file:
        figure.savefig(file, format="png", dpi=DPI, bbox_inches="tight", facecolor="white")
        return base64.b64encode(file.getvalue()).decode("ascii"), round(figure.get_figwidth() * 96)


def _rows(of: dict[str, str]) -> str:
    return "".join(f'<tr><th scope="row">{html.escape(a)}</th><td>{html.escape(b)}</td></tr>' for a, b in of.items())
