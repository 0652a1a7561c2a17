"""Models that know contexts and models that do not, fitted to a task and applied to its test cells; their scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from cellot_sc import ot
from cellot_sc.metrics import energy_distance

from ._context_problems import ContextTask, Side

MIN_CELLS = 10
"""Test cells of either side without which a context is not judged."""
VALID_SHARE = 0.15
"""Train cells by which networks are chosen."""
OWN = "own Gaussian"
TYPES, PATIENTS, BOTH = ("contexts",), ("units",), ("contexts", "units")
"""Contexts that a model may know: fields of a :class:`.Side`."""

type Levels = Sequence[str]


def problem_of(task: ContextTask, levels: Levels = TYPES, valid_share: float = 0.0) -> ot.Problem:
    """Return the problem of a task, with some of its train cells for validation."""
    rng = np.random.default_rng(0)
    given: dict[str, np.ndarray] = {}
    for name, side in (("source", task.source), ("target", task.target)):
        is_valid = rng.random(len(side.cells)) < valid_share
        for label, part in ((name, side.at(~is_valid)), (f"{name}_valid", side.at(is_valid))):
            if label == name or valid_share:
                given |= {label: part.cells, f"{label}_contexts": _codes(part, levels)}
    return ot.Problem(**given, context_names=[_names(task, level) for level in levels])


def pooled(task: ContextTask) -> dict[str, Side]:
    """Return what the models predict that know no contexts."""
    plain = ot.Problem(task.source.cells, task.target.cells)
    found = {"no effect": task.source_test}
    for name, solver in (("pooled shift", "mean_shift"), ("pooled Gaussian", "gaussian")):
        found[name] = task.source_test.moved(ot.fit([plain], solver)[0].map.transport(task.source_test.cells))
    return found


def by_type(task: ContextTask) -> dict[str, Side]:
    """Return what the affine models predict that know types, and that of their contexts weighed alike."""
    problem, test = problem_of(task), task.source_test
    affine, shift = fit(problem, "group_gaussian", unseen=False), fit(problem, "group_shift")
    return {
        "weighted Gaussian": test.moved(affine.transport(test.cells)),
        "group_shift": applied(shift, task),
        OWN: _own(task),
        "group_gaussian": applied(affine, task),
    }


def fit(problem: ot.Problem, solver: str = "icnn", **options: Any) -> ot.ContextMap:
    """Return the maps of contexts."""
    found = ot.fit([problem], solver, **options)[0].map
    assert isinstance(found, ot.ContextMap)
    return found


def applied(maps: ot.ContextMap, task: ContextTask, levels: Levels = TYPES) -> Side:
    """Return the predicted test cells, those of contexts that were not seen by where their control cells lie."""
    test = task.source_test
    rows = np.column_stack([np.array(_names(task, level))[getattr(test, level)] for level in levels])
    return test.moved(maps.adapted_to(test.cells, rows).transport(test.cells, rows))


def judged(task: ContextTask, predicted: Mapping[str, Side]) -> Iterator[dict[str, object]]:
    """Yield the energy distance of every model in every context with enough test cells, and Pearson of its shift."""
    for k, name in enumerate(task.contexts):
        x, y = (side.cells[side.contexts == k] for side in (task.source_test, task.target_test))
        if min(len(x), len(y)) < MIN_CELLS:
            continue
        shift = y.mean(axis=0) - x.mean(axis=0)
        for model, side in predicted.items():
            moved = side.cells[side.contexts == k]
            energy, pearson = np.nan, np.nan
            if len(moved) >= MIN_CELLS:
                energy = energy_distance(moved, y)
            if model != "no effect" and not model.startswith("observed"):
                pearson = np.corrcoef((moved - x).mean(axis=0), shift)[0, 1]
            yield {"context": name, "model": model, "E": energy, "Pearson": pearson}


def equal_energy(task: ContextTask, predicted: Side) -> float:
    """Return the energy distance to observed cells weighed to the types of control ones; types on both sides count."""
    x, y = predicted.contexts, task.target_test.contexts
    n = max(x.max(), y.max()) + 1
    ours, theirs = (np.bincount(codes, minlength=n) for codes in (x, y))
    shared = (ours > 0) & (theirs > 0)
    weights = np.divide(ours, theirs, out=np.zeros(n), where=shared)[y[shared[y]]]
    return weighted_energy(predicted.cells[shared[x]], task.target_test.cells[shared[y]], weights)


def weighted_energy(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    """Return the unbiased energy distance between cells and others that weigh differently."""
    shares = weights / weights.sum()
    between = 2 * float(cdist(x, y).mean(axis=0) @ shares)
    within = float(shares @ cdist(y, y) @ shares) / (1 - float(shares @ shares))
    return between - cdist(x, x).sum() / (len(x) * (len(x) - 1)) - within


def _own(task: ContextTask) -> Side:
    """Return the predictions of Gaussian maps of types that know nothing of each other."""
    test = task.source_test
    moved = test.cells.copy()
    for k in np.unique(test.contexts):
        x, y = (side.cells[side.contexts == k] for side in (task.source, task.target))
        if min(len(x), len(y)) > 1:
            rows = test.contexts == k
            moved[rows] = ot.fit([ot.Problem(x, y)], "gaussian")[0].map.transport(test.cells[rows])
    return test.moved(moved)


def _codes(side: Side, levels: Levels) -> np.ndarray:
    return np.column_stack([getattr(side, level) for level in levels])


def _names(task: ContextTask, level: str) -> list[str]:
    if level == "contexts":
        return task.contexts
    sides = (task.source, task.target, task.source_test, task.target_test)
    return [f"unit {k}" for k in range(max(int(side.units.max()) for side in sides) + 1)]
