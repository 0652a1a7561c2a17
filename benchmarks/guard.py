"""Abundance matched without labels: where composition is shifted, equal, or where one type alone responds.

E/type is the mean over types of the unbiased energy distance between predicted and observed test cells. Maps are the
cautious Gaussian one, unless networks are asked for: the guard sees arrays only, and does not know by what is fitted.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd

import cellot_sc as cs
from cellot_sc import ot
from cellot_sc.metrics import energy_distance
from cellot_sc.ot._abundance import matched
from cellot_sc.ot._composition import compared
from cellot_sc.ot._solvers.gaussian import cautious_gaussian_map

from . import _output
from ._context_problems import ContextTask, Side, _quarter, _represented, chi11, kang, shifted, simulated

MIN_CELLS = 10
SETS = ("chi11", "kang", "simulated", "traps", "halves")
MODELS = ("no effect", "no guard", "guard", "true weights")


def run(argv: Sequence[str]) -> int:
    """Fit and judge, and write the tables."""
    parser = _output.parser("guard", __doc__)
    parser.add_argument("--data", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--splits", type=int, default=10, help="splits of chi11; at most 5 of the others")
    parser.add_argument("--first", type=int, default=0, help="seed of the first split")
    parser.add_argument("--networks", action="store_true", help="fit the default solver instead of the Gaussian map")
    given = parser.parse_args(argv)
    seeds = range(given.first, given.first + given.splits)
    rows = [
        {"set": name, **judged(task, networks=given.networks)}
        for data in given.data
        for name, task in TASKS[data](seeds if data == "chi11" else seeds[:5])
    ]
    _output.write("guard", given.out, {"E/type": table(pd.DataFrame(rows))})
    return 0


def judged(task: ContextTask, *, networks: bool = False) -> dict[str, object]:
    """Return E/type of every model, whether the guard weighs cells, and the processor time that it takes."""
    plain = ot.Problem(task.source.cells, task.target.cells)
    start = time.process_time()
    guarded = matched(plain)
    seconds = time.process_time() - start
    known = compared(task.source.contexts, task.target.contexts)
    true = dataclasses.replace(plain, source_weights=known.source_weights, target_weights=known.target_weights)
    problems = dict(zip(MODELS[1:], (plain, guarded, true), strict=True))
    moves: dict[str, Callable[[np.ndarray], np.ndarray]] = {"no effect": lambda cells: cells}
    moves |= {name: _fitted(problem, networks=networks).transport for name, problem in problems.items()}
    return {
        **{name: _e_type(task, move) for name, move in moves.items()},
        "weighs": guarded is not plain,
        "seconds": seconds,
    }


def _fitted(problem: ot.Problem, *, networks: bool) -> ot.TransportMap:
    if networks:
        return ot.fit([problem])[0].map
    return cautious_gaussian_map(problem.source, problem.target, problem.source_weights, problem.target_weights)


def _e_type(task: ContextTask, move: Callable[[np.ndarray], np.ndarray]) -> float:
    found = []
    for k in range(len(task.contexts)):
        x, y = (side.cells[side.contexts == k] for side in (task.source_test, task.target_test))
        if min(len(x), len(y)) >= MIN_CELLS:
            found.append(energy_distance(move(x), y))
    return float(np.mean(found))


def _chi11(seeds: Sequence[int]) -> Iterator[tuple[str, ContextTask]]:
    for seed in seeds:
        for stimulus, kind, task in chi11(seed):
            yield f"chi11 {stimulus}, {kind}", task


def _kang(seeds: Sequence[int]) -> Iterator[tuple[str, ContextTask]]:
    monocytes, cells = "CD14+Mono", "CD4T"
    for seed in seeds:
        task = kang(seed)
        yield "kang, equal", task
        for name, control, treated in (
            ("treated monocytes, control CD4 T", [cells], [monocytes]),
            ("control monocytes, treated CD4 T", [monocytes], [cells]),
            ("treated monocytes", [], [monocytes]),
            ("treated CD4 T", [], [cells]),
        ):
            yield f"kang, {name} to a quarter", _thinned(task, control, treated, seed)


def _thinned(task: ContextTask, control: list[str], treated: list[str], seed: int) -> ContextTask:
    rng, code = np.random.default_rng(seed), task.contexts.index
    return dataclasses.replace(
        task,
        source=_quarter(task.source, [code(name) for name in control], rng),
        target=_quarter(task.target, [code(name) for name in treated], rng),
    )


def _of_types(n_types: int, seed: int) -> ContextTask:
    if n_types == 5:
        return simulated(seed)
    adata = cs.datasets.simulate(n_cells=4000, n_cell_types=n_types, perturbations=("drug",), seed=seed)
    return _represented(adata, "simulated", "perturbation", "control", "cell_type", "patient", seed=seed)


def _simulated(seeds: Sequence[int]) -> Iterator[tuple[str, ContextTask]]:
    for n_types in (3, 5, 8):
        for seed in seeds:
            task, name = _of_types(n_types, seed), f"simulated, {n_types} types"
            yield f"{name}, equal", task
            yield f"{name}, shifted", shifted(task, np.random.default_rng(seed))
            yield f"{name}, one to a quarter", _thinned(task, [], task.contexts[:1], seed)


def _halves(seeds: Sequence[int]) -> Iterator[tuple[str, ContextTask]]:
    for seed in seeds:
        for name, task in (("kang", kang(seed)), ("simulated", _of_types(8, seed))):
            yield f"{name}, control beside control", _half(task, seed)


def _traps(seeds: Sequence[int]) -> Iterator[tuple[str, ContextTask]]:
    for seed in seeds:
        for name, task in (("kang", kang(seed)), ("simulated", _of_types(8, seed))):
            for kind, factor in (("any way", 1.0), ("any way, twice as far", 2.0), ("towards another type", 0.8)):
                yield f"{name}, one type moves {kind}", _moved(_half(task, seed), factor, kind, seed)


def _half(task: ContextTask, seed: int) -> ContextTask:
    """Return control cells on both sides."""
    rng = np.random.default_rng(seed)
    halves = {}
    for name, side in (("", task.source), ("_test", task.source_test)):
        order = rng.permutation(len(side.cells))
        halves[f"source{name}"] = side.at(order[: len(order) // 2])
        halves[f"target{name}"] = side.at(order[len(order) // 2 :])
    return dataclasses.replace(task, **halves)


def _moved(task: ContextTask, factor: float, kind: str, seed: int) -> ContextTask:
    """Move the treated cells of the largest type alone, in units of the distance to the nearest other type."""
    codes, rng = task.source.contexts, np.random.default_rng(seed)
    centres = np.stack([task.source.cells[codes == k].mean(axis=0) for k in range(len(task.contexts))])
    largest = int(np.bincount(codes).argmax())
    apart = np.linalg.norm(centres - centres[largest], axis=1)
    apart[largest] = np.inf
    way = centres[apart.argmin()] - centres[largest]
    if not kind.startswith("towards"):
        way = rng.normal(size=len(way))
        way *= apart.min() / np.linalg.norm(way)

    def moved(side: Side) -> Side:
        step = np.where((side.contexts == largest)[:, None], factor * way, 0)
        return dataclasses.replace(side, cells=(side.cells + step).astype(np.float32))

    return dataclasses.replace(task, target=moved(task.target), target_test=moved(task.target_test))


TASKS = dict(zip(SETS, (_chi11, _kang, _simulated, _traps, _halves), strict=True))


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the means over splits, how often cells are weighed, and how the guard stands to what else there is."""
    groups = rows.groupby("set", sort=False)
    means = groups[[*MODELS, "seconds"]].mean()
    means.insert(4, "weighs", [f"{int(of['weighs'].sum())} of {len(of)}" for _, of in groups])
    rise = means["guard"] - means["no guard"]
    means["not above no guard"] = np.where(rise <= np.maximum(0.05 * means["no guard"], 0.01), "yes", "no")
    return means.reset_index()
