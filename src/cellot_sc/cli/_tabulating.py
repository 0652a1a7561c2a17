"""The tables of what fitted maps say: which there are, what each needs, and what to do where one cannot be made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .. import _console

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

TABLES: dict[str, tuple[str, ...]] = {
    "transport_cost": ("groupby", "unit"),
    "signature": ("unit",),
    "subpopulation_effects": ("groupby", "unit"),
    "abundance_shift": ("groupby", "unit"),
    "perturbation_similarity": (),
    "responders": ("features",),
}
"""What the functions of :mod:`cellot_sc.tl` that make a table are told beside perturbations, key and seed."""
NEEDS = {
    "subpopulation_effects": ("groupby", "--groupby"),
    "abundance_shift": ("groupby", "--groupby"),
    "responders": ("features", "--feature"),
}
"""What there is no table without: the parameter, and what one types."""


@dataclass(frozen=True)
class Tables:
    """The tables of one fit, each made when it is first asked for.

    Parameters
    ----------
    adata
        Annotated data with the maps.
    told
        What some functions are told, such as ``groupby``, ``unit`` and ``features``, ``None`` where nothing is.
    common
        What all of them are: ``targets``, ``key`` and ``seed``.
    """

    adata: AnnData
    told: Mapping[str, Any]
    common: Mapping[str, Any]
    made: dict[str, pd.DataFrame] = field(default_factory=dict)

    def __getitem__(self, name: str) -> pd.DataFrame:
        """Return a table.

        Raises
        ------
        ValueError
            If what it needs was not given, or it cannot be made of these cells.
        """
        from .. import tl

        parameter, flag = NEEDS.get(name, ("", ""))
        if parameter and self.told[parameter] is None:
            raise ValueError(f"{flag} is needed for {name}.")
        if name not in self.made:
            told = {parameter: self.told[parameter] for parameter in TABLES[name]}
            self.made[name] = getattr(tl, name)(self.adata, **told, **self.common)
        return self.made[name]


class Reasons:
    """Why some of many things cannot be made: each reason once, with all that it is the reason of.

    Parameters
    ----------
    strict
        Whether what cannot be made is an error.
    """

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self.errors: dict[str, Exception] = {}

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Keep what this package says of a thing that cannot be made."""
        try:
            yield
        except Exception as error:
            if self.strict or not (_console.is_ours(error) or isinstance(error, ImportError)):
                raise
            self.errors[name] = error

    def tell(self, *, any_made: bool) -> None:
        """Say in the log what there is not, and why; raise the first reason if there is nothing at all."""
        from .._settings import logger

        if self.errors and not any_made:
            raise next(iter(self.errors.values()))
        names: dict[str, list[str]] = {}
        for name, error in self.errors.items():
            names.setdefault(_console.words(error), []).append(name)
        for words, of in names.items():
            logger.info("no %s: %s", ", ".join(of), words)
