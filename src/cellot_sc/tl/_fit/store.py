"""Keeps fits and their maps in ``uns`` as arrays and plain values: nothing pickled, the same after write and read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from ... import _keys, _validate
from ..._digest import digest
from ..._numbers import MOST_SEED
from ..._states import (
    FLAG,
    NOT_NEGATIVE,
    POSITIVE,
    Dictionary,
    Field,
    Numbers,
    OneOf,
    Reals,
    StateReading,
    Text,
    Texts,
    Whole,
    check_names,
    numbered,
    read_fields,
)
from ...ot import SOLVERS, History, TransportMap
from ...ot._maps.base import Several
from ...ot._support import Support
from ...pp._origin import Origin
from .fit import COUPLINGS, COURSE, PERTURBATIONS, Fit
from .null import Null

FORMAT_VERSION = 2
"""Of what is kept: raised when a reader of the old would misread the new."""
BESIDE = ("format_version", "maps", "history", "origin", "digest", "support", "residuals", "null", "baselines")
"""What is kept beside the plain fields of the fit."""
FIELDS: dict[str, Field] = {
    "kind": OneOf((PERTURBATIONS, COURSE, COUPLINGS)),
    **dict.fromkeys(("label_key", "control", "use_rep", "split_key", "solver"), Text()),
    "targets": Texts("t"),
    "options": Dictionary(),
    "seed": Whole(MOST_SEED, least=0),
    **dict.fromkeys(("source_weights", "target_weights", "growth"), Text()),
    "cells": Texts(alike=True),
    "context": Texts(),
    "match_abundance": FLAG,
    "times": Reals(),
    **dict.fromkeys(("feature_weights", "tau"), Reals(POSITIVE)),
    "versions": Dictionary(),
}
"""What the plain fields of a fit have to be."""
OPTIONAL = [one.name for one in fields(Fit) if one.default is not MISSING or one.default_factory is not MISSING]
MOST_BASELINES = 100
"""Solvers of baselines, at most."""
NOTHING = "None"
"""What stands for ``None`` in options, which may differ from not being there."""
HISTORY_COLUMNS = ["perturbation", "step", "seconds", "metric", "value"]


@dataclass(frozen=True, repr=False, eq=False)
class FittedMaps(Mapping[str, TransportMap]):
    """Fitted transport maps by their target, what was fitted and how that went: what :func:`cellot_sc.tl.maps` returns.

    Parameters
    ----------
    fit
        What was fitted, by what and to which cells.
    maps
        A transport map per target.
    history
        Tidy table with columns ``perturbation, step, seconds, metric, value``. The row with metric ``selected`` marks
        the step at which a map was taken.
    support
        Where the control cells lie that were learnt from, if it is known.
    residuals
        By target, what the mean response of a context comes to in each gene beyond the space, as a standard deviation,
        float32 of shape ``(n_genes,)``: of those where it is known.
    null
        What no effect looks like, where that was made beforehand, as in a model: the cells that were fitted to are not
        needed then, and nothing is fitted to them again.
    baselines
        What predictions are compared with, made likewise: a map from the control by solver and target.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="mean_shift")
    >>> for name, fitted in cs.tl.maps(adata).items():
    ...     print(name, fitted)
    drug_a MeanShiftMap in 50 dimensions
    drug_b MeanShiftMap in 50 dimensions
    """

    fit: Fit
    maps: dict[str, TransportMap]
    history: pd.DataFrame
    support: Support | None = None
    residuals: Mapping[str, np.ndarray] = field(default_factory=dict)
    null: Null | None = None
    baselines: Mapping[str, Mapping[str, TransportMap]] = field(default_factory=dict)

    @property
    def is_standalone(self) -> bool:
        """Whether all that the cells are needed for that were fitted to is kept, as in a model."""
        return self.null is not None

    def adapted(self, adata: AnnData) -> FittedMaps:
        """Return the same maps, and those of contexts that were not seen; see :meth:`.Fit.adapted`."""
        return replace(self, maps=self.fit.adapted(adata, self.maps))

    @property
    def digest(self) -> str:
        """Text by which what was made with these maps knows whether they are still the same."""
        origin = "" if self.fit.origin is None else self.fit.origin.decoder
        states = _states(self.maps)
        beyond: dict[str, Any] = {"residuals": dict(self.residuals)} if self.residuals else {}
        if self.null is not None:
            beyond |= {
                "null": self.null.state(),
                "baselines": {name: _states(of) for name, of in self.baselines.items()},
            }
        return digest({"cells": self.fit.cells, "decoder": origin, "maps": states, **beyond})

    def __getitem__(self, target: str) -> TransportMap:
        if target not in self.maps:
            raise KeyError(f"There is no map to {target!r}.{_validate.nearest(target, self.maps)}")
        return self.maps[target]

    def __iter__(self) -> Iterator[str]:
        return iter(self.maps)

    def __len__(self) -> int:
        return len(self.maps)

    def __repr__(self) -> str:
        return f"{len(self)} transport maps. {self.fit!r}"


def history_table(histories: dict[str, History]) -> pd.DataFrame:
    """Return the histories of several perturbations as one tidy table.

    The row with metric ``selected`` marks the step at which a map was taken.
    """
    rows: list[tuple[str, int, float, str, float]] = []
    for name, history in histories.items():
        for metric, values in history.metrics.items():
            looks = zip(history.step, history.seconds, values, strict=True)
            rows += [(name, step, seconds, metric, value) for step, seconds, value in looks]
        if history.selected is not None:
            rows.append((name, history.selected, float("nan"), _keys.SELECTED, float(history.selected)))
    table = pd.DataFrame(rows, columns=HISTORY_COLUMNS)
    return table.astype(
        {"perturbation": "str", "step": np.int64, "seconds": np.float64, "metric": "str", "value": np.float64}
    )


def save(adata: AnnData, key: str, fitted: FittedMaps) -> None:
    """Write fitted maps to ``adata.uns[key]``.

    The maps are numbered in the order of the targets, because the name of one may hold a character that no file format
    takes for a key.
    """
    adata.uns[key] = state_of(fitted)


def state_of(fitted: FittedMaps) -> dict[str, Any]:
    """Return what is kept of fitted maps: arrays, texts, numbers and dicts of them, and the table of the history."""
    fit = fitted.fit
    options = {k: NOTHING if v is None else v for k, v in fit.options.items()}
    plain = vars(fit) | {"options": options, "origin": None, "context": fit.context or None}
    return {
        "format_version": FORMAT_VERSION,
        **_kept(plain),
        **({} if fit.origin is None else {"origin": fit.origin.kept()}),
        "maps": {str(i): fitted.maps[name].state() for i, name in enumerate(fit.targets)},
        "history": fitted.history,
        **({} if fitted.support is None else {"support": fitted.support.state()}),
        **({"residuals": _numbered(fit.targets, fitted.residuals)} if fitted.residuals else {}),
        **({} if fitted.null is None else {"null": fitted.null.state()}),
        **({"baselines": _kept_baselines(fit.targets, fitted.baselines)} if fitted.baselines else {}),
        "digest": fitted.digest,
    }


@_validate.takes_adata
def maps(adata: AnnData, key: str = _keys.MODEL) -> FittedMaps:
    """Return the fitted transport maps by their target, with what was fitted beside them.

    A map knows arrays only: it moves cells of its space (:class:`cellot_sc.pp.Space`) with ``transport``, back with
    ``inverse``, and says what that costs with ``cost``. :func:`cellot_sc.tl.predict` does the same for cells of an
    AnnData.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot`, :func:`cellot_sc.tl.trajectory` or
        :func:`cellot_sc.tl.from_moscot`.
    key
        Where in ``uns`` they are.

    Returns
    -------
    A mapping from the name of a perturbation (or a time) to its :class:`cellot_sc.ot.TransportMap`. Its ``fit`` is the
    :class:`cellot_sc.tl.Fit`, its ``history`` a tidy table of how that went.

    Raises
    ------
    KeyError
        If there are no maps under that key.
    ValueError
        If they were written by a version that keeps them in another format, or cannot be read.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="mean_shift")
    >>> maps = cs.tl.maps(adata)
    >>> maps["drug_a"]
    MeanShiftMap in 50 dimensions
    >>> space = cs.pp.Space(adata, maps.fit.use_rep)
    >>> maps["drug_a"].inverse(maps["drug_a"].transport(space.read())).shape
    (600, 50)
    """
    stored = _validate.kept_fit(adata, key, FORMAT_VERSION)
    try:
        return read_state(stored)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        return _validate.broken_fit(key, error)


def read_state(stored: Mapping[str, Any]) -> FittedMaps:
    """Return the fitted maps of which this is the :func:`state_of`, which may come from anywhere.

    Raises
    ------
    ValueError
        If a field is not what it has to be, or has been changed since. Errors of Python where it is something else.
    """
    plain = read_fields(stored, FIELDS, StateReading(), optional=OPTIONAL, others=BESIDE)
    options = {name: None if value == NOTHING else value for name, value in plain.pop("options", {}).items()}
    fit = Fit(**plain, options=options, origin=Origin.read(stored["origin"]))
    if fit.times is not None and len(fit.times) != 1 + len(fit.targets):
        raise ValueError(f"there are {len(fit.times)} times, and {1 + len(fit.targets)} labels")
    # what another distribution fits is read by the maps that come with its solver
    SOLVERS.get(fit.solver)
    check_names(stored["maps"], [str(i) for i in range(len(fit.targets))], path="maps")
    maps = {name: TransportMap.from_state(stored["maps"][str(i)]) for i, name in enumerate(fit.targets)}
    support = Support.read(stored["support"]) if "support" in stored else None
    residuals = _residuals(fit.targets, stored.get("residuals", {}))
    null = Null.read(stored["null"]) if "null" in stored else None
    if null is not None and [*null.scale] != [*fit.targets]:
        raise ValueError("null is of other targets")
    baselines = _baselines(fit.targets, stored.get("baselines", {}))
    fitted = FittedMaps(fit, maps, stored["history"][HISTORY_COLUMNS], support, residuals, null, baselines)
    if fitted.digest != stored["digest"]:
        raise ValueError("they, or the order of their targets, have been changed since they were written")
    return fitted


def _states(maps: Mapping[str, TransportMap]) -> dict[str, Any]:
    return {name: fitted.state() for name, fitted in maps.items()}


def _kept_baselines(
    targets: Sequence[str], baselines: Mapping[str, Mapping[str, TransportMap]]
) -> dict[str, dict[str, Any]]:
    """Return baselines, and their maps by number: neither a target nor another package's solver need be a key."""
    return {
        str(i): {"solver": solver, "maps": _numbered(targets, _states(maps))}
        for i, (solver, maps) in enumerate(baselines.items())
    }


def _baselines(targets: Sequence[str], stored: Any) -> dict[str, dict[str, TransportMap]]:
    """Return what was kept of baselines by solver and target; raise :class:`ValueError` if it is something else."""
    found: dict[str, dict[str, TransportMap]] = {}
    for number in numbered(stored, "{}", MOST_BASELINES, path="baselines") if stored else []:
        path = f"baselines.{number}"
        read = read_fields(stored[number], {"solver": Text(), "maps": Several()}, StateReading(), path=path)
        if len(read["maps"]) != len(targets):
            raise ValueError(f"{path} has {len(read['maps'])} maps; {len(targets)} are needed.")
        found[read["solver"]] = dict(zip(targets, read["maps"], strict=True))
    return found


def _numbered(targets: Sequence[str], given: Mapping[str, Any]) -> dict[str, Any]:
    return {str(i): given[name] for i, name in enumerate(targets) if name in given}


def _residuals(targets: Sequence[str], stored: Any) -> dict[str, np.ndarray]:
    """Return what was kept of residuals by target; raise :class:`ValueError` if it is something else."""
    names = dict(zip(map(str, range(len(targets))), targets, strict=True))
    known = dict.fromkeys(names, Numbers("g", NOT_NEGATIVE))
    read = read_fields(stored, known, StateReading(), path="residuals", optional=[*names])
    return {names[number]: values for number, values in read.items()}


def _kept(value: Any) -> Any:
    """Return a value as file formats keep it; what they do not know becomes text."""
    if isinstance(value, Mapping):
        return {name: _kept(part) for name, part in value.items() if part is not None}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple):
        value = np.array(value, dtype=None if all(isinstance(part, int | float | np.number) for part in value) else "O")
    if isinstance(value, np.ndarray):
        return value if value.dtype.kind in "biuf" else np.array([str(part) for part in value], dtype=object)
    return value if isinstance(value, str | bool | int | float) else str(value)
