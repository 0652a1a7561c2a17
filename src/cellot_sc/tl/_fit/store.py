"""Keeps fitted transport maps in ``uns`` as arrays and JSON: nothing pickled, the same after any write and read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ... import _validate
from ...ot import SOLVERS, TransportMap
from ...ot._problem import History

if TYPE_CHECKING:
    from anndata import AnnData

HISTORY_COLUMNS = ["perturbation", "step", "seconds", "metric", "value"]


@dataclass(frozen=True)
class FittedMaps:
    """The transport maps of one call of :func:`cellot_sc.tl.cellot`.

    Parameters
    ----------
    config
        What was asked for: keys, control, targets, representation, solver and its options, seed.
    maps
        A transport map per target.
    history
        Tidy table with columns ``perturbation, step, seconds, metric, value``.
    """

    config: dict[str, Any]
    maps: dict[str, TransportMap]
    history: pd.DataFrame


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
            rows.append((name, history.selected, float("nan"), "selected", float(history.selected)))
    table = pd.DataFrame(rows, columns=HISTORY_COLUMNS)
    return table.astype(
        {"perturbation": "str", "step": np.int64, "seconds": np.float64, "metric": "str", "value": np.float64}
    )


def save(adata: AnnData, key: str, fitted: FittedMaps) -> None:
    """Write fitted maps to ``adata.uns[key]``.

    The maps are numbered, because a perturbation's name may hold a character that no file format takes for a key.
    """
    adata.uns[key] = {
        "config": json.dumps(fitted.config, default=_plain),
        "maps": {str(i): fitted.maps[name].state() for i, name in enumerate(fitted.config["targets"])},
        "history": fitted.history,
    }


def _plain(value: Any) -> Any:
    """Return what JSON has for an option that it does not know."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)


def load(adata: AnnData, key: str) -> FittedMaps:
    """Read fitted maps from ``adata.uns[key]``.

    Raises
    ------
    KeyError
        If there are none under that key.
    """
    stored = adata.uns.get(key)
    if not isinstance(stored, dict) or "maps" not in stored or "config" not in stored:
        fitted = [k for k, v in adata.uns.items() if isinstance(v, dict) and "maps" in v and "config" in v]
        msg = f"adata.uns[{key!r}] holds no fitted maps: call cs.tl.cellot first.{_validate.nearest(key, fitted)}"
        raise KeyError(msg)
    config = json.loads(stored["config"])
    # what another distribution fits is read by the maps that come with its solver
    SOLVERS.get(config["solver"])
    maps = {name: TransportMap.from_state(stored["maps"][str(i)]) for i, name in enumerate(config["targets"])}
    return FittedMaps(config, maps, stored["history"])
