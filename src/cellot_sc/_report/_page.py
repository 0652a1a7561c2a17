"""The page itself: one file that loads nothing."""

from __future__ import annotations

import base64
import gzip
import html
import io
import re
from collections.abc import Sequence
from importlib.resources import files
from string import Template

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.figure import Figure
from PIL import Image

from ..metrics import Metric
from ..tl import FittedMaps
from . import _methods, _scores
from ._items import Drawing, Item
from ._units import Answering

DPI = 120
NARROW_DPI = 180
"""Of figures for the screen of a phone, which has more pixels to an inch."""
N_COLORS = 256
"""Colours of an image: so few make it half as large, and no difference can be seen."""
FAST = {"compress_level": 1}
PHONE = "screen and (max-width: 700px)"
"""Screens on which figures are narrow."""
LONG = 28
"""Tables of more rows are put away."""
MOST_ROWS = 50_000
"""Of longer tables of effects, the CSV has the surest, and then the largest."""
FEW_MARK = re.compile(r'class="[^"]*\bfew\b')
FEW_CELLS = "† Too few cells to say."


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
        f"judged by {_scores.WORDS[scores['split'].iloc[0]]}" if len(scores) else "not judged",
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
        parts.append(f"<figure>{_image(item.figure, title, meaning)}<figcaption>{meaning}</figcaption></figure>")
    if item.whole is not None:
        whole = _image(item.whole, f"{title} Everything", f"{meaning} Everything is shown.")
        parts.append(f"<details><summary>The same figure of everything</summary><figure>{whole}</figure></details>")
    if item.table:
        # a script says that columns can be sorted, which makes them so
        hint = '<span class="hint" hidden>A column’s name sorts by it.</span>'
        note = f"{item.note} {FEW_CELLS}" if FEW_MARK.search(item.table) else item.note
        table = f'<table class="sortable">{item.table}</table>'
        note = f'<p class="note">{html.escape(note)} {hint}<span class="swipe">Swipe for more columns.</span></p>'
        parts.append(_folded(note + _scrolled(table, f"Table: {title}"), item.table.count("<tr>") - 1))
    if item.data is not None:
        parts.append(_csv(item.name, item.data))
    return "".join([*parts, item.more, "</section>\n"])


def _folded(table: str, n_rows: int) -> str:
    """Return a table, put away if it is long."""
    if n_rows <= LONG:
        return table
    return f"<details><summary>Table ({n_rows:,} rows)</summary>{table}</details>"


def _scrolled(inner: str, label: str) -> str:
    """Return a box with what may be wider than the screen; a script shades its edges where something is cut."""
    return f'<div class="cut"><div class="scroll" tabindex="0" role="region" aria-label="{label}">{inner}</div></div>'


def _image(drawing: Drawing, title: str, meaning: str) -> str:
    data, width = _png(drawing.figure, DPI), round(drawing.figure.get_figwidth() * 96)
    image = f'<img src="{data}" alt="{meaning}" style="width:{width}px">'
    if drawing.narrow is not None:
        source = f'<source media="{PHONE}" srcset="{_png(drawing.narrow, NARROW_DPI)}">'
        image = f"<picture>{source}{image}</picture>"
    return _scrolled(image, f"Figure: {title}")


def _png(figure: Figure, dpi: int) -> str:
    """Return a figure as a data URI."""
    with io.BytesIO() as drawn, io.BytesIO() as file:
        figure.savefig(drawn, format="png", dpi=dpi, bbox_inches="tight", facecolor="white", pil_kwargs=FAST)
        image = Image.open(drawn).convert("RGB").quantize(N_COLORS, dither=Image.Dither.NONE)
        image.save(file, format="png", optimize=True)
        return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def _csv(name: str, table: pd.DataFrame) -> str:
    """Return a link to a table within the page, compressed; a script unpacks it for whoever asks for it."""
    said = f"{len(table):,} rows"
    if len(table) > MOST_ROWS and {"pvalue_adj", "effect"} <= set(table):
        sizes = pd.DataFrame({"p": table["pvalue_adj"], "size": -table["effect"].abs()}).reset_index(drop=True)
        table = table.iloc[np.sort(sizes.sort_values(["p", "size"], kind="stable").index[:MOST_ROWS])]
        said = f"the {MOST_ROWS:,} of {said} that are surest, and then largest"
    text = table.to_csv(index=False, float_format="%.4g").encode()
    packed = base64.b64encode(gzip.compress(text, mtime=0)).decode("ascii")
    return (
        f'<p class="note"><a class="csv" download="{name}.csv.gz" href="data:application/gzip;base64,{packed}">'
        f"{html.escape(name)}.csv</a> ({said}, numbers with four digits)</p>"
    )


def _rows(of: dict[str, str]) -> str:
    return "".join(f'<tr><th scope="row">{html.escape(a)}</th><td>{html.escape(b)}</td></tr>' for a, b in of.items())
