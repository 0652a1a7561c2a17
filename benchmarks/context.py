"""Maps per context in closed form beside their controls: changes of abundance, few cells, cell lines.

Everything is judged within contexts: E/type is the mean over contexts of the unbiased energy distance between
predicted and observed test cells, over contexts with at least 10 of both.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy.stats import t as student

from cellot_sc import ot

from . import _context_models, _output
from ._context_models import BOTH, OWN
from ._context_problems import FEW, ContextTask, Side, chi11, kang, perturbench, shifted, simulated, thinned

POOLED = ("pooled shift", "pooled Gaussian", "weighted Gaussian")
ONE_SHAPE = "group_shift, one Gaussian"
CONTEXTS = ("group_shift", ONE_SHAPE, OWN, "group_gaussian", "group_gaussian of patients")
MODELS = ("no effect", *POOLED, *CONTEXTS, "observed")
SETS = ("chi11", "kang", "simulated", "few", "perturbench")
TEST_SHARE = 0.25
"""Test cells for each train cell of a random split."""


def run(argv: Sequence[str]) -> int:
    """Fit and judge, and write the tables."""
    parser = _output.parser("context", __doc__)
    parser.add_argument("--data", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--splits", type=int, default=10, help="splits of chi11, and draws of few cells")
    given = parser.parse_args(argv)
    _output.write(
        "context", given.out, tables(pd.DataFrame(row for name in given.data for row in SCORES[name](given.splits)))
    )
    return 0


def predictions(task: ContextTask) -> dict[str, Side]:
    """Return the test cells that every model predicts."""
    found = _context_models.pooled(task) | _context_models.by_type(task) | {"observed": task.target}
    found[ONE_SHAPE] = _one_shape(task, found["group_shift"])
    if len(np.unique(task.source.units)) > 1:
        nested = _context_models.fit(_context_models.problem_of(task, BOTH), "group_gaussian", unseen=False)
        # of a cell's type, and of no patient
        found["group_gaussian of patients"] = _context_models.applied(nested, task)
    return found


def _one_shape(task: ContextTask, shifted: Side) -> Side:
    """Return what is moved by the mean shift of each type, and around its mean by one Gaussian map of all cells."""
    before, after = (_centred(side, side) for side in (task.source, task.target))
    around = ot.fit([ot.Problem(before, after)], "gaussian")[0].map
    apart = _centred(task.source_test, task.source)
    return shifted.moved(shifted.cells + around.transport(apart) - apart)


def _centred(side: Side, of: Side) -> np.ndarray:
    """Return cells less the mean of their type in one side; those whose type is not there as they are."""
    cells = side.cells.copy()
    for k in np.unique(of.contexts):
        cells[side.contexts == k] -= of.cells[of.contexts == k].mean(axis=0)
    return cells


def judged(task: ContextTask, only: int | None = None, **labels: object) -> Iterator[dict[str, object]]:
    """Yield the scores of every model in every context, or in one of them."""
    if only is not None:
        sides = (task.source_test, task.target_test)
        source, target = (side.at(side.contexts == only) for side in sides)
        task = dataclasses.replace(task, source_test=source, target_test=target)
    for row in _context_models.judged(task, predictions(task)):
        yield labels | row


def _chi11(splits: int) -> Iterator[dict[str, object]]:
    for seed in range(splits):
        for stimulus, kind, task in chi11(seed):
            yield from judged(task, set=f"chi11 {stimulus} {kind}", split=seed)


def _kang(splits: int) -> Iterator[dict[str, object]]:
    for seed in range(min(splits, 5)):
        yield from judged(kang(seed), set="kang", split=seed)


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


SCORES = dict(zip(SETS, (_chi11, _kang, _simulated, _few, _perturbench), strict=True))


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
            controls = [m for m in MODELS[:-1] if m in by_split and not m.startswith("group_gaussian")]
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
