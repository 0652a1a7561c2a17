"""What untreated cells are called, and the column that says which cells are: where a user has named neither."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .. import _keys
from .._plugins import nearest

if TYPE_CHECKING:
    import pandas as pd

CONTROLS = (
    *("control", "controls", "ctrl", "ctl", "cntrl", "dmso", "pbs", "vehicle", "untreated", "mock", "wt", "wildtype"),
    *("unst", "unstim", "unstimulated", "nt", "notreatment", "nontargeting", "negctrl", "negativecontrol", "sham"),
    *("untransfected", "uninfected", "unperturbed", "saline", "ntc", "nontargetingcontrol", "dmsocontrol", "dmsotf"),
    *("vehiclecontrol", "untreatedcontrol"),
)
"""What untreated cells are called, in small letters without anything between them; numbers may follow."""
CONDITIONS = ("perturbation", "condition", "treatment", "stim", "drug", "compound", "guide", "label", "group")
"""What is in the name of a column that says how a cell was treated, the likeliest first."""
MOST_CATEGORIES = 1000

type Labels = Mapping[str, Mapping[str, int] | None]
"""By the column, how many cells each category has; ``None`` of numbers and of too many."""


def plain(text: str) -> str:
    """Return a name in small letters, without anything between them."""
    return re.sub(r"[^a-z0-9]", "", text.casefold())


def place(name: str, words: tuple[str, ...]) -> int:
    """Return the position of the first of some words that is in a name, their number if none is."""
    return next((i for i, word in enumerate(words) if word in plain(name)), len(words))


def is_control(label: str) -> bool:
    """Return whether a label is called as untreated cells are."""
    # a number may follow; WT1 is a gene
    name, number = re.fullmatch(r"(.*?)([\W_]*[\d.]*)", label.casefold().strip(), flags=re.DOTALL).groups()  # type: ignore[union-attr]
    return plain(name) in CONTROLS and (len(plain(name)) > 2 or not number[:1].isdigit())


def control_of(labels: Iterable[str]) -> str | None:
    """Return the one of the labels that is called as untreated cells are, the default name before others."""
    found = [label for label in labels if is_control(label)]
    return _keys.CONTROL if _keys.CONTROL in found else next(iter(found), None)


def sizes_of(column: pd.Series) -> dict[str, int] | None:
    """Return the number of cells of each category by its name, most first; ``None`` of numbers and of too many."""
    if column.dtype.kind in "iufc" or column.nunique() > MOST_CATEGORIES:
        return None
    sizes = column.value_counts()
    return {str(name): int(n) for name, n in sizes.items() if n}


def condition(labels: Labels) -> tuple[str | None, str | None]:
    """Return the column that says how a cell was treated, and its untreated category, each ``None`` if not known."""

    def rank(name: str) -> tuple[bool, int]:
        return name != _keys.PERTURBATION, place(name, CONDITIONS)

    names = [name for name in sorted(labels, key=rank) if len(labels[name] or ()) > 1]
    for name in names:
        control = control_of(labels[name] or ())
        if control is not None:
            return name, control
    likely = [name for name in names if place(name, CONDITIONS) < len(CONDITIONS)]
    if likely:
        return likely[0], None
    # cells to predict: all are untreated
    every = [(name, next(iter(sizes))) for name, sizes in labels.items() if sizes is not None and len(sizes) == 1]
    return next(
        ((name, label) for name, label in sorted(every, key=lambda one: rank(one[0])) if is_control(label)),
        (None, None),
    )


def other_column(obs: pd.DataFrame, name: str) -> str:
    """Return the sentence that says which column to give in place of one: the nearest, or the one with the controls."""
    guess = nearest(name, obs.columns)
    column, control = condition({str(one): sizes_of(obs[one]) for one in obs.columns if obs.columns.is_unique})
    if column is not None and control is None and name not in obs and not guess.startswith(" Did you mean"):
        given = f"perturbation_key={column!r} and control="
        return f" adata.obs[{column!r}] may say how cells were treated: give {given}.{nearest('', obs.columns)}"
    if column is None or control is None or guess.startswith(f" Did you mean {column!r}?"):
        return guess
    return f"{holding(column, control)}{nearest('', obs.columns)}"


def holding(column: str, control: str) -> str:
    """Return the sentence that says which column has cells that are called as untreated ones are."""
    given = f"perturbation_key={column!r}" + f", control={control!r}" * (control != _keys.CONTROL)
    return f" adata.obs[{column!r}] holds {control!r}: give {given}."


def other_column_of_file(path: Path, name: str, columns: Iterable[str]) -> str:
    """Return the sentence of :func:`other_column` of a file, of which no expression is read."""
    from .. import _files

    guess = nearest(name, columns)
    # a slip of the pen needs no labels, which take a second to read
    if name != _keys.PERTURBATION and guess.startswith(" Did you mean"):
        return guess
    # what is wrong with a file is said when it is read
    with suppress(Exception), _files.opened(path) as file:
        from anndata.io import read_elem

        return other_column(read_elem(file["obs"]), name)
    return guess
