"""What pages of functions show beyond their docstrings: figures, what makes and what draws a table, tutorials."""

from __future__ import annotations

import functools
import json
import re
from collections import defaultdict
from pathlib import Path

DOCS = Path(__file__).parent
N_TUTORIALS = 3
"""At most so many are named: what every tutorial calls is found anywhere."""


@functools.cache
def figures() -> dict[str, tuple[list[str], list[str]]]:
    """Return the pictures of every function of ``pl``, and what of ``tl`` it draws, as the gallery has it."""
    made: dict[str, str] = {}
    found: dict[str, tuple[list[str], list[str]]] = {}
    for section in re.split(r"^ *# -- .*$", (DOCS / "gallery.py").read_text(encoding="utf-8"), flags=re.MULTILINE):
        made |= dict(re.findall(r"^ *(\w+) = cs\.tl\.(\w+)\(", section, flags=re.MULTILINE))
        makers = re.findall(r"cs\.tl\.(\w+)\(", section) + [
            made[word] for word in re.findall(r"\w+", section) if word in made
        ]
        for figure in dict.fromkeys(re.findall(r"cs\.pl\.(\w+)\(", section)):
            pictures, tables = found.setdefault(figure, ([], []))
            pictures += re.findall(r'folder / "(\w+\.png)"', section)
            tables += [name for name in dict.fromkeys(makers or ["cellot"]) if name not in tables]
    return found


@functools.cache
def tutorials() -> dict[str, list[str]]:
    """Return the tutorials that call a function, as ``pl.embedding``, in the order in which they are read."""
    order = re.findall(
        r"^generated/tutorials/(\w+)$", (DOCS / "tutorials.md").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    found = defaultdict(list)
    for name in order:
        notebook = json.loads((DOCS.parent / "tutorials" / f"{name}.ipynb").read_text(encoding="utf-8"))
        code = "".join("".join(cell["source"]) + "\n" for cell in notebook["cells"] if cell["cell_type"] == "code")
        for function in dict.fromkeys(re.findall(r"cs\.((?:pp|tl|pl)\.\w+)\(", code)):
            found[function].append(name)
    return found


def related(name: str) -> list[str]:
    """Return what stands under "See also" on the page of a function.

    Parameters
    ----------
    name
        As ``pl.embedding``.
    """
    room, function = name.split(".", 1)
    tables = figures().get(function, ([], []))[1] if room == "pl" else []
    made_here = {*tables, *([function] if room == "tl" else [])}
    drawn = [f"pl.{figure}" for figure, (_, makers) in figures().items() if made_here & {*makers}]
    links = {
        "What it draws comes from": [f":func:`cellot_sc.tl.{table}`" for table in tables],
        "Other figures of it" if room == "pl" else "Drawn by": [
            f":func:`cellot_sc.{figure}`" for figure in drawn if figure != name
        ],
        "Tutorials": [
            f":doc:`/generated/tutorials/{tutorial}`" for tutorial in tutorials().get(name, [])[:N_TUTORIALS]
        ],
    }
    return [f"| {words}: {', '.join(others)}" for words, others in links.items() if others]


def add(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Put pictures below the first paragraph of a docstring, and "See also" at its end: a handler of autodoc.

    Parameters
    ----------
    app, what, obj, options
        As Sphinx gives them.
    name
        Full name of what is documented.
    lines
        Docstring, changed in place.
    """
    short = name.removeprefix("cellot_sc.")
    if what != "function" or not short.startswith(("pp.", "tl.", "pl.")):
        return
    if short.startswith("pl."):
        summary = lines[0] if lines else short
        at = lines.index("") if "" in lines else len(lines)
        # each above those that are there already
        for picture in reversed(figures()[short.removeprefix("pl.")][0]):
            lines[at:at] = ["", f".. image:: /generated/gallery/{picture}", f"   :alt: {summary}", ""]
    if see := related(short):
        lines += ["", ".. seealso::", "", *(f"   {line}" for line in see), ""]
