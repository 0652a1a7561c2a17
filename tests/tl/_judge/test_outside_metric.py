"""A metric from outside is judged by, drawn and reported like ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc._report import _methods, _scores
from cellot_sc._report._units import Answering
from cellot_sc.tl._fit import store
from cellot_sc.tl._judge.scores import described

MODULE = """
from cellot_sc.metrics import Metric

def distance(x, y):
    return abs(x.mean(axis=0) - y.mean(axis=0)).max()

LARGEST = Metric("largest_shift", distance, "largest distance of a mean", meaning="Of the feature that is off most.")
"""


@pytest.fixture(scope="module")
def fitted() -> AnnData:
    adata = cs.datasets.simulate(900, 50)
    cs.pp.split(adata)
    cs.pp.represent(adata, n_components=5)
    cs.tl.cellot(adata, solver="gaussian")
    return adata


@pytest.fixture(scope="module")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a small distribution with a metric is installed."""
    folder = tmp_path_factory.mktemp("installed")
    info = folder / "other_metrics-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-metrics\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[cellot_sc.metrics]\nlargest = other_metrics:LARGEST\n", encoding="utf-8")
    (folder / "other_metrics.py").write_text(MODULE, encoding="utf-8")
    return folder


def agreement(x: np.ndarray, y: np.ndarray, control: np.ndarray) -> float:
    """Share of features whose mean changes by about as much as it should."""
    return float((abs(x.mean(0) - y.mean(0)) < 0.5 * abs(y.mean(0) - control.mean(0))).mean())


AGREEMENT = cs.metrics.Metric(
    "agreement",
    agreement,
    "share of features that agree",
    meaning="Share of features of which more than half of the change is predicted.",
    cites=("Somebody et al., 2030",),
    best=1.0,
    bounds=(0.0, 1.0),
    with_control=True,
)


def test_it_keeps_to_the_contract() -> None:
    cs.metrics.check_metric(AGREEMENT)


def test_an_object_is_judged_by_drawn_and_reported(fitted: AnnData) -> None:
    scores = cs.tl.evaluate(fitted, metrics=[AGREEMENT, "energy_distance"], groupby="cell_type", n_boot=20)
    assert "agreement" not in list(cs.metrics.METRICS)
    rows = scores[scores["metric"] == "agreement"]
    assert set(rows["group"]) >= {"all", "mean", "worst"}
    value = rows[rows["group"] == "all"].groupby("model")["value"].mean()
    assert value["identity"] == 0 < value["gaussian"] <= 1 and 0 < value["observed"] <= 1
    assert (rows["ci_low"] <= rows["value"] + 1e-12).all() and (rows["value"] <= rows["ci_high"] + 1e-12).all()
    of_groups = rows.groupby(["model", "perturbation", "group"])["value"].first().unstack("group")
    types = of_groups.drop(columns=["all", "mean", "worst"])
    # 1 is best, so that the worst is the least
    assert of_groups["worst"].tolist() == types.min(axis=1).tolist()
    names = {"agreement", "energy_distance"}
    assert set(scores["metric"]) == names | {f"{name}_calibrated" for name in names}

    means = cs.tl.summarize_scores(scores)
    assert "agreement" in set(means["metric"])
    ax = cs.pl.evaluation(scores, metrics=AGREEMENT, show=False)["agreement"]
    assert ax.get_title(loc="left") == "share of features that agree" and ax.get_xlabel() == "best: 1"

    metrics = [AGREEMENT, described("energy_distance")]
    items = _scores.draw(
        fitted, scores, metrics=metrics, solver="gaussian", key="cellot", split="test", order=["drug_a", "drug_b"]
    )
    [table] = [item for item in items if item.name == "scores"]
    assert "<dt>agreement</dt><dd>share of features that agree. Share of features of which more" in table.more
    text, cite = _methods.paragraph(
        *(fitted, scores, store.maps(fitted, "cellot")),
        metrics=metrics,
        groupby=None,
        units=Answering(None, None),
        n_boot=20,
        versions={},
    )
    assert "by share of features that agree (Somebody et al., 2030) and energy distance (Sz" in text
    assert "Somebody et al., 2030" in _methods.references(cite)


def test_it_is_found_through_an_entry_point(fitted: AnnData, distribution: Path, tmp_path: Path) -> None:
    file, table = tmp_path / "fitted.h5ad", tmp_path / "scores.csv"
    fitted.write_h5ad(file)
    # another process, whose registry has not been looked through yet
    code = f"""
import sys
sys.path.insert(0, {str(distribution)!r})
import cellot_sc as cs
assert "other_metrics" not in sys.modules
cs.metrics.check_metric(cs.metrics.METRICS["largest_shift"])
from cellot_sc import cli
sys.argv = ["cellot-sc", "evaluate", {str(file)!r}, {str(table)!r}, "--metric", "largest_shift", "--n-boot", "5"]
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    scores = pd.read_csv(table)
    assert set(scores["metric"]) == {"largest_shift", "largest_shift_calibrated"}
    x, labels = fitted.obsm["X_cellot"], fitted.obs["perturbation"].astype(str)
    test = (fitted.obs["split"] == "test").to_numpy()
    for name, rows in scores[(scores["model"] == "identity") & scores["value"].notna()].groupby("perturbation"):
        control, treated = (x[test & (labels == of).to_numpy()].mean(axis=0) for of in ("control", name))
        value = rows.set_index("metric")["value"]["largest_shift"]
        assert value == pytest.approx(abs(control - treated).max(), rel=1e-5)
