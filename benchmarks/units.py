"""Tests with the patient or the animal as the unit: how often they reject without an effect and with one."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import stats
from scipy.spatial.distance import cdist

import cellot_sc as cs
from cellot_sc.metrics._moderated import moderated, t_pvalues
from cellot_sc.metrics._units import Units, exchange_pvalue, units
from cellot_sc.ot import Problem, TransportMap, fit
from cellot_sc.tl._effects.exchanges import costs_after, refitted

from . import _output

LEVEL, MOST, LEAST_POWER = 0.05, 0.062, 0.8
"""Level of the tests, rejections that are allowed without an effect, and power relative to a plain t-test."""
BOTH = ("features, moderated t and refits", "cost and E, exact permutation")
"""The tests that the package calls effects by."""
ENERGY = "E, exact permutation"
"""The test that an evaluation gives of no effect."""
PLAIN = "features, plain t-test of unit means"
PERMUTED = 100
"""Experiments, and permutations in each, of the slow test over cells."""


class Design(NamedTuple):
    """Name, units of either condition, whether these are the same, and whether single numbers have to have power."""

    name: str
    n_control: int
    n_treated: int
    paired: bool
    demanding: bool


DESIGNS = (
    Design("8 paired", 8, 8, True, True),
    Design("4 + 4", 4, 4, False, False),
    Design("6 + 6", 6, 6, False, True),
)


def run(argv: Sequence[str]) -> int:
    """Measure, write the table, and return 1 if a limit is missed."""
    parser = _output.parser("units", __doc__)
    parser.add_argument("--null", type=int, default=2000, help="experiments without an effect")
    parser.add_argument("--shifted", type=int, default=300, help="experiments with one")
    parser.add_argument("--cells", type=int, default=50, help="of each unit and condition")
    parser.add_argument("--features", type=int, default=12, help="of which half are shifted")
    parser.add_argument("--predictions", type=int, default=500, help="experiments with predictions of a Gaussian map")
    parser.add_argument("--default", type=int, default=20, help="experiments with the default solver")
    given = parser.parse_args(argv)
    rows = []
    for design in DESIGNS:
        null, shifted = (_rejections(design, given, shift) for shift in (0.0, 2.0))
        plain = shifted[PLAIN]
        for test, level in null.items():
            ratio = shifted[test] / plain
            needed = test == BOTH[0] or (test in (BOTH[1], ENERGY) and design.demanding)
            ok = level <= MOST and (ratio >= LEAST_POWER or not needed)
            verdict = ("yes" if ok else "no") if test in (*BOTH, ENERGY) else "-"
            row = {"units": design.name, "test": test, "rejections without an effect": level}
            rows.append(row | {"power": shifted[test], "of the t-test's": ratio, "holds": verdict})
        print(f"{design.name}: done", flush=True)
    table, tables = pd.DataFrame(rows), {}
    if given.predictions:
        tables["E of predictions to observed cells, rejections at .05"] = _predictions(given)
    if given.default:
        tables["The default solver, rejections at .05"] = _default_solver(given)
    notes = [
        f"{given.null:,} experiments without an effect and {given.shifted:,} with a shift of two donor standard "
        f"deviations in half of {given.features} features; {given.cells} cells per unit and condition, Gaussian maps. "
        "Donors differ in where their cells lie, in how far these spread and, paired, in their response (nested "
        "animals do not respond on their own). Responses of their own spread treated donors further than control ones, "
        "which E sees. Features: mean over features, over shifted ones for power. Allowed: "
        f"{MOST:g} without an effect, {LEAST_POWER:g} of the power of the plain t-test (single numbers with 4 + 4 are "
        f"shown only). Permutations of cells: {PERMUTED} experiments."
    ]
    _output.write("units", given.out, {"Rejections at .05": table} | tables, notes)
    return int((table["holds"] == "no").any())


def _rejections(design: Design, given: argparse.Namespace, shift: float) -> dict[str, float]:
    """Return how often each test rejects."""
    n_experiments, moved = (given.shifted, slice(0, given.features // 2)) if shift else (given.null, slice(None))
    rejected: dict[str, list[float]] = {}
    for seed in range(n_experiments):
        x, members = experiment(design, given.cells, given.features, shift, np.random.default_rng([seed, int(shift)]))
        for test, pvalue in pvalues(x, members, permute=seed < PERMUTED):
            rejected.setdefault(test, []).append(float((np.atleast_1d(pvalue)[moved] < LEVEL).mean()))
    return {test: float(np.mean(values)) for test, values in rejected.items()}


def experiment(
    design: Design, n_cells: int, n_features: int, shift: float, rng: np.random.Generator
) -> tuple[np.ndarray, Units]:
    """Return cells, control first, with their units: donors differ, and half of the features are shifted."""
    # donors differ in some features more than in others
    spread = rng.permutation(np.linspace(0.2, 0.6, n_features))
    effect = shift * spread * (np.arange(n_features) < n_features // 2) * rng.choice([-1, 1], n_features)
    sizes = (design.n_control, design.n_treated)
    control, treated = (rng.normal(0, spread, (n, n_features)) for n in sizes)
    widths = [np.exp(rng.normal(0, 0.1, (n, 1, 1))) for n in sizes]
    names = [np.arange(sizes[0]), np.arange(sizes[1]) + sizes[0]]
    if design.paired:
        # a response of each donor's own, on top of where its control cells lie
        treated, names[1], widths[1] = control + treated, names[0], widths[0]
    clouds = [
        (centre[:, None] + width * rng.normal(size=(n, n_cells, n_features))).reshape(-1, n_features)
        for centre, width, n in zip((control, treated + effect), widths, sizes, strict=True)
    ]
    labels = np.repeat(np.concatenate(names), n_cells).astype(str)
    return np.concatenate(clouds).astype(np.float32), units(labels, np.repeat([False, True], [len(c) for c in clouds]))


def pvalues(x: np.ndarray, members: Units, *, permute: bool) -> Iterator[tuple[str, np.ndarray | float]]:
    """Yield the p-values of every test."""
    treated = members.treated
    control_cells, treated_cells = x[~treated], x[treated]
    yield "features, Welch's test of cells", stats.ttest_ind(treated_cells, control_cells, equal_var=False).pvalue
    contrast = members.contrast(x)
    yield PLAIN, t_pvalues(contrast.effect, contrast.variance, contrast.df)
    yield "features, moderated t of unit means", contrast.pvalues()
    flips = members.exchanges(seed=0)
    problem = Problem(control_cells, treated_cells)
    maps = refitted(problem, members, flips, "gaussian")
    still = dataclasses.replace(problem, target=maps[0].inverse(treated_cells))
    at_rest = refitted(still, members, flips, "gaussian")
    squares = np.mean([shift(fitted, control_cells) ** 2 for fitted in at_rest], axis=0)
    error = squares * (members.df + 1) / members.df
    refits = t_pvalues(shift(maps[0], control_cells), *moderated(error, members.df))
    yield "features, refits", refits
    yield BOTH[0], np.maximum(refits, contrast.pvalues())
    if permute:
        yield "E, permutation of cells", _of_cells(x, treated)
    energy = exchange_pvalue(members.energies(x, flips, seed=0))
    cost = exchange_pvalue(costs_after(maps, x, None, members, flips))
    yield ENERGY, energy
    yield "cost, exact permutation of refits", cost
    yield BOTH[1], max(energy, cost)


def shift(fitted: TransportMap, x: np.ndarray) -> np.ndarray:
    """Return the mean displacement."""
    moved: np.ndarray = (fitted.transport(x) - x).mean(axis=0, dtype=np.float64)
    return moved


def _predictions(given: argparse.Namespace) -> pd.DataFrame:
    """Return how often predictions of a map are told from observed cells, as the evaluation does, with an effect."""
    rows = []
    for design in DESIGNS:
        n, half = design.n_control, given.cells // 2
        twice = design._replace(n_control=2 * n, n_treated=2 * n)
        names = np.concatenate([np.arange(n), np.arange(n) + (0 if design.paired else n)]).astype(str)
        rejected = []
        for seed in range(given.predictions):
            x, _ = experiment(twice, given.cells, given.features, 2.0, np.random.default_rng([seed, 2]))
            cells = x.reshape(2, 2 * n, given.cells, -1)
            # half of the cells of the units that are judged, or all cells of as many other units
            judged, pvalues = cells[:, :n, half:], []
            treated = np.repeat([False, True], judged[0].size // judged.shape[-1])
            members = units(np.repeat(names, judged.shape[2]), treated)
            flips = members.exchanges(seed=0)
            control, observed = judged.reshape(2, -1, judged.shape[-1])
            fits = [of.reshape(2, -1, x.shape[1]) for of in (cells[:, :n, :half], cells[:, n:])]
            maps = [fit([Problem(*of)], "gaussian")[0].map for of in fits]
            for predicted in (control, *(fitted.transport(control) for fitted in maps)):
                energies = members.energies(np.concatenate([predicted, observed]), flips, seed=0)
                pvalues.append(exchange_pvalue(energies))
            rejected.append(np.array(pvalues) < LEVEL)
        none, same, others = np.mean(rejected, axis=0)
        row = {"units": design.name, "experiments": given.predictions, "no effect": none}
        rows.append(row | {"Gaussian map of the same units": same, "Gaussian map of other units": others})
    return pd.DataFrame(rows)


def _default_solver(given: argparse.Namespace) -> pd.DataFrame:
    """Return how often what the package returns for maps of the default solver rejects, through an AnnData."""
    rows = []
    for design in DESIGNS:
        for shift in (0.0, 2.0):
            rejected = []
            for seed in range(given.default):
                rng = np.random.default_rng([seed, int(shift)])
                x, members = experiment(design, given.cells, given.features, shift, rng)
                condition = np.where(members.treated, "treated", "control")
                adata = AnnData(x, obs=pd.DataFrame({"perturbation": condition, "unit": members.names[members.codes]}))
                adata.obs_names = [f"cell_{i}" for i in range(len(x))]
                adata.obs["group"] = "all"
                cs.pp.split(adata)
                cs.tl.cellot(adata, use_rep="X")
                moved = slice(0, given.features // 2) if shift else slice(None)
                effects = cs.tl.subpopulation_effects(adata, "group", unit="unit")["pvalue"].to_numpy()
                cost = cs.tl.transport_cost(adata, unit="unit", n_boot=0)["pvalue"].to_numpy()
                rejected.append([(effects[moved] < LEVEL).mean(), (cost < LEVEL).mean()])
            features, costs = np.mean(rejected, axis=0)
            row = {"units": design.name, "shift": shift, "experiments": given.default}
            rows.append(row | {"features": features, "cost and E": costs})
        print(f"{design.name} by the default solver: done", flush=True)
    return pd.DataFrame(rows)


def _of_cells(x: np.ndarray, treated: np.ndarray) -> float:
    """Return the p-value of the energy distance among permutations of cells, which are no replicates."""
    rng, distance = np.random.default_rng(0), cdist(x, x)
    sides = np.stack([treated, *(rng.permutation(treated) for _ in range(PERMUTED - 1))])
    weights = np.where(sides, 1 / treated.sum(), -1 / (~treated).sum())
    return exchange_pvalue(-((weights @ distance) * weights).sum(axis=1))
