"""The solver of the page on extending, as a distribution of its own that is not registered by hand."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import cellot_sc as cs
from cellot_sc import _report

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"
NAME, METRIC = "quantiles", "largest_shift"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the documentation is not installed")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder as an installer leaves it: a module, and the entry points of the page's pyproject.toml."""
    text, folder = PAGE.read_text(encoding="utf-8"), tmp_path_factory.mktemp("site")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    definitions = (block for block in blocks if "ot.Solver(" in block and "torch" not in block or "Metric(" in block)
    (folder / "quantile_maps.py").write_text("\n".join(definitions), encoding="utf-8")
    [points] = re.findall(r"^```toml\n.*?(\[project.entry-points.*?)```", text, flags=re.MULTILINE | re.DOTALL)
    points = re.sub(r'^\[project.entry-points."(.*)"\]$', r"[\1]", points, flags=re.MULTILINE).replace('"', "")
    info = folder / "quantile_maps-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: quantile-maps\nVersion: 0.1\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(points, encoding="utf-8")
    return folder


@pytest.fixture
def _installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for registry in (cs.ot.SOLVERS, cs.metrics.METRICS):
        monkeypatch.setattr(registry, "_records", dict(registry._records))
        monkeypatch.setattr(registry, "_used", {})
        monkeypatch.setattr(registry, "_loaded", False)
    monkeypatch.setattr(cs.ot.TransportMap, "_kinds", dict(cs.ot.TransportMap._kinds))
    monkeypatch.delitem(sys.modules, "quantile_maps", raising=False)
    monkeypatch.syspath_prepend(site)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cells") / "cells.h5ad"
    adata = cs.datasets.simulate(600, 50)
    cs.pp.split(adata)
    cs.pp.represent(adata, n_components=5)
    adata.write_h5ad(path)
    return path


@pytest.mark.usefixtures("_installed")
def test_it_is_fitted_judged_drawn_and_reported(cells: Path, tmp_path: Path) -> None:
    adata = cs.datasets.simulate(600, 50)
    cs.pp.split(adata)
    cs.pp.represent(adata, n_components=5)
    with pytest.raises(TypeError, match="solver 'quantiles' has no option 'width'. Valid: 'n_quantiles'"):
        cs.tl.cellot(adata, solver=NAME, width=3)
    cs.tl.cellot(adata, solver=NAME, n_quantiles=20)
    scores = cs.tl.evaluate(adata, metrics=["energy_distance", METRIC], n_boot=0)
    wide = scores[scores["metric"] == "energy_distance"].pivot(index="perturbation", columns="model", values="value")
    assert (wide[NAME] < wide["identity"]).any()
    cs.pl.evaluation(scores, show=False)
    assert cs.tl.transport_cost(adata)["cost"].notna().all()
    cs.tl.cellot(adata, solver="mean_shift", key_added="other")
    beside = cs.tl.evaluate(adata, key="other", metrics="energy_distance", baselines=NAME, n_boot=0)
    assert NAME in set(beside["model"])
    shifts = scores[(scores["metric"] == METRIC) & (scores["model"] != "observed")]
    assert shifts["value"].between(0, 10).all() and shifts["value"].nunique() > 4
    _report.compose(adata, n_boot=0, metrics=[METRIC]).write(tmp_path / "page.html", title="cells")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "largest distance of a mean" in text
    assert "solver quantiles: quantiles of every feature by itself, n_quantiles=20" in text


@pytest.mark.usefixtures("_installed")
def test_an_object_that_is_not_registered_is_reported_like_others(tmp_path: Path) -> None:
    adata = cs.datasets.simulate(600, 50)
    cs.pp.split(adata)
    cs.pp.represent(adata, n_components=5)
    unheard = dataclasses.replace(cs.ot.SOLVERS[NAME], name="unheard", label="")
    cs.tl.cellot(adata, solver=unheard)
    assert cs.tl.predict(adata, "drug_a").n_obs
    scores = cs.tl.evaluate(adata, metrics="energy_distance", baselines=[cs.ot.SOLVERS["mean_shift"]], n_boot=0)
    assert {"unheard", "identity", "mean_shift", "observed"} == set(scores["model"])
    _report.compose(adata, n_boot=0).write(tmp_path / "page.html", title="cells")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "(solver unheard: quantiles of every feature by itself; seed 0)" in text
    # what no effect looks like is fitted by the solver itself
    cs.tl.cellot(adata, solver=NAME, key_added="named")
    own, named = (cs.tl.transport_cost(adata, key=key)["null"] for key in ("cellot", "named"))
    pd.testing.assert_series_equal(own, named)


LINES = """
import contextlib, io, json, sys
from cellot_sc import cli

def ends(line):
    with contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            cli.main(line)
        except SystemExit as end:
            return end.code, err.getvalue()

print(json.dumps([ends(line) for line in json.loads(sys.argv[1])]))
"""
"""One process, which imports all once, for all lines."""


def test_the_shell_finds_it(site: Path, cells: Path, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}
    lines = [
        ["fit", str(cells), "fitted.h5ad", "--solver", "quantile"],
        ["fit", str(cells), "fitted.h5ad", "--solver", NAME, "--set", "n_quantiles=1"],
        ["fit", str(cells), "fitted.h5ad", "--solver", NAME, "--set", "n_quantiles=20"],
        ["evaluate", "fitted.h5ad", "scores.csv", "--n-boot", "0", "--metric", METRIC],
        ["report", "fitted.h5ad", "--metric", METRIC],
    ]
    done = subprocess.run(
        [sys.executable, "-c", LINES, json.dumps(lines)],
        capture_output=True, text=True, env=environment, cwd=tmp_path, check=True,
    )  # fmt: skip
    (unknown, refused, fitted, judged, reported) = json.loads(done.stdout.splitlines()[-1])
    assert unknown[0] != 0 and "Did you mean 'quantiles'?" in unknown[1]
    assert refused[0] != 0 and refused[1].strip().splitlines()[-1].endswith("n_quantiles is 1; 2 or more are needed.")
    assert "Traceback" not in refused[1]
    for status, err in (fitted, judged, reported):
        assert status == 0, err
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert NAME in set(scores["model"]) and METRIC in set(scores["metric"])
    assert "largest distance of a mean" in (tmp_path / "fitted.html").read_text(encoding="utf-8")
