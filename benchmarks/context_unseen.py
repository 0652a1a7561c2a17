"""Contexts that were never seen, each left out in turn: patients of Kang, cell types, donors that are drawn.

A new context's control cells are read by the maps, its treated cells by nobody but the judge. E is that of all its
cells; "E equal" weighs observed cells to the types of control ones; E/type and the Pearson of shifts are means over
types with at least 10 cells of both sides. Genes and components are those of the cells that are left in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy.stats import t as student

from cellot_sc import ot
from cellot_sc.metrics import energy_distance

from . import _context_models, _output
from ._context_models import BOTH, PATIENTS, TYPES, VALID_SHARE, Levels, applied, fit, problem_of
from ._context_problems import PATIENTS as KANG_PATIENTS
from ._context_problems import ContextTask, Side, chi11, held_out, kang, simulated, with_controls
from ._donors import KINDS, donors

SETS = ("patients", "types", "donors")
SCORES = ("E", "E equal", "E/type", "Pearson")
AFFINE, DEFAULT = "group_gaussian", "default"
OF_BOTH, OF_PATIENTS = "types, patients", "patients"
PARENT, MIXTURE = "parent", "mixture"
BESIDE = {
    "patients": (("default, pooled", f"{DEFAULT}, {OF_BOTH}"), ("default, pooled", f"{AFFINE}, {OF_BOTH}, {MIXTURE}")),
    "types": (("pooled Gaussian", MIXTURE), (PARENT, MIXTURE)),
    "donors": (("pooled shift", MIXTURE), ("pooled Gaussian", MIXTURE), (PARENT, MIXTURE)),
}
"""Models that are compared fold by fold: the one that is to be reached, and the other."""


def run(argv: Sequence[str]) -> int:
    """Fit and judge, and write the tables."""
    parser = _output.parser("context-unseen", __doc__)
    parser.add_argument("--data", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", type=int, default=5, help="of simulated types, and of donors")
    parser.add_argument("--affine", action="store_true", help="leave networks out")
    given = parser.parse_args(argv)
    found: dict[str, pd.DataFrame] = {}
    for name in given.data:
        scores = pd.DataFrame(FOLDS[name](given.seeds, networks=not given.affine))
        found |= {f"{title}: {name}": table for title, table in tables(scores, BESIDE[name]).items()}
    _output.write("context-unseen", given.out, found)
    return 0


def _patients(seeds: int, *, networks: bool) -> Iterator[dict[str, object]]:
    for patient in KANG_PATIENTS:
        task = kang(0, {"patient": patient})
        predicted = _context_models.pooled(task) | _context_models.by_type(task)
        rules = {}
        for label, levels in ((OF_BOTH, BOTH), (OF_PATIENTS, PATIENTS)):
            moved, rules[f"{AFFINE}, {label}, {MIXTURE}"] = _affine(task, levels)
            predicted |= {f"{AFFINE}, {label}, {name}": side for name, side in moved.items()}
        if networks:
            predicted |= _networks(task)
        predicted["observed, others"] = task.target
        yield from _scored(task, predicted, rules, set="kang", fold=patient)


def _networks(task: ContextTask) -> dict[str, Side]:
    """Return what the default solver predicts, pooled and with contexts."""
    problem, test = problem_of(task, BOTH, VALID_SHARE), task.source_test
    found = {"default, pooled": test.moved(ot.fit([problem.pooled])[0].map.transport(test.cells))}
    for label, levels in ((OF_BOTH, BOTH), (OF_PATIENTS, PATIENTS)):
        found[f"{DEFAULT}, {label}"] = applied(fit(problem_of(task, levels, VALID_SHARE)), task, levels)
    # of the cells that networks are fitted to, without those that choose them
    found[f"{AFFINE}, {OF_BOTH}, without validation cells"] = applied(fit(problem, AFFINE), task, BOTH)
    return found


def _types(seeds: int, *, networks: bool) -> Iterator[dict[str, object]]:
    for name, fold, task in _without_type(seeds):
        both, treated = (f"{name}, {lacking} missing" for lacking in ("both sides", "treated cells"))
        for label, of in ((both, task), (treated, with_controls(task))):
            moved, rule = _affine(of, TYPES)
            yield from _scored(of, _context_models.pooled(of) | moved, {MIXTURE: rule}, set=label, fold=fold)


def _without_type(seeds: int) -> Iterator[tuple[str, str, ContextTask]]:
    """Yield tasks of which all test cells are of one type, and no train cell is."""
    names = kang(0).contexts
    for name in names:
        yield "kang", name, kang(0, {"cell_type": name})
    for stimulus, kind, whole in chi11(0):
        for k in range(len(whole.contexts)) if kind == "equal" else ():
            yield "chi11", f"{stimulus} {whole.contexts[k]}", held_out(whole, k)
    for seed in range(seeds):
        for name in simulated(seed).contexts:
            yield "simulated", f"{name} {seed}", simulated(seed, {"cell_type": name})


def _donors(seeds: int, *, networks: bool) -> Iterator[dict[str, object]]:
    for kind in KINDS:
        for seed in range(seeds):
            for unit, task in donors(kind, seed):
                moved, rule = _affine(task, PATIENTS)
                predicted = _context_models.pooled(task) | moved
                yield from _scored(task, predicted, {MIXTURE: rule}, set=kind, fold=f"{seed}.{unit}")


FOLDS = dict(zip(SETS, (_patients, _types, _donors), strict=True))


def _affine(task: ContextTask, levels: Levels) -> tuple[dict[str, Side], str]:
    """Return what affine maps of contexts predict, without and with what is chosen for unseen ones, and the choice."""
    problem = problem_of(task, levels)
    plain, mixed = (fit(problem, AFFINE, unseen=unseen) for unseen in (False, True))
    nodes = [getattr(node, "unseen", None) for node in (mixed, *mixed.maps)]
    rules = [node.rule for node in nodes if isinstance(node, ot.UnseenMap)]
    moved = {PARENT: applied(plain, task, levels), MIXTURE: applied(mixed, task, levels)}
    return moved, " ".join(f"{value:g}" for value in rules[0]) if rules else PARENT


def _scored(
    task: ContextTask, predicted: dict[str, Side], rules: dict[str, str], **labels: object
) -> Iterator[dict[str, object]]:
    """Yield the scores of every model, unless there are too few cells to judge by."""
    by_type = pd.DataFrame(_context_models.judged(task, predicted))
    if by_type.empty:
        return
    means = by_type.groupby("model")[["E", "Pearson"]].mean()
    for model, side in predicted.items():
        yield labels | {
            "model": model,
            "E": energy_distance(side.cells, task.target_test.cells),
            "E equal": _context_models.equal_energy(task, side),
            "E/type": means.loc[model, "E"],
            "Pearson": means.loc[model, "Pearson"],
            "rule": rules.get(model, ""),
        }


def tables(scores: pd.DataFrame, beside: Sequence[tuple[str, str]]) -> dict[str, pd.DataFrame]:
    """Return the mean scores, the differences between pairs of models with their interval, and what was chosen."""
    models = set(scores["model"])
    # with cells of one type alone, the rest is the same
    values = [score for score in SCORES if score == "E" or not np.allclose(scores[score], scores["E"], atol=1e-3)]
    rows = [
        {"set": name, "model": after, "less": before} | _apart(of, before, after, values)
        for name, of in scores.groupby("set", sort=False)
        for before, after in beside
        if {before, after} <= models
    ]
    chosen = scores[scores["rule"] != ""].groupby(["set", "model", "rule"], sort=False).size().rename("folds")
    return {
        "Scores": scores.groupby(["set", "model"], sort=False)[values].mean().reset_index(),
        "Differences": pd.DataFrame(rows),
        "What is chosen (shares of the parent, the shift, the local one; sharpness; relative)": chosen.reset_index(),
    }


def _apart(scores: pd.DataFrame, before: str, after: str, values: Sequence[str]) -> dict[str, str]:
    """Return by how much a model's scores differ from those of another over folds."""
    found = {}
    for score in values:
        by_fold = scores.pivot(index="fold", columns="model", values=score)
        apart = by_fold[after] - by_fold[before]
        width = student.ppf(0.975, max(len(apart) - 1, 1)) * apart.sem()
        found[score] = f"{apart.mean():.4f} ({apart.mean() - width:.4f} to {apart.mean() + width:.4f})"
    return found
