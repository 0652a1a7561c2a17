from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.spatial import cKDTree

import cellot_sc as cs
from cellot_sc import _keys, _trees
from cellot_sc.tl._fit.held_cells import holds_cells
from cellot_sc.tl._fit.model import KIND, VERSION, in_adata
from cellot_sc.tl._fit.packed import unpacked
from cellot_sc.tl._judge.tabulation import COLUMNS, OF_UNITS

NEW = "patient_0"


@pytest.fixture(scope="module")
def adata() -> AnnData:
    """Cells of six patients, one of whom is held out."""
    found = cs.datasets.simulate(1200, 60, perturbations=["drug"], n_patients=6)
    cs.pp.split(found, holdout={"patient": NEW})
    cs.pp.represent(found, n_components=10)
    cs.tl.cellot(found, solver="group_gaussian", context=["cell_type", "patient"])
    cs.tl.cellot(found, solver="gaussian", key_added="pooled")
    return found


@pytest.fixture(scope="module")
def model(adata: AnnData) -> cs.Model:
    return cs.Model.of(adata)


@pytest.fixture(scope="module")
def new(adata: AnnData) -> AnnData:
    """The file of the patient who was held out, genes in another order."""
    cells = adata[adata.obs["patient"] == NEW]
    order = np.random.default_rng(0).permutation(adata.n_vars)
    obs = cells.obs.drop(columns="split")
    return AnnData(cells.to_df().to_numpy()[:, order], obs=obs, var=cells.var.iloc[order])


def controls(adata: AnnData) -> pd.Index:
    return adata.obs_names[(adata.obs["patient"] == NEW) & (adata.obs["perturbation"] == "control")]


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
def test_gives_what_predict_gives_where_it_was_fitted(
    adata: AnnData, model: cs.Model, new: AnnData, tmp_path: Path, suffix: str
):
    path = tmp_path / f"drug.cellot{suffix}"
    model.save(path)
    expected = cs.tl.predict(adata, "drug", cells=controls(adata), uncertainty=True)
    found = cs.tl.predict(new, "drug", model=cs.Model.load(path), uncertainty=True)
    assert found.var_names.tolist() == expected.var_names.tolist()
    for part in ("X", "obsm", "layers"):
        pairs = (
            [(found.X, expected.X)]
            if part == "X"
            else [
                (getattr(found, part)[name], getattr(expected, part)[name]) for name in getattr(expected, part) if name
            ]
        )
        for one, other in pairs:
            np.testing.assert_allclose(one, other, atol=1e-5)
    np.testing.assert_allclose(found.obs["cellot_support"], expected.obs["cellot_support"], atol=1e-6)


def test_is_read_in_a_process_without_the_data(adata: AnnData, model: cs.Model, new: AnnData, tmp_path: Path) -> None:
    model.save(tmp_path / "drug.cellot.zarr")
    new.write_h5ad(tmp_path / "new.h5ad")
    code = (
        "import anndata, cellot_sc as cs; new = anndata.read_h5ad('new.h5ad')\n"
        "cs.tl.predict(new, 'drug', model='drug.cellot.zarr').write_h5ad('predicted.h5ad')"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    found = anndata.read_h5ad(tmp_path / "predicted.h5ad")
    expected = cs.tl.predict(adata, "drug", cells=controls(adata))
    np.testing.assert_allclose(found.X, expected.X, atol=1e-5)


@pytest.fixture(scope="module")
def lonely(adata: AnnData) -> AnnData:
    """The cells with one treated train cell of a patient and 24 control cells, and with another the other way round."""
    keep = np.ones(adata.n_obs, dtype=bool)
    for patient, label, n in (
        ("patient_1", "drug", 1),
        ("patient_1", "control", 24),
        ("patient_2", "drug", 24),
        ("patient_2", "control", 1),
    ):
        of = (adata.obs["patient"] == patient) & (adata.obs["perturbation"] == label)
        keep[np.flatnonzero(of & adata.obs["split"].isin(["train", "valid"]))[n:]] = False
    return adata[keep].copy()


def combined(tree: Any, cells: np.ndarray) -> list[tuple[str, str, int]]:
    """Return which two vectors of a tree have a sum or a difference that is a cell, to single precision."""
    named = {vector.tobytes(): (path, vector) for path, vector in vectors(tree, cells.shape[1], "")}
    paths, rows = [path for path, _ in named.values()], np.array([row for _, row in named.values()])
    near = cKDTree(rows)
    found = []
    for i, cell in enumerate(cells.astype(np.float64)):
        for sign, wanted in (("+", cell - rows), ("-", cell + rows)):
            distance, other = near.query(wanted, distance_upper_bound=1e-5 * np.linalg.norm(cell))
            found += [(paths[k], sign + paths[other[k]], i) for k in np.flatnonzero(np.isfinite(distance))]
    return found


def vectors(tree: Any, n_dims: int, path: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the rows of all arrays of a tree that are of as many dimensions, those of packed maps too."""
    if isinstance(tree, Mapping):
        if {*tree} == {"numbers", "rest"}:
            tree = {str(i): one for i, one in enumerate(unpacked(tree, path=path))}
        for name, part in tree.items():
            if name not in ("matrix", "components"):
                yield from vectors(part, n_dims, f"{path}.{name}")
    elif isinstance(tree, np.ndarray) and tree.dtype.kind == "f" and tree.ndim and tree.shape[-1] == n_dims:
        yield from ((path, row) for row in tree.reshape(-1, n_dims).astype(np.float64))


@pytest.mark.parametrize(
    ("solver", "context"),
    [
        ("gaussian", None),
        ("group_shift", "patient"),
        ("group_gaussian", "patient"),
        ("group_gaussian", ["cell_type", "patient"]),
        ("entropic", None),
    ],
)
def test_file_holds_no_cell(lonely: AnnData, tmp_path: Path, solver: str, context: Any):
    fitted = lonely.copy()
    cs.tl.cellot(fitted, solver=solver, context=context)
    path = tmp_path / "drug.cellot.h5"
    cs.Model.of(fitted).save(path)
    seen = fitted[fitted.obs["split"].isin(["train", "valid"])]
    tree = _trees.read_tree(path, kind=KIND, versions=(VERSION,))
    latent = np.asarray(seen.obsm["X_cellot"])
    for cells in (latent, seen.to_df().to_numpy(np.float32)):
        assert holds_cells(tree, cells) is None
    names = set(seen.obs_names)
    assert not names & set(texts(tree))
    # and would be found
    assert holds_cells({"a": {"b": latent[5:7]}}, latent) == "a.b"
    at_risk = latent[seen.obs["patient"].isin(["patient_1", "patient_2"]).to_numpy()]
    assert combined(tree, at_risk) == []
    if solver == "group_shift":
        maps = cs.tl.maps(fitted)
        assert maps.support is not None
        whole = {"maps": maps["drug"].state(), "support": maps.support.state()}
        assert combined(whole, at_risk) != []


def texts(tree: Any) -> Iterator[str]:
    """Yield all texts of a tree."""
    if isinstance(tree, Mapping):
        for name, part in tree.items():
            yield str(name)
            yield from texts(part)
    elif isinstance(tree, str):
        yield tree
    elif isinstance(tree, list | tuple) or (isinstance(tree, np.ndarray) and tree.dtype == object):
        yield from (part for part in tree if isinstance(part, str))


def test_maps_that_hold_cells_are_fitted_again_to_means(adata: AnnData, new: AnnData):
    fitted = adata.copy()
    cs.tl.cellot(fitted, solver="entropic")
    made = cs.Model.of(fitted)
    assert "refitted  to means of at least 20 cells each" in repr(made)
    expected = cs.tl.predict(fitted, "drug", cells=controls(fitted)).obsm["X_cellot"]
    found = cs.tl.predict(new, "drug", model=made).obsm["X_cellot"]
    assert made.fitted.fit.options == {}
    treated = adata[(adata.obs["patient"] == NEW) & (adata.obs["perturbation"] == "drug")].obsm["X_cellot"]
    start = adata[controls(adata)].obsm["X_cellot"]
    of_start, of_found, of_expected = (cs.metrics.energy_distance(cells, treated) for cells in (start, found, expected))
    assert of_found < of_expected + 0.1 * of_start


def test_label(adata: AnnData):
    scores = cs.tl.evaluate(adata, key="pooled", split="ood", metrics="energy_distance", n_boot=0)
    label = repr(cs.Model.of(adata, "pooled", scores=scores))
    lines = dict(re.findall(r"^  (\w[\w ]{8}) (.*)$", label, flags=re.MULTILINE))
    assert label.splitlines()[0] == "Model of 'control' to 'drug'"
    found = {name.strip(): words for name, words in lines.items()}
    assert found["maps"] == "gaussian in 10 dimensions, pca of 60 genes (ln of normalised counts)"
    assert re.fullmatch(r"from \d+ 'control', \d+ 'drug' train cells; holds none of them", found["learnt"])
    assert found["judged"].startswith("energy_distance on ood cells: gaussian ")
    assert found["made by"].startswith(f"cellot_sc {cs.__version__}, jax")
    assert "10.1038/s41592-023-01969-x" in found["cite"]


def test_label_names_contexts(model: cs.Model):
    assert "contexts  cell_type: 4 ('type_0', 'type_1', 'type_2', 'type_3'); patient: 5 (" in repr(model)


def test_scores_and_history_are_kept(adata: AnnData, tmp_path: Path):
    scores = cs.tl.evaluate(adata, key="pooled", split="ood", metrics="energy_distance", n_boot=0)
    made = cs.Model.of(adata, "pooled", scores=scores)
    made.save(tmp_path / "a.cellot.zarr")
    read = cs.Model.load(str(tmp_path / "a.cellot.zarr"))
    assert read.scores is not None
    pd.testing.assert_frame_equal(read.scores, scores, check_dtype=False)
    pd.testing.assert_frame_equal(read.fitted.history, made.fitted.history)
    assert repr(read) == repr(made)


def test_an_anndata_or_a_path_of_either_is_taken_for_the_model(
    adata: AnnData, model: cs.Model, new: AnnData, tmp_path: Path
):
    expected = np.asarray(cs.tl.predict(new, "drug", model=model).X)
    adata.write_h5ad(tmp_path / "fitted.h5ad")
    model.save(tmp_path / "drug.cellot.zarr")
    for given in (adata, tmp_path / "fitted.h5ad", str(tmp_path / "drug.cellot.zarr")):
        np.testing.assert_allclose(cs.tl.predict(new, "drug", model=given).X, expected, atol=1e-5)
    with pytest.raises(TypeError, match="model is 3; a Model or an AnnData or text or a path"):
        cs.tl.predict(new, "drug", model=3)
    with pytest.raises(KeyError, match="holds no fitted maps"):
        cs.tl.predict(new, "drug", model=new)


def test_is_not_replaced_unless_that_is_said(model: cs.Model, tmp_path: Path):
    path = tmp_path / "drug.cellot.zarr"
    model.save(path)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        model.save(path)
    model.save(path, overwrite=True)
    with pytest.raises(ValueError, match=r"\.zarr.*\.h5"):
        model.save(tmp_path / "drug.pkl")
    assert cs.Model.load(path).n_cells == model.n_cells


def broken(state: dict[str, Any], *path: str, by: Any) -> dict[str, Any]:
    """Return a state with something else in one place, or without it."""
    out = dict(state)
    if len(path) > 1:
        out[path[0]] = broken(out[path[0]], *path[1:], by=by)
    elif by is None:
        del out[path[0]]
    else:
        out[path[0]] = by
    return out


@pytest.mark.parametrize(
    ("path", "by", "words"),
    [
        (("fit",), None, "fit is missing"),
        (("fit",), 3, ""),
        (("fit", "null"), None, "have been changed"),
        (("fit", "maps", "0"), {"kind": "affine"}, "matrix is missing"),
        (("fit", "maps", "0", "kind"), "shell", "'shell' is unknown"),
        (("fit", "maps"), {}, ""),
        (("fit", "targets"), ("drug", "drug"), "no two are alike"),
        (("fit", "digest"), "0", "changed since they were written"),
        (("fit", "format_version"), None, "format_version"),
        (("fit", "format_version"), 99, "format 99"),
        (("fit", "options"), "rm", "a dict is needed"),
        (("fit", "support", "centroids"), np.zeros((0, 3)), "support.centroids"),
        (("decoder",), "none", ""),
        (("decoder",), {"method": "pickle", "var_names": ["a"], "layer": "X"}, "'pickle' is unknown"),
        (("decoder", "components"), np.full((10, 60), np.nan), "NaN"),
        (("decoder", "components"), np.zeros((2, 3)), "shape"),
        (("decoder", "mean"), np.zeros(60), "not the one that its maps were fitted with"),
        (("decoder", "var_names"), ["a"] * 60, "no two are alike"),
        (("reference", "noise"), np.zeros(60), "positive"),
        (("reference", "genes"), ["a"], "reference"),
        (("history", "columns"), {}, "history.columns"),
        (("history", "names"), ["a"], "history"),
        (("scores",), {"names": ["a"], "columns": {"0": 3}}, "scores.columns.0"),
        (("scores",), {"names": ["a", "b"], "columns": {"0": np.zeros(2), "1": np.zeros(3)}}, "different lengths"),
        (("n_cells", "numbers"), [1.0], ""),
        (("n_cells", "numbers"), [-1.0, 2.0], "0 or more"),
        (("n_cells", "numbers"), [1e300, 2.0], "at most 2,147,483,647"),
        (("n_cells", "names"), ["a", "b"], "n_cells is of ['a', 'b']"),
        (("n_cells", "names"), ["a"], "n_cells has 1 names and 2 numbers"),
        (("scores",), {"names": ["a"], "columns": {"0": np.arange(3.0)}}, "scores has a column 'a'"),
        (("scores",), "scores of numbers", "scores.model is"),
        (("scores",), "scores of texts", "scores.seed is"),
        (("history",), {"names": ["foo"], "columns": {"0": np.arange(3.0)}}, "history has a column 'foo'"),
        (("fit", "support", "centroids"), np.zeros((3, 7)), "support.centroids is of 7 dimensions; the 10"),
        (("fit", "baselines", "0", "maps", "0"), {"kind": "unmoved", "n_dims": 3}, ""),
        (("fit", "use_rep"), "X", "use_rep is 'X', which is not decoded"),
        (("fit", "use_rep"), "", "names are needed"),
        (("fit", "feature_weights"), np.ones(3), "feature_weights is of 3 dimensions"),
        (("fit", "context"), np.array(["cell_type"], dtype=object), "has 2 levels of contexts; context has 1 columns"),
        (("fit", "control"), "drug", "'drug', which is a target, too"),
        (("fit", "control"), "\x1b[31mcontrol", "control characters"),
        (("fit", "solver"), "a\nb", "control characters"),
        (("fit", "versions"), {"cellot_sc": "0.1.0\n  judged    all well"}, "line breaks or control characters"),
        (("fit", "versions"), {"x\x9b": "0.1.0"}, "control characters"),
        (("fit", "versions"), {"x" * 1000: "0.1.0"}, "at most 80 letters"),
        (("fit", "split_key"), "perturbation", "no two are alike"),
        (("reference", "weight"), np.zeros(60), "sum to one"),
        (("reference", "genes"), [f"g{i}" for i in range(60)], "are needed, in this order"),
        (("reference", "layer"), "counts", "reference.layer is 'counts'"),
        (("reference",), None, "reference is missing"),
    ],
)
def test_fields_that_are_something_else_end_in_a_sentence(
    adata: AnnData, model: cs.Model, tmp_path: Path, path: tuple[str, ...], by: Any, words: str
):
    file = tmp_path / "bad.cellot.h5"
    if isinstance(by, str) and by.startswith("scores of"):
        by = table_of(np.arange(3.0) if by.endswith("numbers") else ["a", "b"])
    _trees.write_tree(broken(model.state(), *path, by=by), file, kind=KIND, version=VERSION)
    with pytest.raises(ValueError, match=r"bad\.cellot\.h5 cannot be read as a model: ") as error:
        cs.Model.load(file)
    assert words in str(error.value) and len(str(error.value).splitlines()) == 1


def table_of(values: Any) -> dict[str, Any]:
    names = [*_keys.SCORE_TEXTS, *_keys.SCORE_NUMBERS]
    return {"names": names, "columns": {str(i): values for i in range(len(names))}}


def test_columns_of_scores_are_those_of_evaluate():
    assert sorted(COLUMNS) == sorted([*_keys.SCORE_TEXTS, *_keys.SCORE_NUMBERS])
    assert OF_UNITS == _keys.SCORE_TESTS


def test_scores_that_are_no_table_of_evaluate_are_refused(adata: AnnData):
    scores = cs.tl.evaluate(adata, key="pooled", split="ood", metrics="energy_distance", n_boot=0)
    with pytest.raises(TypeError, match="scores is 'a'; a table of cs.tl.evaluate is needed"):
        cs.Model.of(adata, "pooled", scores=cast(Any, "a"))
    for given, words in (
        (adata.obs, "scores has a column 'perturbation_strength'|scores has a column"),
        (scores.assign(barcode="ACGT"), "scores has a column 'barcode'"),
        (scores.drop(columns="metric"), "scores has no column 'metric'"),
        (scores.assign(value="a"), "scores.value is .*; numbers are needed"),
        (scores.assign(value=np.inf), "scores.value is .*; numbers are needed"),
        (scores.assign(group="a\nb"), "scores.group is 'a\\\\nb', which has line breaks"),
        (scores.assign(perturbation="ACGT"), "scores has perturbation 'ACGT'; "),
        (scores.assign(split="mine"), "scores has split 'mine'; "),
    ):
        with pytest.raises(ValueError, match=words):
            cs.Model.of(adata, "pooled", scores=given)


def test_scores_of_maps_that_are_fitted_again_are_refused(adata: AnnData):
    fitted = adata.copy()
    cs.tl.cellot(fitted, solver="entropic")
    scores = cs.tl.evaluate(fitted, split="ood", metrics="energy_distance", n_boot=0)
    with pytest.raises(ValueError, match="are fitted to means of cells again.*: attach the model"):
        cs.Model.of(fitted, scores=scores)


def test_label_is_on_lines_of_its_own(adata: AnnData):
    found = in_adata(adata)
    fit = dataclasses.replace(found.fitted.fit, versions={"a": "1\n  judged    \x1b[31mwell"}, solver="else\nwhere")
    label = repr(dataclasses.replace(found, fitted=dataclasses.replace(found.fitted, fit=fit)))
    assert "\x1b" not in label and not re.search("^  judged", label, flags=re.MULTILINE)
    assert "maps      else\\nwhere (not installed here) in 10 dimensions" in label
    assert "a 1\\n  judged    \\x1b[31mwell" in label


def test_of_couplings_or_of_what_was_attached_there_is_none(model: cs.Model, new: AnnData):
    attached = new.copy()
    cs.tl.attach(attached, model)
    with pytest.raises(ValueError, match="was attached from a model"):
        cs.Model.of(attached)


def test_of_a_time_course(tmp_path: Path):
    course = cs.datasets.simulate_branching(600, 30)
    cs.pp.split(course, "time", control="0")
    cs.pp.represent(course, n_components=5)
    cs.tl.trajectory(course, solver="gaussian")
    made = cs.Model.of(course, "trajectory")
    made.save(tmp_path / "course.cellot.zarr")
    early = course[course.obs["time"] == course.obs["time"].min()].copy()
    target = cs.tl.maps(course, "trajectory").fit.targets[-1]
    expected = cs.tl.predict(course, target, key="trajectory", cells=early.obs_names)
    early.uns.clear()
    del early.obsm
    found = cs.tl.predict(early, target, model=tmp_path / "course.cellot.zarr")
    np.testing.assert_allclose(found.X, expected.X, atol=1e-5)
