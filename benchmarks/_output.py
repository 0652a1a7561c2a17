"""Writes what was measured: JSON, a Markdown table, the table on the screen, and figures."""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from . import _machine

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the option that every benchmark has."""
    made = argparse.ArgumentParser(prog=f"python -m benchmarks {name}", description=description)
    made.add_argument("--out", type=Path, help="folder for the JSON, the Markdown and the figure")
    return made


def write(name: str, out: Path | None, tables: dict[str, pd.DataFrame], notes: Sequence[str] = ()) -> None:
    """Print tables as Markdown, and with a folder keep them there, also as JSON, with the machine they come from."""
    machine = _machine.describe()
    text = f"## {name}\n\n{_sentence(machine)}\n"
    for title, table in tables.items():
        text += f"\n### {title}\n\n{markdown(table)}\n"
    text += "".join(f"\n{note}\n" for note in notes)
    print(text)
    if out is None:
        return
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.md").write_text(text, encoding="utf-8")
    record = {
        "benchmark": name,
        "machine": machine,
        "tables": {title: json.loads(table.to_json(orient="records")) for title, table in tables.items()},
        "notes": list(notes),
    }
    (out / f"{name}.json").write_text(json.dumps(record, indent=1), encoding="utf-8")


def draw(figure: Figure, path: Path) -> None:
    """Keep a figure as SVG, without the spaces that matplotlib leaves at the ends of lines."""
    text = io.StringIO()
    figure.savefig(text, format="svg")
    path.write_text("".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines()), encoding="utf-8")


def markdown(table: pd.DataFrame) -> str:
    """Return a table in Markdown, numbers with three digits that count."""
    head = f"| {' | '.join(map(str, table.columns))} |\n|{' --- |' * table.shape[1]}\n"
    return head + "\n".join(f"| {' | '.join(map(number, row))} |" for row in table.itertuples(index=False))


def number(value: Any) -> str:
    """Return a number with three digits that count, and anything else as it is."""
    if isinstance(value, float | np.floating):
        if np.isnan(value):
            return "-"
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int | np.integer) and not isinstance(value, bool) else str(value)


def _sentence(machine: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"{machine['processor']}, {machine['cores']} cores, load {machine['load']}, devices "
        f"{', '.join(machine['devices'])}; Python {machine['python']}, {versions}; commit {machine['commit']}; "
        f"{machine['date']}."
    )
