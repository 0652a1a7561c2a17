from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc import _defaults, _reproduce, cli
from cellot_sc._reproduce import Plan
from cellot_sc.datasets import Task, tasks

QUICK = Plan(solver="gaussian", representation="pca", baselines=("mean_shift",))
GROUPS = {
    "sample_id": ("101", "107", "1015"),
    "sample": ("PW034", "PW036", "PW040", "PW051", "PW053"),
    "species": ("mouse", "rat", "rabbit", "pig"),
    "population": ("Lin-Kit+Sca1-", "Lin-Kit+Sca1+"),
    "cell_type": ("A549", "K562", "MCF7"),
}


def archive(task: Task, folder: Path) -> Path:
    """Write simulated cells in the place, and with the labels, that the archive has for a task."""
    targets = task.targets or ("drug_a", "drug_b")
    keys = {*filter(None, [task.holdout_key, *task.keep, *task.test_groups])} - {task.perturbation_key}
    n_groups = max([len(GROUPS[key]) for key in keys], default=1)
    n_cells = n_groups * (len(targets) + 1) * (160 if len(targets) < 3 else 70)
    adata = cs.datasets.simulate(n_cells, 60, n_cell_types=2, n_patients=n_groups, perturbations=targets, seed=0)
    condition = adata.obs["perturbation"].cat.rename_categories({"control": task.control})
    obs = pd.DataFrame({task.perturbation_key: condition}, index=adata.obs_names)
    for key in keys:
        obs[key] = adata.obs["patient"].cat.rename_categories(list(GROUPS[key])[:n_groups])
    path = folder / task.files[0]
    path.parent.mkdir(parents=True)
    AnnData(adata.X, obs=obs, var=adata.var).write_h5ad(path)
    if task.features_file is not None:
        path.with_name(task.features_file).write_text("\n".join(adata.var_names[:48]))
    if task.targets_file is not None:
        path.with_name(task.targets_file).write_text("\n".join(targets))
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process; return its status and what it wrote."""

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            cli.main([str(argument) for argument in arguments])
        assert isinstance(exit_.value.code, int)
        return exit_.value.code, *capsys.readouterr()

    return call


@pytest.mark.parametrize("task", tasks.values(), ids=list(tasks))
def test_every_task_runs_on_a_folder_of_the_archives_layout(task: Task, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    # a fit of every drug, with and without the group, would show no more
    targets = (task.targets or ("drug_a", "drug_b"))[:3]
    quick = replace(QUICK, representation="X" if task.representation == "X" else "pca", targets=targets)
    summary = _reproduce.run(task.name, archive(task, tmp_path / "data"), out, quick)
    assert {path.name for path in out.iterdir()} == {"scores.csv", "legacy.csv", "summary.csv", "run.json"}
    scores, legacy, mean = (pd.read_csv(out / f"{name}.csv") for name in ("scores", "legacy", "summary"))
    for table in (scores, legacy):
        assert set(table["model"]) == {"identity", "mean_shift", "gaussian", "observed"}
        assert set(table["perturbation"]) == set(targets)
        assert set(table["split"]) == {"test" if task.holdout_key is None else "ood"}
    assert set(_defaults.PUBLISHED_METRICS) <= set(legacy["metric"])
    assert set(legacy["n_features"]) == {task.n_markers or 48}
    if task.holdout_key is None:
        assert "holdout" not in scores
    else:
        assert set(scores["holdout"].astype(str)) == {task.holdout}
        assert set(scores["learnt_from"]) == {"no", "yes"}
    assert len(mean) == len(summary)
    settings = json.loads((out / "run.json").read_text())
    assert settings["task"]["name"] == task.name
    assert settings["plan"]["solver"] == "gaussian"
    shown = _reproduce.show(summary)
    assert shown.count("gaussian ") == (1 if task.holdout_key is None else 2)
    assert "legacy_mmd" in shown
    # the number of cells is one at which the ceiling is known, too
    ceilings = [line.split()[1:] for line in shown.splitlines() if line.startswith("observed ")]
    assert ceilings
    assert "NaN" not in np.ravel(ceilings)


@pytest.fixture(scope="module")
def lupus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archive(tasks["lupus"], tmp_path_factory.mktemp("archive") / "datasets")


def test_splits_are_as_published(lupus: Path) -> None:
    task = tasks["lupus"]
    twins = {}
    for twin in ("ood", "iid"):
        twins[twin] = task.read(lupus)
        _reproduce._fit(twins[twin], task, _reproduce._complete(QUICK, task), "101", twin)
    parts = {twin: adata.obs["split"] for twin, adata in twins.items()}
    held = (twins["ood"].obs["sample_id"] == "101").to_numpy()
    # both are judged on the same half of the held-out patient's cells, and differ in the other half
    assert ((parts["ood"] == "ood") == (parts["iid"] == "ood")).all()
    assert (parts["ood"] == "ood").sum() == pytest.approx(held.sum() / 2, abs=1)
    assert parts["ood"][held].isna().sum() == pytest.approx(held.sum() / 2, abs=1)
    assert set(parts["iid"][held]) == {"ood", "train", "valid"}
    assert (parts["ood"][~held] == parts["iid"][~held]).all()
    assert (parts["ood"][~held] == "test").mean() == pytest.approx(0.2, abs=0.01)


def test_a_number_of_test_cells_is_one_in_each_group(tmp_path: Path) -> None:
    task = tasks["glioblastoma"]
    adata = task.read(archive(task, tmp_path))
    adata.obs["split"] = pd.Categorical(["train"] * adata.n_obs, categories=["train", "valid", "test", "ood"])
    sizes = adata.obs.groupby(["sample", "perturbation"], observed=True).size()
    for n in (20, 10_000):
        cells = adata.copy()
        _reproduce._take_test_cells(cells, replace(task, test_size=n), 0)
        test = cells.obs[cells.obs["split"] == "test"].groupby(["sample", "perturbation"], observed=True).size()
        np.testing.assert_array_equal(test, np.minimum(n, sizes // 2))


def test_the_published_batch_size_and_representation(lupus: Path) -> None:
    task = tasks["lupus"]
    assert _reproduce._complete(Plan(), task).options == {"batch_size": 64}
    assert _reproduce._complete(Plan(options={"batch_size": 32}), task).options == {"batch_size": 32}
    assert _reproduce._complete(Plan(solver="gaussian"), task).options == {}
    assert _reproduce._complete(Plan(), task).representation == "autoencoder"
    assert _reproduce._complete(Plan(), tasks["4i"]).representation == "X"


def test_baselines_are_in_the_registry() -> None:
    assert set(cs._defaults.PUBLISHED) <= set(cs.ot.SOLVERS)


def test_every_group_in_turn(run: Callable[..., tuple[int, str, str]], lupus: Path, tmp_path: Path) -> None:
    status, out, err = run(
        "reproduce", "lupus", "--data", lupus.parent, "--out", tmp_path / "out", "--holdout", "all", "--solver",
        "gaussian", "--representation", "pca", "--baseline", "mean_shift", "--seed", "1",
    )  # fmt: skip
    assert (status, err) == (0, "")
    scores, mean = (pd.read_csv(tmp_path / "out" / f"{name}.csv") for name in ("scores", "summary"))
    assert set(scores["holdout"]) == {101, 107, 1015}
    assert set(scores["seed"]) == {1}
    assert set(mean["holdout"]) == {"mean"}
    assert set(mean["n_units"]) >= {3}
    block = scores.query("model == 'gaussian' and metric == 'energy_distance' and learnt_from == 'no'")
    row = mean.query("model == 'gaussian' and metric == 'energy_distance' and learnt_from == 'no'")
    assert row["value"].item() == pytest.approx(block["value"].mean())
    assert f"{row['value'].item():.3g}" in out
    assert "held-out groups, never seen:" in out
    assert out.endswith(f"wrote {tmp_path / 'out'}\n")


def test_the_folder_is_named_after_the_task(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    archive(tasks["cytokines"], tmp_path / "data")
    status, out, _ = run(
        "reproduce", "cytokines", "--data", "data", "--solver", "mean_shift", "--representation", "pca", "--baseline",
        "identity", "--target", "drug_b",
    )  # fmt: skip
    assert status == 0
    assert set(pd.read_csv("reproduce-cytokines/scores.csv")["perturbation"]) == {"drug_b"}
    status, _, err = run("reproduce", "cytokines", "--data", "data")
    assert status == 2
    assert "reproduce-cytokines exists; --overwrite replaces it" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["statefate", "--data", "."], "needs scrna-statefate/invitro-hvg.h5ad, which is not in"),
        (["lupus", "--data", "nowhere"], "https://doi.org/10.3929/ethz-b-000609681, and unpack it there"),
        (["lupus", "--data", ".", "--solver", "gausian"], "Did you mean 'gaussian'?"),
        (["lupus", "--data", ".", "--set", "n_step=3"], "no option 'n_step'"),
        (["lupus", "--data", ".", "--baseline", "mean"], "baseline 'mean' is unknown. Did you mean 'mean_shift'?"),
        (["lupus", "--data", ".", "--representation", "pc"], "representation 'pc' is unknown. Did you mean 'pca'?"),
        (["lupus", "--data", ".", "--holdout", "102"], "holdout of obs['sample_id'] '102' is unknown."),
        (["lupus", "--data", ".", "--target", "stm"], "'stm' is unknown. Did you mean 'stim'?"),
        (["lupus-iid", "--data", ".", "--holdout", "101"], "task 'lupus-iid' holds out no group"),
    ],
)
def test_errors_are_one_line_and_leave_nothing(
    run: Callable[..., tuple[int, str, str]], lupus: Path, monkeypatch: pytest.MonkeyPatch,
    arguments: list[str], words: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(lupus.parent)
    before = sorted(lupus.parent.rglob("*"))
    status, _, err = run("reproduce", *arguments)
    assert status == 2
    assert err.startswith("cellot-sc: error: ")
    assert words in err
    assert err.count("\n") == 1
    assert sorted(lupus.parent.rglob("*")) == before
