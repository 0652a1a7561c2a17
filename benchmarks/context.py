"""Maps per context in closed form beside their controls: changes of abundance, few cells, unseen patients, cell lines.

Everything is judged within contexts: E/type is the mean over contexts of the unbiased energy distance between
predicted and observed test cells, over contexts with at least 10 of both.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
from scipy.stats import t as student

from cellot_sc import ot
from cellot_sc.metrics import energy_distance

from . import _output
from ._context_problems import (
    FEW,
    PATIENTS,
    ContextTask,
    Side,
    chi11,
    kang,
    kang_patient,
    perturbench,
    shifted,
    simulated,
    thinned,
)

MIN_CELLS = 10
OWN = "own Gaussian"
POOLED = ("pooled shift", "pooled Gaussian", "pooled default", "weighted Gaussian")
CONTEXTS = ("group_shift", OWN, "group_gaussian", "group_gaussian of patients", "default")
MODELS = ("no effect", *POOLED, *CONTEXTS, "observed")
VALID_SHARE = 0.15
"""Train cells by which networks are chosen."""
SETS = ("chi11", "kang", "patients", "simulated", "few", "perturbench")
TEST_SHARE = 0.25
"""Test cells for each train cell of a random split."""

type Predict = Callable[[Side, str], np.ndarray]


def run(argv: Sequence[str]) -> int:
    """Fit and judge, and write the tables."""
    parser = _output.parser("context", __doc__)
    parser.add_argument("--data", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--splits", type=int, default=10, help="splits of chi11, and draws of few cells")
    parser.add_argument("--networks", type=int, default=0, help="splits to which the default solver is fitted, too")
    given = parser.parse_args(argv)
    scores = pd.DataFrame(row for name in given.data for row in SCORES[name](given.splits))
    scores = pd.concat([scores, pd.DataFrame(row for name in given.data for row in _networks(name, given.networks))])
    _output.write("context", given.out, tables(scores))
    return 0


def predictions(task: ContextTask) -> dict[str, Predict]:
    """Return, for every model, the function that predicts the cells of a context."""
    plain = ot.Problem(task.source.cells, task.target.cells)
    names = [task.contexts]
    by_type = _problem(task, [task.source.contexts, task.target.contexts], names)
    shift, gaussian = (ot.fit([plain], solver)[0].map for solver in ("mean_shift", "gaussian"))
    contexts = {solver: ot.fit([by_type], solver)[0].map for solver in ("group_shift", "group_gaussian")}
    found: dict[str, Predict] = {
        "no effect": lambda side, name: side.cells,
        "pooled shift": _plain(shift),
        "pooled Gaussian": _plain(gaussian),
        "weighted Gaussian": _plain(contexts["group_gaussian"]),
        "group_shift": _at(contexts["group_shift"]),
        OWN: _own(task),
        "group_gaussian": _at(contexts["group_gaussian"]),
        "observed": lambda side, name: task.target.at(task.target.contexts == task.contexts.index(name)).cells,
    }
    if len(np.unique(task.source.units)) > 1:
        codes = [np.column_stack([side.contexts, side.units]) for side in (task.source, task.target)]
        [nested] = ot.fit([_problem(task, codes, None)], "group_gaussian")
        inner = nested.map
        found["group_gaussian of patients"] = _at(inner, lambda name: str(task.contexts.index(name)))
    return found


def networks(task: ContextTask) -> dict[str, Predict]:
    """Return the predictions of the default solver, without contexts and with them."""
    rng = np.random.default_rng(0)
    parts = []
    for side in (task.source, task.target):
        is_valid = rng.random(len(side.cells)) < VALID_SHARE
        parts.append((side.at(~is_valid), side.at(is_valid)))
    (source, source_valid), (target, target_valid) = parts
    problem = ot.Problem(
        source.cells,
        target.cells,
        source_valid.cells,
        target_valid.cells,
        source.contexts,
        target.contexts,
        source_valid.contexts,
        target_valid.contexts,
        context_names=[task.contexts],
    )
    pooled, own = (ot.fit([one])[0].map for one in (problem.pooled, problem))
    return {"pooled default": _plain(pooled), "default": _at(own)}


def _problem(task: ContextTask, codes: list[np.ndarray], names: list[list[str]] | None) -> ot.Problem:
    return ot.Problem(
        task.source.cells,
        task.target.cells,
        source_contexts=codes[0],
        target_contexts=codes[1],
        context_names=names,
    )


def _plain(transport: ot.TransportMap) -> Predict:
    return lambda side, name: transport.transport(side.cells)


def _at(transport: ot.TransportMap, key: Callable[[str], str] = str) -> Predict:
    assert isinstance(transport, ot.ContextMap)
    return lambda side, name: transport.at(key(name)).transport(side.cells)


def _own(task: ContextTask) -> Predict:
    """Return the Gaussian maps of contexts that know nothing of each other."""
    maps = {}
    for k, name in enumerate(task.contexts):
        x, y = (side.cells[side.contexts == k] for side in (task.source, task.target))
        if min(len(x), len(y)) > 1:
            maps[name] = ot.fit([ot.Problem(x, y)], "gaussian")[0].map
    return lambda side, name: maps[name].transport(side.cells) if name in maps else side.cells


def judged(
    task: ContextTask,
    only: int | None = None,
    *,
    models: Callable[[ContextTask], dict[str, Predict]] = predictions,
    **labels: object,
) -> Iterator[dict[str, object]]:
    """Yield the energy distance of every model in every context with enough test cells, or in one of them."""
    predicted = models(task)
    for k, name in enumerate(task.contexts):
        x, y = (side.at(side.contexts == k) for side in (task.source_test, task.target_test))
        if min(len(x.cells), len(y.cells)) < MIN_CELLS or only not in (None, k):
            continue
        observed = y.cells.mean(axis=0) - x.cells.mean(axis=0)
        for model, predict in predicted.items():
            moved = predict(x, name)
            pearson = np.nan
            if model not in ("no effect", "observed"):
                pearson = np.corrcoef((moved - x.cells).mean(axis=0), observed)[0, 1]
            yield {**labels, "context": name, "model": model, "E": energy_distance(moved, y.cells), "Pearson": pearson}


def _chi11(splits: int) -> Iterator[dict[str, object]]:
    for seed in range(splits):
        for stimulus, kind, task in chi11(seed):
            yield from judged(task, set=f"chi11 {stimulus} {kind}", split=seed)


def _kang(splits: int) -> Iterator[dict[str, object]]:
    for seed in range(min(splits, 5)):
        yield from judged(kang(seed), set="kang", split=seed)


def _patients(splits: int) -> Iterator[dict[str, object]]:
    for patient in PATIENTS:
        yield from judged(kang_patient(patient), set="kang, unseen patient", split=patient)


def _simulated(splits: int) -> Iterator[dict[str, object]]:
    for seed in range(min(splits, 5)):
        task = simulated(seed)
        yield from judged(task, set="simulated equal", split=seed)
        yield from judged(shifted(task, np.random.default_rng(seed)), set="simulated shifted", split=seed)


def _few(splits: int) -> Iterator[dict[str, object]]:
    for name, load, names in (("kang", kang, ("B", "CD4T", "CD14+Mono")), ("simulated", simulated, None)):
        # two draws of each of five splits are ten
        for seed in range(min(splits, 5)):
            task = load(seed)
            chosen = range(len(task.contexts)) if names is None else [task.contexts.index(one) for one in names]
            for k, n, draw in itertools.product(chosen, FEW, range(max(splits // 5, 1))):
                few = thinned(task, k, n, np.random.default_rng([seed, draw, n, k]))
                yield from judged(few, k, set=f"few {name} {n}", split=f"{seed}.{draw}")


def _perturbench(splits: int) -> Iterator[dict[str, object]]:
    for seed in range(min(splits, 5)):
        for task in perturbench(seed):
            yield from judged(task, set="perturbench", split=seed, perturbation=task.name)


def _networks(name: str, splits: int) -> Iterator[dict[str, object]]:
    for seed in range(splits):
        if name == "chi11":
            for stimulus, kind, task in chi11(seed):
                yield from judged(task, models=networks, set=f"chi11 {stimulus} {kind}", split=seed)
        elif name == "kang":
            yield from judged(kang(seed), models=networks, set="kang", split=seed)
        elif name == "simulated":
            task = shifted(simulated(seed), np.random.default_rng(seed))
            yield from judged(task, models=networks, set="simulated shifted", split=seed)


SCORES = dict(zip(SETS, (_chi11, _kang, _patients, _simulated, _few, _perturbench), strict=True))


def tables(scores: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return E/type and Pearson of every set, contexts one by one, and the comparison with the best control."""
    scores["set"] = scores["set"].astype(str)
    kinds = scores["set"].str.replace("chi11 [AGLT]", "chi11", regex=True)
    whole = pd.concat([scores.assign(set=kinds), scores[scores["set"] != kinds]])
    return {
        "E/type": _by_set(whole, "E"),
        "Pearson of the shifts of a type": _by_set(whole, "Pearson"),
        "group_gaussian beside the best control": _verdicts(whole),
        "E of each context": _wide(scores, "E", ["set", "context"]),
    }


def _wide(scores: pd.DataFrame, value: str, by: list[str]) -> pd.DataFrame:
    means = scores.groupby([*by, "split", "model"], sort=False)[value].mean().groupby([*by, "model"], sort=False).mean()
    wide = means.unstack("model")
    return wide.reindex(columns=[model for model in MODELS if model in wide]).reset_index()


def _by_set(scores: pd.DataFrame, value: str) -> pd.DataFrame:
    return _wide(scores, value, ["set"])


def _verdicts(scores: pd.DataFrame) -> pd.DataFrame:
    """Compare with the control of the lowest mean: 'not above' is at most 5 % or .01 more, whichever is larger."""
    rows = []
    for name, part in scores.groupby("set", sort=False):
        groups = part.groupby("context", sort=False) if name == "perturbench" else [("mean", part)]
        for context, of in groups:
            by_split = of.groupby(["split", "model"])["E"].mean().unstack("model")
            controls = [
                m
                for m in MODELS[:-1]
                if m in by_split and not m.startswith(("group_gaussian", "default", "pooled default"))
            ]
            best = by_split[controls].mean().idxmin()
            apart = by_split["group_gaussian"] - by_split[best]
            k, middle = len(apart), apart.mean()
            width = student.ppf(0.975, max(k - 1, 1)) * apart.std() * np.sqrt(1 / k + TEST_SHARE)
            rows.append(
                {
                    "set": name,
                    "context": context,
                    "best control": best,
                    "E/type of it": by_split[best].mean(),
                    "group_gaussian less it": f"{middle:.3f} ({middle - width:.3f} to {middle + width:.3f})",
                    "not above": "yes" if middle <= max(0.05 * by_split[best].mean(), 0.01) else "no",
                }
            )
    return pd.DataFrame(rows)
