"""Whether another state of the package gives the same numbers: every solver on fixed data with fixed seeds.

``--save FILE`` keeps the numbers, ``--against FILE`` takes them anew and compares; the exit code is 1 if a difference
is not allowed. The same file runs on both sides of a change, so that it goes without names that may change: options are
those that a solver's config has, and what only one side has is named in the table and counts as no difference.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import inspect
import json
import logging
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import anndata as ad
import jax
import numpy as np
import pandas as pd
import scanpy as sc
from scipy import sparse

import cellot_sc as cs
from cellot_sc import ot

from . import _machine, _output, _problems

SOLVERS = (
    *("identity", "mean_shift", "gaussian", "icnn", "entropic", "popalign"),
    *("expectile", "monge_gap", "scgen", "cae", "paper"),
)
"""Solvers that are fitted where they are registered."""
DEFAULT = "icnn"
"""The solver that is fitted with its defaults."""
EXACT = ("identity", "mean_shift", "gaussian", "icnn", "entropic", "popalign")
"""Solvers whose maps have to be the same to the bit."""
ALLOWED = 1e-4
"""Largest difference of everything else, in units of the spread."""
SHORT = {
    **{"n_steps": 150, "n_iters": 150, "n_inner": 4, "check_every": 50, "min_steps": 50},
    **{"width": 16, "depth": 2, "hidden": (32, 32)},
}
"""Options of a short fit: a solver is given those that it has."""
SHORTER = {"monge_gap": {"n_steps": 40, "n_iters": 40, "check_every": 20, "batch_size": 64}}
"""The same of solvers whose steps are slow."""
HALVED = {"expectile": {"n_steps": 75, "check_every": 25}}
"""The same where a step, once it is called so, is an iteration forward and one backward."""
METRICS = (
    *("energy_distance", "mmd", "legacy_mmd", "l2_means", "l2_stds", "r_means", "pearson_delta", "variance_ratio"),
    *("wasserstein_marginals", "knn_enrichment_50"),
)
N_INVERTED = 64
"""Treated cells that are taken back."""
SEPARATOR = "|"
"""Between the data, the solver and the quantity in the name of an array."""


@dataclasses.dataclass
class Numbers:
    """Arrays by data, solver and quantity, and what there is to say of them."""

    arrays: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    """Cells by dimensions or numbers of cells; of tables also the names of rows and of columns."""
    kinds: dict[str, str] = dataclasses.field(default_factory=dict)
    """Classes of the maps, by data and solver."""
    failures: dict[str, str] = dataclasses.field(default_factory=dict)
    """Errors, by data and solver."""

    def add(self, data: str, solver: str, quantity: str, values: Any) -> None:
        """Keep an array."""
        values = values.toarray() if sparse.issparse(values) else values
        self.arrays[SEPARATOR.join([data, solver, quantity])] = np.asarray(values)

    def add_table(self, data: str, solver: str, quantity: str, table: pd.DataFrame) -> None:
        """Keep the numbers of a table, with a row per name, in the order of the names."""
        table = table[~table.index.duplicated()].sort_index()
        self.add(data, solver, quantity, table.to_numpy(dtype=np.float64))
        self.add(data, solver, f"{quantity}{SEPARATOR}rows", table.index.to_numpy(dtype=str))
        self.add(data, solver, f"{quantity}{SEPARATOR}columns", table.columns.to_numpy(dtype=str))

    def quantities(self) -> list[str]:
        """Return the names of the arrays, without those of rows and columns."""
        return [name for name in self.arrays if name.count(SEPARATOR) == 2]

    def save(self, path: Path) -> None:
        """Write all to a file."""
        about = {"kinds": self.kinds, "failures": self.failures, "options": defaults(), "machine": _machine.describe()}
        np.savez_compressed(path, about=np.array(json.dumps(about)), **self.arrays)  # type: ignore[arg-type]

    @contextlib.contextmanager
    def part(self, data: str, solver: str) -> Iterator[None]:
        """Keep an error, so that the rest is still compared, and say how long it took."""
        start = time.perf_counter()
        try:
            yield
        except Exception as error:  # noqa: BLE001  whatever goes wrong with one solver, the others are looked at
            self.failures[f"{data}{SEPARATOR}{solver}"] = f"{type(error).__name__}: {error}"
        print(f"{data}: {solver}, {time.perf_counter() - start:.1f} s", file=sys.stderr, flush=True)


def run(argv: Sequence[str]) -> int:
    """Fit, and keep or compare what came of it."""
    parser = _output.parser("maps", __doc__)
    parser.add_argument("--save", type=Path, metavar="FILE", help="where the numbers are kept (.npz)")
    parser.add_argument("--against", type=Path, metavar="FILE", help="numbers that were kept, to compare with")
    parser.add_argument(
        "--data",
        type=Path,
        default=_problems._folder(),
        help="folder with kang_harmony_scgen.h5ad, if it is there",
    )
    given = parser.parse_args(argv)
    if given.save is None and given.against is None:
        parser.error("one of --save and --against is needed")
    arrays: dict[str, np.ndarray] = {}
    if given.against is not None:
        # first, so that a file that cannot be read does not cost a fit
        with np.load(given.against) as stored:
            arrays = dict(stored)
    numbers = take(given.data)
    notes = [
        f"cellot_sc of {Path(cs.__file__).parent}.",
        *(f"Failed: {k.replace(SEPARATOR, ', ')}: {v}" for k, v in numbers.failures.items()),
    ]
    tables = {"Fitted maps": _fitted(numbers)}
    different = False
    if given.save is not None:
        numbers.save(given.save)
        notes.append(f"{len(numbers.quantities())} quantities kept in {given.save}.")
    if given.against is not None:
        about = json.loads(str(arrays.pop("about")))
        before = Numbers(arrays, about["kinds"], about["failures"])
        table = compare(before, numbers)
        tables["Differences"] = table
        different = bool((table["holds"] == "no").any())
        notes += [_sentence(table), f"Compared with commit {about['machine']['commit']}.", *_changes(about, numbers)]
    _output.write("maps", given.out, tables, notes)
    return int(different or bool(numbers.failures))


def take(folder: Path) -> Numbers:
    """Return the numbers of all solvers and data sets."""
    numbers = Numbers()
    cs.settings.progress = False
    logging.getLogger("cellot_sc").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in (0, 1):
            adata = cs.datasets.simulate(600, 60, seed=seed)
            _perturbations(numbers, f"simulate {seed}", adata, "perturbation", n_components=10, seed=seed)
        jax.clear_caches()
        if (path := folder / "kang_harmony_scgen.h5ad").exists():
            _perturbations(numbers, "kang", _kang(path), "condition", n_components=20, seed=0)
            jax.clear_caches()
        _clouds(numbers)
        _times(numbers)
    return numbers


def defaults() -> dict[str, dict[str, str]]:
    """Return the options of every solver as text; those that were renamed, under the new name."""
    return {
        name: {field.name.replace("n_iters", "n_steps"): repr(field.default) for field in dataclasses.fields(config)}
        for name in SOLVERS
        if name in ot.SOLVERS and dataclasses.is_dataclass(config := ot.SOLVERS[name].config)
    }


def short(solver: str) -> dict[str, Any]:
    """Return the options of a short fit."""
    names = {field.name for field in dataclasses.fields(ot.SOLVERS[solver].config)}
    halved = HALVED.get(solver, {}) if "n_steps" in names else {}
    return {name: value for name, value in (SHORT | SHORTER.get(solver, {}) | halved).items() if name in names}


def _kang(path: Path) -> ad.AnnData:
    """Return blood cells, interferon beta: singlets, log1p, split, 500 variable genes of train cells."""
    adata = ad.read_h5ad(path)
    adata = adata[adata.obs["demuxlet"] == "SNG"].copy()
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    cs.pp.split(adata, "condition", control="control", seed=0)
    train = adata[(adata.obs["split"] == "train").to_numpy()].copy()
    sc.pp.highly_variable_genes(train, n_top_genes=500)
    return adata[:, train.var["highly_variable"].to_numpy()].copy()


def _perturbations(numbers: Numbers, data: str, adata: ad.AnnData, label: str, *, n_components: int, seed: int) -> None:
    """Take the numbers of a data set with cell types, patients and perturbations."""
    if "split" not in adata.obs:
        cs.pp.split(adata, label, control="control", seed=seed)
    cs.pp.represent(adata, n_components=n_components, seed=seed)
    numbers.add(data, "-", "latent, pca", adata.obsm["X_cellot"])
    adata.obs["survival"] = np.random.default_rng(seed).uniform(0.2, 1, adata.n_obs)
    control = (adata.obs[label] == "control").to_numpy()
    test = (adata.obs["split"] == "test").to_numpy()
    # most of the time goes to compiling: networks other than the default are fitted to one size of data only
    solvers = EXACT if data == "kang" else SOLVERS
    fits: dict[str, tuple[str, dict[str, Any]]] = {
        _title(name): (name, {} if name == DEFAULT else short(name)) for name in solvers if name in ot.SOLVERS
    }
    if seed == 0:
        changes = {"weights": "survival", "feature_weights": "cell_type", "context": "cell_type"}
        taken = inspect.signature(cs.tl.cellot).parameters
        changes = {option: value for option, value in changes.items() if option in taken}
        fits |= {f"gaussian, {option}": ("gaussian", {option: value}) for option, value in changes.items()}
        if data != "kang":
            # with its defaults, too: networks of a short fit lose to the start
            fits[f"{DEFAULT}, weighed and by type"] = (DEFAULT, changes)
    for title, (solver, options) in fits.items():
        with numbers.part(data, title):
            cs.tl.cellot(adata, label, "control", solver=solver, seed=seed, **options)
            maps = _maps(adata, "cellot")
            x, treated = adata.obsm["X_cellot"][control & test], adata.obsm["X_cellot"][~control & test]
            _add_maps(numbers, data, title, maps, x, treated)
            for target in maps:
                genes = cs.tl.predict(adata, target).X
                numbers.add(data, title, f"predicted genes, {target}", genes[test[control]])
            if title == "gaussian" or (title == _title(DEFAULT) and data == "simulate 0"):
                _judge(numbers, data, title, adata)
    if seed == 0:
        _autoencoders(numbers, data, adata)


def _title(solver: str) -> str:
    return f"{solver}, defaults" if solver == DEFAULT else solver


def _judge(numbers: Numbers, data: str, title: str, adata: ad.AnnData) -> None:
    """Keep the tables that are made of fitted maps."""
    baselines = ["mean_shift", "gaussian", "entropic", "popalign"] if title == "gaussian" else ["mean_shift"]
    table = cs.tl.evaluate(adata, metrics=METRICS, groupby="cell_type", baselines=baselines, n_boot=20)
    values = ["value", "ci_low", "ci_high"]
    wide = table.set_index(_names(table.drop(columns="metric"))).pivot(columns="metric", values=values)
    wide.columns = wide.columns.map(" of ".join)
    numbers.add_table(data, title, "evaluate", wide)
    table = cs.tl.evaluate(
        adata, metrics="energy_distance", space="genes", n_markers=20, baselines="mean_shift", n_boot=0
    )
    table = table[table["metric"] == "energy_distance"]
    numbers.add_table(data, title, "evaluate, 20 genes", table.set_index(_names(table))[["value"]])
    table = cs.tl.subpopulation_effects(adata, "cell_type")
    numbers.add_table(data, title, "subpopulation effects", table.set_index(_names(table)).select_dtypes("number"))


def _names(table: pd.DataFrame) -> pd.Series:
    """Return a name per row: what its columns of labels hold, but for those that are the same throughout."""
    labels = table.select_dtypes(exclude="number")
    varying = [column for column in labels if labels[column].nunique() > 1]
    return labels[varying].astype(str).agg(", ".join, axis=1)


def _autoencoders(numbers: Numbers, data: str, adata: ad.AnnData) -> None:
    """Keep the latent of both autoencoders, and what comes back of it."""
    for preset in ("small", "paper"):
        with numbers.part(data, f"autoencoder, {preset}"):
            options: dict[str, Any] = {"preset": preset, "hidden": (32,), "n_steps": 100}
            cs.pp.represent(adata, "autoencoder", n_components=8, seed=0, key_added="X_auto", **options)
            latent = adata.obsm["X_auto"]
            numbers.add(data, f"autoencoder, {preset}", "latent", latent)
            numbers.add(data, f"autoencoder, {preset}", "round trip", cs.pp.decode(adata, latent[:200], key="X_auto"))


def _clouds(numbers: Numbers) -> None:
    """Take the numbers of clouds without an AnnData: some in which only a network can tell what happened."""
    tasks = _problems.simulated(0, n_cells=700, n_dims=10)
    for solver in EXACT:
        with numbers.part("clouds", title := _title(solver)):
            fitted = ot.fit([task.problem for task in tasks], solver, seed=0)
            maps = {task.name: one.map for task, one in zip(tasks, fitted, strict=True)}
            _add_maps(numbers, "clouds", title, maps, tasks[0].source, tasks[0].target)


def _times(numbers: Numbers) -> None:
    """Take the numbers of a time course in which some cells divide more than others."""
    adata = cs.datasets.simulate_branching(600, 30, growth={"fate_a": 3}, seed=0)
    cs.pp.split(adata, "time", control="0", seed=0)
    cs.pp.represent(adata, n_components=10, seed=0)
    time_of, test = adata.obs["time"].to_numpy(), (adata.obs["split"] == "test").to_numpy()
    x, late = (adata.obsm["X_cellot"][test & (time_of == when)] for when in (0, 2))
    fits: dict[str, tuple[str, str | None]] = {
        **{f"{name}, growth": (name, "growth") for name in ("mean_shift", "gaussian", "icnn", "entropic")},
        "gaussian, unbalanced": ("gaussian", "unbalanced"),
    }
    for title, (solver, growth) in fits.items():
        with numbers.part("branching", title):
            cs.tl.trajectory(adata, "time", solver=solver, growth=growth, seed=0, **short(solver))
            _add_maps(numbers, "branching", title, _maps(adata, "trajectory"), x, late)
            numbers.add("branching", title, "interpolated, 0.5", cs.tl.interpolate(adata, 0.5).obsm["X_cellot"])
            numbers.add("branching", title, "interpolated back, 0.5", cs.tl.interpolate(adata, 0.5, source=2).X)
            for column in ("trajectory_growth", "trajectory_received"):
                if column in adata.obs:
                    numbers.add("branching", title, column, adata.obs.pop(column))


def _maps(adata: ad.AnnData, key: str) -> Mapping[str, ot.TransportMap]:
    """Return the fitted maps by target, by a public function where there is one."""
    if (public := getattr(cs.tl, "maps", None)) is not None:
        return public(adata, key=key)
    return importlib.import_module("cellot_sc.tl._store").load(adata, key).maps


def _add_maps(
    numbers: Numbers, data: str, title: str, maps: Mapping[str, ot.TransportMap], x: np.ndarray, treated: np.ndarray
) -> None:
    """Keep where held-out cells go, at what cost, and where treated ones come from."""
    numbers.kinds[f"{data}{SEPARATOR}{title}"] = ", ".join(_kind(one) for one in maps.values())
    for target, one in maps.items():
        numbers.add(data, title, f"transport, {target}", one.transport(x))
        numbers.add(data, title, f"cost, {target}", one.cost(x))
        with contextlib.suppress(NotImplementedError):
            numbers.add(data, title, f"inverse, {target}", one.inverse(treated[:N_INVERTED]))


def _fitted(numbers: Numbers) -> pd.DataFrame:
    """Return the kinds of maps as a table: where a network was fitted, and where the start was kept."""
    rows = [(*name.split(SEPARATOR), kinds) for name, kinds in numbers.kinds.items()]
    return pd.DataFrame(rows, columns=["data", "solver", "maps"])


def _kind(one: Any) -> str:
    """Return the class of a map, and of the maps that it is made of."""
    parts = [one.inner] if hasattr(one, "inner") else getattr(one, "steps", [])
    return type(one).__name__ + (f"({' '.join(map(_kind, parts))})" if parts else "")


def compare(before: Numbers, now: Numbers) -> pd.DataFrame:
    """Return a row per data set, solver and quantity: whether equal to the bit, else by how much not."""
    rows = []
    for name in dict.fromkeys([*before.quantities(), *now.quantities()]):
        data, solver, quantity = name.split(SEPARATOR)
        moved = quantity.startswith(("transport,", "cost,"))
        allowed = 0.0 if moved and solver.split(",")[0] in EXACT else ALLOWED
        row: dict[str, Any] = {"data": data, "solver": solver, "quantity": quantity, "equal": "-"}
        row |= {"difference": np.nan, "allowed": allowed, "holds": "-", "remark": ""}
        if name not in now.arrays or name not in before.arrays:
            row["remark"] = "only before" if name in before.arrays else "only now"
        else:
            a, b, row["remark"] = _aligned(name, before.arrays, now.arrays)
            equal = a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
            table = f"{name}{SEPARATOR}rows" in before.arrays
            difference = 0.0 if equal else _difference(a, b, by_column=table)
            holds = equal or 0 < allowed and difference <= allowed
            row |= {"equal": _word(equal), "difference": difference, "holds": _word(holds)}
        rows.append(row)
    return pd.DataFrame(rows)


def _aligned(
    name: str, before: Mapping[str, np.ndarray], now: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, str]:
    """Return two arrays, of tables the rows and columns that both have, and what one of them lacks."""
    a, b = before[name], now[name]
    if f"{name}{SEPARATOR}rows" not in before:
        return a, b, ""
    first, second = (
        pd.DataFrame(side[name], side[f"{name}{SEPARATOR}rows"], side[f"{name}{SEPARATOR}columns"])
        for side in (before, now)
    )
    remarks = []
    for what, one, other in (("rows", first.index, second.index), ("columns", first.columns, second.columns)):
        if lacking := [*one.difference(other), *other.difference(one)]:
            shown = ", ".join(map(str, lacking[:3]))
            remarks.append(f"{len(lacking)} {what} on one side only, such as {shown}")
    rows, columns = first.index.intersection(second.index), first.columns.intersection(second.columns)
    return first.loc[rows, columns].to_numpy(), second.loc[rows, columns].to_numpy(), "; ".join(remarks)


def _difference(a: np.ndarray, b: np.ndarray, *, by_column: bool) -> float:
    """Return the largest difference in units of the spread: of each column, or of all dimensions together."""
    if a.shape != b.shape or not np.array_equal(np.isnan(a), np.isnan(b)):
        return np.inf
    if a.size == 0:
        return 0.0
    a, b = (np.nan_to_num(values.astype(np.float64).reshape(len(values), -1)) for values in (a, b))
    largest, variance = np.abs(a - b).max(axis=0), a.var(axis=0)
    if not by_column:
        largest, variance = largest.max(keepdims=True), variance.mean(keepdims=True)
    # what does not vary is measured by its size
    spread = np.where(variance > 0, np.sqrt(variance), np.abs(a).max(initial=np.finfo(float).tiny))
    return float((largest / spread).max())


def _word(yes: bool) -> str:
    return "yes" if yes else "no"


def _sentence(table: pd.DataFrame) -> str:
    """Say how many quantities are equal."""
    both, broken = table[table["equal"] != "-"], table[table["holds"] == "no"]
    return (
        f"{len(both)} quantities compared, {(both['equal'] == 'yes').sum()} of them equal to the bit, {len(broken)} "
        f"differ by more than is allowed; {len(table) - len(both)} on one side only. Largest difference of what is not "
        f"equal to the bit: {_output.number(float(both['difference'].max()))} of the spread (standard deviation over "
        "cells, root mean square over dimensions; of tables, by column)."
    )


def _changes(about: Mapping[str, Any], now: Numbers) -> Iterator[str]:
    """Yield a sentence for every default and every kind of map that changed."""
    for solver, after in defaults().items():
        options = about["options"].get(solver, {})
        for name in sorted(options.keys() | after.keys()):
            old, new = options.get(name, "no option"), after.get(name, "no option")
            if old != new:
                yield f"Default of {solver}: {name} was {old}, is {new}."
    for name, kind in now.kinds.items():
        if about["kinds"].get(name, kind) != kind:
            yield f"Maps of {name.replace(SEPARATOR, ', ')} were {about['kinds'][name]}, are {kind}."
