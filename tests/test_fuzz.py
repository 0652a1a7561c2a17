"""Bad calls of everything public, made from the signatures: each ends in one documented error that is ours.

A call is one that works with a single argument replaced by a bad value, which the annotation of the parameter decides.
So a new function needs an entry in :func:`calls_that_work`, and a new parameter nothing. ``CELLOT_SC_FUZZ=20`` in the
environment draws 20 bad values for every parameter in place of two.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import itertools
import os
import re
import traceback
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

import cellot_sc as cs
from cellot_sc import _report

type Bounded = Callable[[], AbstractContextManager[None]]

SOURCE = str(Path(cs.__file__).parent)
N_VALUES = int(os.environ.get("CELLOT_SC_FUZZ", "2"))
RECORDS = {
    "Fold", "CellEvalFiles", "Fit", "FittedMaps", "MMDTest", "ObservedCells", "Autoencoder", "Solution", "History",
    "Mixture", "Progress", "TransportMap", "Resampling", "CellResampling", "MomentResampling", "NoResampling",
    "PairResampling", "Metric", "Solver", "Task", "AutoencoderConfig",
}  # fmt: skip
"""What functions return, and protocols: nothing that a user builds from data."""
MAPS = {name for name in cs.ot.__all__ if name.endswith("Map")}
"""What fits return: built from states by ``from_state``, of which tests/ot tries the bad ones."""
NOT_DRAWN = {
    ("tl.spatial_effects", "*"): "needs squidpy, which the tests do without",
    ("ot.register", "*"): "one parameter, drawn in tests/test_plugins.py",
    ("metrics.register", "*"): "one parameter, drawn in tests/test_plugins.py",
    ("report.compose", "extra"): "scores that the demonstration adds",
    ("ot.fit", "progress"): "a function of the caller's",
    ("ot.fit_autoencoder", "progress"): "a function of the caller's",
}
"""Functions and parameters that are left out, and why."""
FINE = {
    "pl.history.adata.no cells": "only what the fit kept is drawn",
    "pp.split.stratify_by.empty": "no strata",
    "tl.predict.cells.3": "one cell",
    "tl.predict_combination.cells.3": "one cell",
    "tl.predict_dose.cells.3": "one cell",
    "tl.predict_dose.dose.3": "a dose",
    "tl.predict_dose.dose.text": "a number as text",
    "tl.dose_curves.adata.no cells": "curves are kept apart from cells",
    "pl.dose_response.adata.no cells": "only what the fit kept is drawn",
    "tl.interpolate.cells.3": "one cell",
    "pp.Space.adata.no cells": "a space may have no cells",
    "pp.decode.adata.no cells": "the cells that are decoded are given",
    "pp.decode.latent.no cells": "none are decoded",
    "pp.represent.n_components.10**15": "at most as many as there are features",
    "report.compose.metrics.empty": "the usual ones only",
    "report.report.metrics.empty": "the usual ones only",
    "tl.evaluate.baselines.empty": "identity and observed are always there",
    "tl.clonal_agreement.baselines.empty": "the fitted maps only",
    "tl.maps.adata.no cells": "maps are kept apart from cells",
    "tl.transfer.split_key.absent": "a split is made",
    "tl.transfer.split_key.empty": "a split is made",
    "datasets.simulate.combinations.empty": "no combinations",
    "datasets.simulate.interaction.-1": "what is added may be negative",
    "datasets.simulate.patient_slope.-1": "a slope may be negative",
    "ot.fit_autoencoder.center.-1": "a centre may be negative",
    "ot.fit_autoencoder.floor.-1": "a least value may be negative",
    "pp.decode.latent.huge": "what is decoded is cut off at the highest value that was observed",
    "ot.fit.problems.empty": "no problem, no solution",
}
"""Values that would be bad elsewhere and are right there, and why."""
ABSENT = "no_such_thing"


def public() -> dict[str, Callable[..., Any]]:
    """Return everything public that is called, by its name."""
    spaces = [space for space in cs.__all__ if space not in {"Model", "report", "settings"}]
    found = {f"{space}.{name}": getattr(getattr(cs, space), name) for space in spaces
             for name in getattr(cs, space).__all__}  # fmt: skip
    called = {name: one for name, one in found.items() if inspect.isfunction(one) or inspect.isclass(one)}
    kept = {name: one for name, one in called.items() if name.split(".")[1] not in RECORDS | MAPS}
    return {**kept, "report.compose": _report.compose, "report.report": cs.report}


PUBLIC = public()
NAMES = [name for name in PUBLIC if (name, "*") not in NOT_DRAWN]


class Material:
    """Cells with all that functions read, and tables as they make them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "a_file.txt"
        self.file.write_text("no cells")
        rng = np.random.default_rng(0)
        cells = cs.datasets.simulate(360, 20)
        cs.pp.split(cells)
        cs.pp.represent(cells, n_components=4)
        cs.tl.cellot(cells, solver="gaussian")
        cells.obsm["spatial"], cells.obsm["X_umap"] = rng.normal(size=(2, cells.n_obs, 2))
        cells.obs["effect_cluster"] = cells.obs["cell_type"].where(cells.obs["perturbation"] == "control")
        steps = [
            (name, step, 0.1, "validation", 2.0 - step / 100) for name in ("drug_a", "drug_b") for step in (0, 100)
        ]
        cells.uns["cellot"]["history"] = pd.DataFrame(
            steps, columns=["perturbation", "step", "seconds", "metric", "value"]
        )
        course = cs.datasets.simulate_branching(300, 20)
        cs.pp.split(course, "time", control="0")
        cs.pp.represent(course, n_components=4)
        cs.tl.trajectory(course, solver="gaussian")
        cs.tl.fate(course)
        course.obs["population"] = rng.choice(["a", "b"], course.n_obs)
        self.cells, self.course, self.predicted = cells, course, cs.tl.predict(cells, "drug_a")
        self.model = cs.Model.of(cells)
        self.latent = np.asarray(cells.obsm["X_cellot"][:5])
        self.x, self.y, self.control = rng.normal(size=(3, 12, 4))
        self.scores = cs.tl.evaluate(cells, metrics="energy_distance", n_boot=3)
        self.costs = cs.tl.transport_cost(cells, groupby="cell_type", n_boot=3)
        self.effects = cs.tl.subpopulation_effects(cells, "cell_type")
        self.signature = cs.tl.signature(cells)
        self.similarity = cs.tl.perturbation_similarity(cells)
        self.doses = cs.datasets.simulate_doses(30, 4, doses=(1, 10, 100), n_replicates=2)
        cs.pp.split(self.doses)
        cs.tl.dose_response(self.doses, replicate="replicate", solver="mean_shift", use_rep="X")
        self.both = cs.datasets.simulate(480, 12, perturbations=("a", "b", "c"), combinations=[("a", "b"), ("c", "a")])
        cs.pp.split(self.both)
        cs.tl.cellot(self.both, targets=["a", "b", "c"], solver="mean_shift", use_rep="X")
        self.agreement = cs.tl.clonal_agreement(course, baselines=["prior"], n_boot=3)

    def state(self) -> str:
        """Return a digest of everything, to the bit."""
        return digest({name: value for name, value in vars(self).items() if name not in ("folder", "file")})


def digest(value: Any) -> str:
    """Return a text that differs wherever a bit of cells, tables or arrays does."""
    total = hashlib.blake2b(digest_size=16)

    def add(one: Any) -> None:
        if isinstance(one, AnnData):
            for part in ("X", "obs", "var", "obsm", "varm", "obsp", "layers", "uns"):
                total.update(part.encode())
                add(getattr(one, part))
        elif isinstance(one, Mapping):
            for key, inner in one.items():
                total.update(repr(key).encode())
                add(inner)
        elif isinstance(one, pd.DataFrame):
            total.update(repr([*one.columns, *one.dtypes, one.index.dtype]).encode())
            for column in (one.index, *(one[name] for name in one.columns)):
                add(np.asarray(column))
        elif sparse.issparse(one):
            add({"shape": one.shape, "data": one.tocoo().data, "row": one.tocoo().row, "col": one.tocoo().col})
        elif isinstance(one, np.ndarray) and one.dtype != object:
            total.update(f"{one.dtype}{one.shape}".encode() + np.ascontiguousarray(one).tobytes())
        else:
            total.update(repr(one.tolist() if isinstance(one, np.ndarray) else one).encode())

    add(value)
    return total.hexdigest()


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return Material(tmp_path_factory.mktemp("fuzz"))


def calls_that_work(m: Material) -> dict[str, dict[str, Any]]:
    """Return arguments with which every public function works, and soon."""
    cells, course, few = {"adata": m.cells}, {"adata": m.course}, {"n_boot": 3}
    doses, both = {"adata": m.doses}, {"adata": m.both}
    clouds = {"x": m.x, "y": m.y}
    three = clouds | {"control": m.control}
    hidden = {"show": False, "save": m.folder / "figure.png"}
    problem = cs.ot.Problem(m.x.astype(np.float32), m.y.astype(np.float32))
    tiny = cs.ot.AutoencoderConfig(n_latent=2, hidden=(4,), linear=False, n_steps=2, check_every=1)
    calls: dict[str, dict[str, Any]] = {
        "pp.Space": cells | {"name": "X_cellot"},
        "pp.decode": cells | {"latent": m.latent},
        "pp.leave_one_group_out": cells | {"groupby": "patient"},
        "pp.represent": cells | {"n_components": 3, "key_added": "new", "copy": True},
        "pp.split": cells | {"key_added": "new", "copy": True},
        "pp.to_counts": {"adata": m.predicted, "observed": m.cells, "copy": True},
        "tl.abundance_shift": cells | few | {"groupby": "cell_type"},
        "tl.attach": cells | {"model": m.model, "copy": True},
        "tl.cellot": cells | {"solver": "mean_shift", "key_added": "new", "copy": True},
        "tl.clonal_agreement": course | few | {"baselines": ["prior"]},
        "tl.combine": cells | {"predicted": m.predicted, "umap": False},
        "tl.dose_curves": doses,
        "tl.dose_response": doses | {"solver": "mean_shift", "use_rep": "X", "key_added": "new", "copy": True},
        "tl.effect_clusters": cells | {"key_added": "new", "copy": True},
        "tl.evaluate": cells | few | {"metrics": "r_means", "baselines": "mean_shift"},
        "tl.export_cell_eval": cells | {"folder": m.folder / "cell-eval", "preset": "vcc2026"},
        "tl.fate": course | {"key_added": "new", "copy": True},
        "tl.from_moscot": {"problem": object(), "adata": m.course},
        "tl.interpolate": course | {"t": 0.5},
        "tl.interactions": both,
        "tl.judge_combinations": both | few,
        "tl.judge_doses": doses,
        "tl.judge_times": course | few,
        "tl.maps": cells,
        "tl.mmd": cells | few,
        "tl.perturbation_similarity": cells,
        "tl.predict": cells,
        "tl.predict_combination": both | {"pair": ["a", "b"]},
        "tl.predict_dose": doses | {"dose": 2.0},
        "tl.responders": cells | {"features": "gene_00"},
        "tl.signature": cells,
        "tl.subpopulation_effects": cells | {"groupby": "cell_type"},
        "tl.summarize_scores": {"table": m.scores, **few},
        "tl.trajectory": course | {"solver": "mean_shift", "key_added": "new", "copy": True},
        "tl.transfer": course | few | {"population_key": "population", "solver": "mean_shift", "metrics": "r_means"},
        "tl.transport_cost": cells | few,
        "pl.clonal_agreement": {"table": m.agreement},
        "pl.composition": cells,
        "pl.displacement": cells | {"basis": "pca"},
        "pl.dose_response": doses,
        "pl.effect_clusters": cells | {"basis": "pca"},
        "pl.effect_heatmap": {"table": m.effects},
        "pl.embedding": cells | {"basis": "pca"},
        "pl.evaluation": {"table": m.scores},
        "pl.fate": course,
        "pl.history": cells,
        "pl.marginals": cells,
        "pl.perturbation_similarity": {"table": m.similarity},
        "pl.responses": {"table": m.signature},
        "pl.scorecard": {"table": m.scores},
        "pl.spatial_effects": cells,
        "pl.subpopulation_effects": {"table": m.effects},
        "pl.trajectory": course | {"n_paths": 5},
        "pl.transport_cost": {"table": m.costs},
        "pl.volcano": {"table": m.effects},
        "metrics.check_metric": {"metric": "r_means"},
        "metrics.deg_scores": {"y": m.y, "control": m.control},
        "metrics.discrimination_score": {"predicted": m.x, "observed": m.y},
        "metrics.knn_enrichment": clouds | {"k": 3},
        "metrics.mmd_test": clouds | {"n_permutations": 10},
        "ot.Problem": {"source": m.x, "target": m.y, "source_contexts": [0, 1] * 6, "target_contexts": [0, 0, 1] * 4},
        "ot.check_solver": {"solver": "mean_shift"},
        "ot.fit": {"problems": [problem], "solver": "mean_shift"},
        "ot.fit_autoencoder": {"x": m.x.astype(np.float32), "config": tiny},
        "datasets.cellot_archive": {"path": m.folder},
        "datasets.simulate": {"n_cells": 60, "n_genes": 10},
        "datasets.simulate_branching": {"n_cells": 60, "n_genes": 10},
        "datasets.simulate_doses": {"n_cells": 10, "n_features": 3},
        "report.compose": cells | few,
        "report.report": cells | few | {"path": m.folder / "page.html"},
    }
    for name, function in PUBLIC.items():
        if name.startswith("pl."):
            calls[name] = calls[name] | hidden
        if name.startswith("metrics.") and name not in calls:
            calls[name] = three if "control" in inspect.signature(function).parameters else clouds
        calls.setdefault(name, {})
    return calls


NO_RUN = {
    "tl.from_moscot": "needs a solved problem",
    **dict.fromkeys(("report.compose", "report.report"), "is run by tests/_report"),
    **{name: "downloads" for name in NAMES if name.startswith("datasets.") and "simulate" not in name},
}


@pytest.mark.parametrize("name", [name for name in NAMES if name not in NO_RUN])
def test_the_calls_that_are_spoilt_work(name: str, material: Material) -> None:
    before = material.state()
    consumed(PUBLIC[name](**calls_that_work(material)[name]))
    assert material.state() == before


def consumed(result: Any) -> Any:
    """Return what a function returns; of a generator, the first."""
    return next(result) if inspect.isgenerator(result) else result


NUMBERS = {"nan": np.nan, "inf": np.inf, "-1": -1, "True": True, "text": "3", "2j": 2j, "[1]": [1], "-1e300": -1e300,
           "array": np.array([1, 2]), "NaT": pd.NaT, "NA": pd.NA, "bytes": b"1"}  # fmt: skip
WHOLE = NUMBERS | {"1.5": 1.5, "1e300": 1e300, "np.float64": np.float64(2.5)}
TEXT = {"3": 3, "bytes": b"control", "nan": np.nan, "list": ["split"], "dict": {"split": 1}, "True": True, "NA": pd.NA,
        "array": np.array(["a", "b"]), "tuple": ("a", "b")}  # fmt: skip
NEW = {"slash": "a/b", "empty": ""}
SEVERAL = {"absent": [ABSENT], "empty": [], "3": 3, "[3]": [3], "[None]": [None], "nan": np.nan, "[[]]": [["a"]],
           "True": True, "bytes": b"drug_a", "2-d": np.array([["a", "b"]]), "NA": pd.NA}  # fmt: skip
ZERO_IS_FINE = {
    "seed", "n_boot", "n_labels", "tau", "n_patients",
}  # fmt: skip
MANY_ARE_FINE = {"k", "n_neighbors", "n_features", "n_labels", "n_paths", "n_markers"}
"""Numbers of which more than there are means all, as their docstrings say."""


def clouds_that_are_bad() -> dict[str, Any]:
    x = np.random.default_rng(1).normal(size=(12, 4))
    hole = x.copy()
    hole[3, 2] = np.nan
    return {
        "1-d": x[0], "3-d": x[None], "0-d": np.float64(3), "text": x.astype(str), "word": "cells", "no cells": x[:0],
        "no features": x[:, :0], "NaN": hole, "inf": np.where(np.isnan(hole), np.inf, x), "complex": x + 1j,
        "objects": np.array([[object()] * 4] * 5), "other features": x[:, :3], "ragged": [[1.0, 2], [1.0]],
        "huge": x * 1e30,
        "times": x.astype("datetime64[s]"), "masked": np.ma.masked_greater(x, 1), "3": 3, "dict": {"a": x},
        "sparse 1-d": sparse.coo_array(x[0]), "set": {1, 2}, "table of text": pd.DataFrame({"a": ["b", "c"]}),
        "adata": AnnData(x.astype(np.float32)),
    }  # fmt: skip


def cells_that_are_bad(good: AnnData) -> dict[str, Any]:
    """Return what is no AnnData, or one that has nothing to work on."""
    bare = AnnData(np.ones((5, 3), np.float32))
    return {"3": 3, "text": "cells.h5ad", "table": good.obs, "array": np.ones((5, 3)), "dict": {"X": good.X},
            "list": [good], "class": AnnData, "bare": bare, "no cells": good[:0].copy(),
            "path": Path("cells.h5ad"), "mudata": types.SimpleNamespace(mod={"rna": good}, obs=good.obs)}  # fmt: skip


def tables_that_are_bad(good: pd.DataFrame) -> dict[str, Any]:
    return {"3": 3, "text": "table.csv", "dict": good.to_dict(), "array": good.to_numpy(), "no rows": good.iloc[:0],
            "other": pd.DataFrame({"a": [1.0]}), "no columns": good[[]], "column": good.iloc[:, 0],
            "first column lost": good.iloc[:, 1:], "list": [good]}  # fmt: skip


def bad_values(name: str, parameter: inspect.Parameter, good: Any, m: Material) -> dict[str, Any]:
    """Return values that a parameter cannot have, by their names, told from its annotation, name and default."""
    annotation = str(parameter.annotation)
    kinds = {kind.split("[")[0] for kind in re.sub(r"\[.*?\]+", "[]", annotation).split(" | ")}
    of = annotation.replace(" ", "")
    several = bool(kinds & {"Sequence", "tuple"})
    pool: dict[str, Any] = {"object": object()}
    if "None" not in kinds and parameter.default is not None:
        pool["None"] = None
    if "AnnData" in kinds:
        return pool | cells_that_are_bad(good if isinstance(good, AnnData) else m.cells)
    if "pd.DataFrame" in kinds:
        return pool | (tables_that_are_bad(good) if isinstance(good, pd.DataFrame) else {"3": 3, "text": "table.csv"})
    if "CellNames" in kinds:
        n = m.cells.n_obs
        return pool | {"short mask": [True, False], "none of a mask": np.zeros(n, bool), "empty": [], "1.5": [1.5],
                       "absent": [ABSENT], "word": ABSENT, "far": [10**6], "-far": [-(10**6)], "nan": [np.nan],
                       "3": 3, "2-d": np.zeros((2, 2), int), "[None]": [None], "times": np.array(["2020"], "M8[Y]"),
                       "series": pd.Series([True, False], index=["x", "y"]), "dict": {"a": 1}}  # fmt: skip
    if "Axes" in kinds or "Sequence[Axes]" in of:
        return pool | {"3": 3, "text": "ax", "empty": [], "[3]": [3], "dict": {"a": 1}, "True": True}
    if "Path" in kinds:
        return pool | {"3": 3, "nan": np.nan, "list": ["a"], "bytes": b"a.png", "inside a file": m.file / "figure.png",
                       **({"suffix": "a.nosuchformat", "no folder": m.folder / "no" / "f.png"}
                          if parameter.name == "save" else {"a file": m.file})}  # fmt: skip
    if kinds & {"ArrayLike", "np.ndarray"}:
        bad = clouds_that_are_bad()
        if (
            parameter.name in ("gamma", "gammas", "weights", "feature_weights", "center")
            or "contexts" in parameter.name
        ):
            bad = {"text": "nonsense", "NaN": [np.nan] * 4, "3-d": np.ones((1, 1, 4)), "-1": [-1.0] * 4, "empty": [],
                   "complex": [1j] * 4, "words": ["a"] * 4, "dict": {"a": 1}, "ragged": [[1], [1, 2]]}  # fmt: skip
        if "valid" in parameter.name:
            bad.pop("no cells", None)
        return pool | bad
    if parameter.name == "palette":
        # colours of what is not drawn are fine
        return pool | {"3": 3, "list": ["a"], "empty": [], "no colour map": ABSENT, "set": {"a"}, "True": True}
    if "Mapping" in kinds:
        pool |= {"3": 3, "list": ["a"], "absent": {ABSENT: "x"}, "set": {"a"}, "{3: 4}": {3: 4}, "True": True}
        return pool if "str" in kinds or "None" in kinds else pool | {"text": "nonsense"}
    if "Any" in kinds:
        return pool | {"absent": ABSENT, "nan": np.nan, "dict": {}, "1e300": 1e300, "-1e300": -1e300,
                       "list": [1, 2], "2j": 2j, "bytes": b"0", "array": np.zeros((3, 2, 2)), "NA": pd.NA}  # fmt: skip
    if "int" in kinds:
        pool |= WHOLE
        if parameter.name == "seed":
            pool["2**64"] = 2**64
        elif parameter.name not in MANY_ARE_FINE:
            pool["10**15"] = 10**15
        if parameter.name not in ZERO_IS_FINE:
            pool["0"] = 0
    if "float" in kinds:
        pool |= NUMBERS
    if several and kinds & {"int", "float"}:
        del pool["[1]"], pool["array"]
        pool |= {"[-1]": [-1], "empty": [], "[nan]": [np.nan], "[text]": ["a"], "[[1]]": [[1]], "[True]": [True]}
    if "bool" in kinds:
        pool |= {"text": "yes", "2": 2, "1.5": 1.5, "nan": np.nan, "list": [], "NA": pd.NA, "array": np.ones(2)}
    if kinds & {"str", "Literal"}:
        pool |= TEXT | (NEW if parameter.name == "key_added" else {"absent": ABSENT, "empty": ""})
    if several and not kinds & {"int", "float"}:
        pool = {label: value for label, value in pool.items() if label not in TEXT} | SEVERAL
        if parameter.name in ("fates", "perturbations") and name.startswith("datasets"):
            pool = {label: value for label, value in pool.items() if "absent" not in label} | {"slash": ["a/b"]}
    if len(pool) < 3:
        pool |= {"3": 3, "text": ABSENT, "list": [3], "nan": np.nan}
    return pool


def bad_calls(name: str, m: Material) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield calls of a function of which one argument is bad, and how they are called."""
    good = calls_that_work(m)[name]
    yield "unknown keyword", good | {"no_such_option": 1}
    for parameter in inspect.signature(PUBLIC[name]).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD or (name, parameter.name) in NOT_DRAWN:
            continue
        pool = bad_values(name, parameter, good.get(parameter.name, parameter.default), m)
        labels = [label for label in pool if f"{name}.{parameter.name}.{label}" not in FINE]
        # a stream of its own for every parameter: a new one changes none of the others
        seed = int.from_bytes(hashlib.blake2b(f"{name}.{parameter.name}".encode(), digest_size=8).digest())
        drawn = np.random.default_rng(seed).permutation(len(labels))[:N_VALUES]
        for label in (labels[i] for i in drawn):
            yield f"{parameter.name}={label}", good | {parameter.name: pool[label]}


def documented(function: Callable[..., Any]) -> set[str]:
    """Return the names of the errors in the section Raises; a TypeError stands for what is no AnnData everywhere."""
    text = inspect.getdoc(function) or ""
    section = re.search(r"^Raises\n-+\n(.*?)(?=^\S[^\n]*\n-{3,}$|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    return {"TypeError", *re.findall(r"^(\w+)$", section[1] if section else "", flags=re.MULTILINE)}


@functools.cache
def raising_lines(file: str) -> set[int]:
    """Return the numbers of the lines of all ``raise`` statements of a file."""
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    raises = [node for node in ast.walk(tree) if isinstance(node, ast.Raise)]
    return {line for node in raises for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}


def is_ours(error: BaseException) -> bool:
    """Return whether an error was raised by a statement of the package, or tells of arguments that no function has."""
    if isinstance(error, TypeError) and re.search("unexpected keyword argument|required .* argument", str(error)):
        return True
    last = traceback.extract_tb(error.__traceback__)[-1]
    return last.filename.startswith(SOURCE) and last.lineno in raising_lines(last.filename)


def fault(function: Callable[..., Any], arguments: dict[str, Any], bounded: Bounded) -> str | None:
    """Return what is wrong with the way in which a bad call ends."""
    try:
        with bounded():
            result = consumed(function(**arguments))
    except BaseException as error:  # noqa: BLE001
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:110]}"
        if not is_ours(error):
            frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(SOURCE)]
            where = f"{frames[-1].filename.removeprefix(SOURCE)}:{frames[-1].lineno}" if frames else "Python"
            return f"not by us, below {where}: {said}"
        if not {kind.__name__ for kind in type(error).__mro__} & documented(function):
            return f"not documented: {said}"
        return None
    return f"passes and returns {type(result).__name__}"


@pytest.mark.parametrize("name", NAMES)
def test_bad_calls_end_in_a_documented_error(name: str, material: Material, bounded: Bounded, recwarn: Any) -> None:
    before = material.state()
    faults = {}
    for called, arguments in bad_calls(name, material):
        if (wrong := fault(PUBLIC[name], arguments, bounded)) is not None:
            faults[called] = wrong
        if material.state() != before:
            faults[called] = f"{faults.get(called, '')}; the input is changed"
            break
    assert not faults, "\n" + "\n".join(f"{name}({called}): {wrong}" for called, wrong in faults.items())


OF_OPTIONS = {"object": object(), "nan": np.nan, "-1": -1, "2j": 2j, "dict": {}, "bytes": b"1", "NA": pd.NA}


@pytest.mark.parametrize("solver", list(cs.ot.SOLVERS))
def test_bad_options_of_solvers_are_refused(solver: str, material: Material, bounded: Bounded) -> None:
    before, faults = material.state(), {}
    for option in [*cs.ot.SOLVERS[solver].options(), "no_such_option"]:
        rng = np.random.default_rng(len(solver) + len(option))
        for label in rng.choice(list(OF_OPTIONS), min(N_VALUES, len(OF_OPTIONS)), replace=False):
            arguments = calls_that_work(material)["tl.cellot"] | {"solver": solver, option: OF_OPTIONS[label]}
            if (wrong := fault(cs.tl.cellot, arguments, bounded)) is not None:
                faults[f"{option}={label}"] = wrong
    assert material.state() == before
    assert not faults, "\n" + "\n".join(f"{solver}({called}): {wrong}" for called, wrong in faults.items())


@pytest.mark.parametrize("name", list(type(cs.settings).model_fields))
def test_bad_settings_are_refused(name: str) -> None:
    before = getattr(cs.settings, name)
    refused = [object(), [], 2j, np.nan, b"\xff"]
    refused += [] if name.endswith("_dir") else ["", ABSENT, -1]
    # nothing is kept there
    refused += [] if name == "compilation_cache_dir" else [None]
    for bad in refused:
        with pytest.raises((TypeError, ValueError)):
            setattr(cs.settings, name, bad)
        assert getattr(cs.settings, name) == before


def test_every_parameter_of_everything_public_is_drawn(material: Material) -> None:
    n_calls = 0
    for name in NAMES:
        calls = list(bad_calls(name, material))
        drawn = {called.partition("=")[0] for called, _ in calls}
        named = {p.name for p in inspect.signature(PUBLIC[name]).parameters.values() if p.kind is not p.VAR_KEYWORD}
        assert named - drawn <= {parameter for of, parameter in NOT_DRAWN if of == name}, name
        n_calls += len(calls)
    assert n_calls >= 300
    everything = {f"{name}.{p}" for name in PUBLIC for p in ("*", *inspect.signature(PUBLIC[name]).parameters)}
    assert {f"{name}.{parameter}" for name, parameter in NOT_DRAWN} <= everything
    every_name = set(
        itertools.chain.from_iterable(
            getattr(cs, s).__all__ for s in cs.__all__ if s not in {"Model", "report", "settings"}
        )
    )
    assert RECORDS | MAPS <= every_name
