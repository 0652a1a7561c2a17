from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

import cellot_sc as cs
from cellot_sc.metrics import energy_distance

METRICS = ["energy_distance", "mmd", "variance_ratio"]


@pytest.fixture(scope="module")
def fitted() -> AnnData:
    """Cells of six donors and two types with a Gaussian map per drug."""
    adata = cs.datasets.simulate(1080, 40, n_cell_types=2, n_patients=6, seed=3)
    cs.pp.split(adata, test_fraction=0.5, stratify_by="patient")
    cs.pp.represent(adata, n_components=6)
    cs.tl.cellot(adata, solver="gaussian")
    return adata


@pytest.fixture(scope="module")
def predicted(fitted: AnnData) -> AnnData:
    """What the maps make of test cells, with nothing that says where it comes from."""
    both = cs.tl.predict(fitted, cells=(fitted.obs["split"] == "test") & (fitted.obs["perturbation"] == "control"))
    obs = both.obs[["perturbation", "split", "cell_type", "patient"]]
    return AnnData(both.X, obs=obs, var=both.var[[]], obsm={"X_cellot": both.obsm["X_cellot"]})


def judged(adata: AnnData, predictions: dict[str, Any], **options: Any) -> pd.DataFrame:
    defaults: dict[str, Any] = {"metrics": "energy_distance", "baselines": [], "n_boot": 0}
    return cs.tl.evaluate(adata, predictions=predictions, **defaults | options)


def scores(table: pd.DataFrame, model: str, **where: str) -> Any:
    rows = table[(table["model"] == model) & table["metric"].isin([*METRICS, "discrimination_l2"])]
    for column, value in where.items():
        rows = rows[rows[column] == value]
    return rows.set_index(["metric", "perturbation", "group"]).drop(columns="model")


def as_points(cells: AnnData) -> AnnData:
    """Return what has no expression that could be represented."""
    return AnnData(None, obs=cells.obs, obsm=dict(cells.obsm))


class TestWhatIsKnown:
    """Predictions whose scores are known, as they are in the table under another name."""

    @pytest.mark.parametrize("space", ["latent", "genes"])
    def test_cells_of_the_map_score_as_the_map(self, fitted: AnnData, predicted: AnnData, space: str) -> None:
        order = np.random.default_rng(0).permutation(predicted.n_obs)
        table = judged(
            fitted,
            {"same": predicted, "mixed": predicted[order].copy()},
            metrics=[*METRICS, "discrimination_l2"],
            groupby="cell_type",
            unit="patient",
            space=space,
            n_boot=20,
        )
        ours = scores(table, "gaussian")
        assert {"all", "equal", "mean", "worst"} < set(ours.index.get_level_values("group"))
        assert (ours["pvalue"].notna().sum(), ours["value"].isna().sum()) == (2 * 3, 0)
        for model in ("same", "mixed"):
            theirs = scores(table, model).loc[ours.index]
            columns = ["value", "n_cells", "n_units", "p_min", *(["ci_low", "ci_high"] if model == "same" else [])]
            np.testing.assert_allclose(theirs[columns], ours[columns], rtol=1e-4, atol=1e-5)
            # which of the cells of a unit are compared, where there are many, is a matter of their order
            np.testing.assert_allclose(theirs["pvalue"], ours["pvalue"], atol=1e-9)
        assert set(table["compared"]) == {"latent" if space == "latent" else "decoded"}

    def test_control_cells_are_identity_and_train_cells_the_ceiling(self, fitted: AnnData) -> None:
        control = fitted[fitted.obs["perturbation"] == "control"].copy()
        control.obs["perturbation"] = "drug_a"
        train = fitted[(fitted.obs["split"] == "train").to_numpy()].copy()
        del train.obs["split"]
        table = judged(fitted, {"nothing": control, "others": train}, groupby="cell_type")
        identity, nothing = scores(table, "identity", perturbation="drug_a"), scores(table, "nothing")
        pd.testing.assert_frame_equal(nothing, identity.loc[nothing.index], check_exact=False, rtol=1e-4)
        assert set(nothing.index.get_level_values("perturbation")) == {"drug_a"}
        real, ceiling = (scores(table, model, group="all")["value"] for model in ("others", "observed"))
        for drug in ("drug_a", "drug_b"):
            assert abs(real["energy_distance", drug, "all"] - ceiling["energy_distance", drug, "all"]) < 0.05
        assert identity["value"]["energy_distance", "drug_a", "all"] > 0.3

    @pytest.mark.parametrize(
        "change",
        [
            lambda cells: cells[:, ::-1].copy(),
            lambda cells: AnnData(sparse.csc_matrix(cells.X.astype(np.float64)), obs=cells.obs, var=cells.var),
            lambda cells: AnnData(
                np.c_[np.ones((len(cells), 2)), cells.X], cells.obs, pd.DataFrame(index=["a", "b", *cells.var_names])
            ),
            lambda cells: cells[cells.obs["perturbation"].argsort(kind="stable")].copy(),
            lambda cells: AnnData(cells.X, obs=cells.obs.astype(str).astype("category"), var=cells.var),
        ],
        ids=["genes", "sparse", "more genes", "cells", "categories"],
    )  # fmt: skip
    def test_however_expression_comes(self, fitted: AnnData, predicted: AnnData, change: Callable[[Any], Any]) -> None:
        plain = AnnData(predicted.X, obs=predicted.obs, var=predicted.var)
        table = judged(fitted, {"plain": plain, "changed": change(plain)}, groupby="cell_type")
        np.testing.assert_allclose(scores(table, "changed")["value"], scores(table, "plain")["value"], atol=1e-5)
        # decoded cells were cut off at 0, and are represented near to where they came from
        ours = scores(table, "gaussian")["value"]
        assert abs(scores(table, "plain")["value"].loc[ours.index] - ours).max() < 0.05

    def test_any_number_of_cells(self, fitted: AnnData, predicted: AnnData) -> None:
        more = anndata.concat([predicted, predicted[:100]], keys=["a", "b"], index_unique="-")
        table = judged(fitted, {"few": predicted[7::9].copy(), "more": more}, n_boot=5)
        observed = fitted.obsm["X_cellot"][(fitted.obs["perturbation"] == "drug_a") & (fitted.obs["split"] == "test")]
        for model, cells in (("few", predicted[7::9]), ("more", more)):
            of_drug = cells.obsm["X_cellot"][cells.obs["perturbation"] == "drug_a"]
            row = scores(table, model).loc[("energy_distance", "drug_a", "all")]
            assert row["value"] == pytest.approx(energy_distance(of_drug, observed), abs=1e-5)
            assert row["ci_low"] < row["value"] < row["ci_high"]
            assert row["n_cells"] == len(observed)

    def test_other_models_do_not_depend_on_it(self, fitted: AnnData, predicted: AnnData) -> None:
        options: dict[str, Any] = {"groupby": "cell_type", "baselines": "mean_shift", "n_boot": 5}
        alone, beside = judged(fitted, {}, **options), judged(fitted, {"same": predicted}, **options)
        kept = beside[beside["model"] != "same"].reset_index(drop=True)
        pd.testing.assert_frame_equal(kept, alone, check_exact=True)
        sampled = [judged(fitted, one, n_cells=20) for one in ({}, {"same": predicted})]
        kept = sampled[1][sampled[1]["model"] != "same"].reset_index(drop=True)
        pd.testing.assert_frame_equal(kept, sampled[0], check_exact=True)
        ours, theirs = (scores(sampled[1], model)["value"] for model in ("gaussian", "same"))
        assert (abs(ours - theirs.loc[ours.index]) < 0.3).all()


class TestWhatIsRead:
    def test_groups_and_units_of_the_cells_that_they_are_named_as(self, fitted: AnnData, predicted: AnnData) -> None:
        bare = AnnData(None, obs=predicted.obs[["perturbation"]], obsm=dict(predicted.obsm))
        named = bare[:].copy()
        named.obs_names = named.obs_names + "-predicted"
        one = bare[(bare.obs["perturbation"] == "drug_a").to_numpy()].copy()
        one.obs_names = [name.removesuffix("-drug_a") for name in one.obs_names]
        table = judged(
            fitted, {"full": predicted, "bare": bare, "named": named, "one": one}, groupby="cell_type", unit="patient"
        )
        full = scores(table, "full")
        pd.testing.assert_frame_equal(scores(table, "bare"), full)
        pd.testing.assert_frame_equal(scores(table, "named"), full)
        drug_a = full[full.index.get_level_values("perturbation") == "drug_a"]
        pd.testing.assert_frame_equal(scores(table, "one"), drug_a)

    def test_without_either_all_cells_only(
        self, fitted: AnnData, predicted: AnnData, caplog: pytest.LogCaptureFixture
    ) -> None:
        nameless = AnnData(None, obs=predicted.obs[["perturbation"]], obsm=dict(predicted.obsm))
        nameless.obs_names = [f"new_{i}" for i in range(nameless.n_obs)]
        counted = nameless[:].copy()
        counted.obs_names = [str(i) for i in range(counted.n_obs)]
        table = judged(fitted, {"one": nameless, "two": counted}, groupby="cell_type", unit="patient", n_boot=5)
        for model in ("one", "two"):
            rows = scores(table, model)
            assert set(rows.index.get_level_values("group")) == {"all"}
            assert rows["pvalue"].isna().all() and rows["ci_low"].notna().all()
        assert scores(table, "gaussian", group="all")["pvalue"].notna().any()
        for line in (
            "one: there is no obs['split']: all of its cells are judged",
            "one: there is no obs['cell_type'], and its cells are not named as control cells: no groups are scored",
            "one: there is no obs['patient'], and its cells are not named as control cells: its cells are resampled",
            "points of 'X_cellot' are compared, for all models alike",
        ):
            assert line in caplog.text

    def test_units_that_are_none_here(
        self, fitted: AnnData, predicted: AnnData, caplog: pytest.LogCaptureFixture
    ) -> None:
        other = as_points(predicted)
        other.obs["patient"] = other.obs["patient"].astype(str).replace({"patient_0": "stranger"})
        table = judged(fitted, {"other": other}, unit="patient")
        assert scores(table, "other")["pvalue"].isna().all()
        assert "other: obs['patient'] has 'stranger', which is no unit here: its cells are resampled" in caplog.text

    def test_what_is_missing_has_no_rows(
        self, fitted: AnnData, predicted: AnnData, caplog: pytest.LogCaptureFixture
    ) -> None:
        of_one = as_points(predicted[predicted.obs["perturbation"] == "drug_b"])
        few = as_points(predicted)
        rare = (few.obs["cell_type"] == "type_1").to_numpy()
        few = few[~rare | (rare.cumsum() < 5)].copy()
        table = judged(
            fitted, {"one": of_one, "few": few}, groupby="cell_type", metrics=["energy_distance", "discrimination_l2"]
        )
        assert set(scores(table, "one").index.get_level_values("perturbation")) == {"drug_b"}
        # it is told from all that were observed, as if the other one were predicted
        told = table[(table["metric"] == "discrimination_l2") & (table["perturbation"] == "drug_b")]
        values = told[told["group"] == "all"].set_index("model")["value"]
        assert values["one"] == values["few"] == values["gaussian"]
        assert "one predicts fewer than 2 cells of 'drug_a': it has no scores there" in caplog.text
        by_group = scores(table, "few")["value"].unstack("group")
        assert by_group.loc[["energy_distance", "discrimination_l2"], ["type_1", "mean"]].isna().all(axis=None)
        assert by_group.loc[["energy_distance"], ["all", "type_0"]].notna().all(axis=None)
        assert "drug_a, type_1: no scores of models with fewer than 10 cells: ['few']" in caplog.text
        cs.pl.evaluation(table, metrics="energy_distance", group="mean", show=False)
        assert "few" in set(cs.tl.summarize_scores(table)["model"])

    def test_few_cells_have_no_score(
        self, fitted: AnnData, predicted: AnnData, caplog: pytest.LogCaptureFixture
    ) -> None:
        few = as_points(predicted)
        first = few.obs.groupby("perturbation", observed=True).cumcount().to_numpy()
        values = {n: scores(judged(fitted, {"few": few[first < n].copy()}), "few")["value"] for n in (9, 10)}
        assert values[9].isna().all()
        assert values[10].notna().all()
        assert "drug_a, all: no scores of models with fewer than 10 cells: ['few']" in caplog.text

    def test_composition_is_made_equal(self, fitted: AnnData, predicted: AnnData) -> None:
        skewed = as_points(predicted)
        rare = (skewed.obs["cell_type"] == "type_1").to_numpy()
        skewed = skewed[~rare | (np.arange(skewed.n_obs) % 3 == 0)].copy()
        values: Any = {
            (row.model, row.group): row.value
            for row in judged(fitted, {"skewed": skewed}, targets="drug_a", groupby="cell_type").itertuples()
            if row.metric == "energy_distance"
        }
        assert values["skewed", "all"] - values["gaussian", "all"] > 0.1
        assert abs(values["skewed", "equal"] - values["gaussian", "equal"]) < 0.1

    @pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
    def test_files(self, fitted: AnnData, predicted: AnnData, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"predicted{suffix}"
        predicted.write_h5ad(path) if suffix == ".h5ad" else predicted.write_zarr(path)
        table = judged(fitted, {"file": str(path), "cells": predicted})
        pd.testing.assert_frame_equal(scores(table, "file"), scores(table, "cells"))
        if suffix == ".h5ad":
            backed = anndata.read_h5ad(path, backed="r")
            again = judged(fitted, {"backed": backed})
            pd.testing.assert_frame_equal(scores(again, "backed"), scores(table, "cells"))
            backed.file.close()

    def test_cells_stay_as_they_are(self, fitted: AnnData, predicted: AnnData) -> None:
        before = predicted.copy()
        judged(fitted, {"same": predicted}, groupby="cell_type", unit="patient")
        pd.testing.assert_frame_equal(predicted.obs, before.obs)
        np.testing.assert_array_equal(predicted.X, before.X)
        assert [*predicted.obsm] == [*before.obsm] and not predicted.uns

    def test_the_answer_is_no_prediction(self, fitted: AnnData, caplog: pytest.LogCaptureFixture) -> None:
        answer = fitted[fitted.obs["split"] == "test"].copy()
        del answer.obsm["X_cellot"]
        train = fitted[fitted.obs["split"] == "train"].copy()
        train.obs["split"] = "test"
        # a whole data set as it came, of which the judged cells are few
        every = fitted.copy()
        del every.obsm["X_cellot"], every.obs["split"]
        with caplog.at_level(logging.WARNING):
            judged(fitted, {"answer": answer, "train": train, "every": every})
        [line, of_all] = [record.message for record in caplog.records if "the answer" in record.message]
        assert of_all.startswith("every: its cells of 'drug_a', 'drug_b' are observed cells")
        assert line.startswith("answer: its cells of 'drug_a', 'drug_b' are observed cells that they are judged by")

    def test_points_of_other_components_are_told_of(
        self, fitted: AnnData, predicted: AnnData, caplog: pytest.LogCaptureFixture
    ) -> None:
        turned = predicted.copy()
        turned.obsm["X_cellot"] = turned.obsm["X_cellot"][:, ::-1].copy()
        judged(fitted, {"good": predicted, "turned": turned})
        lines = [record.message for record in caplog.records if "lies elsewhere" in record.message]
        assert [line.partition(":")[0] for line in lines] == ["turned"]
        wide = predicted.copy()
        wide.obsm["X_cellot"] = np.ones((wide.n_obs, 9))
        table = judged(fitted, {"wide": wide, "plain": AnnData(wide.X, obs=wide.obs, var=wide.var)})
        pd.testing.assert_frame_equal(scores(table, "wide"), scores(table, "plain"))
        assert "wide: obsm['X_cellot'] has 9 dimensions, and the maps have 6: X is judged" in caplog.text


class TestSpaces:
    def test_maps_on_expression(self, fitted: AnnData) -> None:
        adata = fitted.copy()
        cs.tl.cellot(adata, solver="mean_shift", use_rep="X", key_added="genes")
        predicted = cs.tl.predict(adata, key="genes")
        # other tools may fall a little below 0
        less = predicted.copy()
        less.X = np.where(less.X == 0, np.float32(-1e-3), less.X)
        table = judged(adata, {"same": predicted[:, ::-1].copy(), "less": less}, key="genes", groupby="cell_type")
        ours = scores(table, "mean_shift")["value"]
        for model in ("same", "less"):
            np.testing.assert_allclose(scores(table, model)["value"].loc[ours.index], ours, atol=1e-5)
        assert set(table["compared"]) == {"measured"}

    def test_a_space_that_nothing_is_put_into(self, fitted: AnnData, predicted: AnnData) -> None:
        adata = AnnData(None, obs=fitted.obs, obsm={"X_scVI": fitted.obsm["X_cellot"]})
        cs.tl.cellot(adata, solver="gaussian", use_rep="X_scVI")
        as_x = AnnData(predicted.obsm["X_cellot"], obs=predicted.obs)
        in_obsm = AnnData(None, obs=predicted.obs, obsm={"X_scVI": predicted.obsm["X_cellot"]})
        table = judged(adata, {"as_x": as_x, "in_obsm": in_obsm})
        pd.testing.assert_frame_equal(scores(table, "as_x"), scores(table, "in_obsm"))
        with pytest.raises(KeyError, match=r"predictions\['genes'\]: the maps are on 'X_scVI', which .* 40 features"):
            judged(adata, {"genes": AnnData(predicted.X, obs=predicted.obs, var=predicted.var)})

    def test_a_model_in_cells_of_another_file(self, fitted: AnnData, predicted: AnnData) -> None:
        test = fitted[(fitted.obs["split"] == "test").to_numpy()]
        other = AnnData(test.X, obs=test.obs.drop(columns="split"), var=test.var[[]])
        cs.tl.attach(other, cs.Model.of(fitted))
        table = judged(other, {"same": predicted}, groupby="cell_type", unit="patient")
        ours = scores(table, "gaussian")
        theirs = scores(table, "same").loc[ours.index]
        np.testing.assert_allclose(theirs[["value", "pvalue"]], ours[["value", "pvalue"]], atol=1e-4)


def changed(cells: AnnData, x: Any = None, **obs: Any) -> AnnData:
    """Return cells with other values and nothing but them."""
    return AnnData(cells.X if x is None else x, obs=cells.obs.assign(**obs), var=cells.var)


REFUSED: dict[str, tuple[Callable[[AnnData], Any], type[Exception], str]] = {
    "array": (lambda cells: cells.X, TypeError, r"\['tool'\] is of type ndarray: predicted cells are needed"),
    "no file": (lambda cells: "absent.h5ad", FileNotFoundError, r"predictions\['tool'\]: absent.h5ad does not exist"),
    "column": (lambda cells: AnnData(cells.X, var=cells.var), KeyError, r"\['tool'\]: column 'perturbation' is not in"),
    "labels": (lambda cells: changed(cells, perturbation="drug_c"), ValueError, "has 'drug_c', and none .* Did you"),
    "control": (lambda cells: changed(cells, perturbation="control"), ValueError, "has 'control', and none of the"),
    "split": (lambda cells: changed(cells, split="ood"), ValueError, r"no cell of split 'test' .*\(360 are 'ood'\)"),
    "one cell": (lambda cells: cells[:1].copy(), ValueError, "has 1 cells of any perturbation that is judged"),
    "counts": (lambda cells: changed(cells, np.round(cells.X * 9)), ValueError, "adata.X holds whole numbers only"),
    "nan": (lambda cells: changed(cells, cells.X * np.nan), ValueError, "adata.X holds NaN or inf in 360 of 360 cells"),
    "scaled": (lambda cells: changed(cells, cells.X - cells.X.mean(0)), ValueError, "it was scaled or centred"),
    "large": (lambda cells: changed(cells, cells.X * 40), ValueError, "it is on another scale"),
    "genes": (lambda cells: changed(cells)[:, 3:].copy(), ValueError, "lack 3 of the 40 genes .*'gene_00'.*X_cellot"),
    "points": (lambda cells: AnnData(None, obs=cells.obs, obsm={"X_cellot": cells.obsm["X_cellot"] * np.inf}),
               ValueError, r"adata.obsm\['X_cellot'\] holds NaN or inf"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_judged_is_refused(fitted: AnnData, predicted: AnnData, what: str) -> None:
    change, kind, words = REFUSED[what]
    with pytest.raises(kind, match=words) as error:
        judged(fitted, {"tool": change(predicted)})
    assert "predictions['tool']" in str(error.value)


def test_genes_under_other_names(fitted: AnnData, predicted: AnnData) -> None:
    other = changed(predicted)
    other.var["symbol"] = other.var_names
    other.var_names = [f"ENSG{i}" for i in range(other.n_vars)]
    with pytest.raises(ValueError, match=r"lack 40 of the 40 genes .* adata.var\['symbol'\] has 40: make these"):
        judged(fitted, {"tool": other})
    other.var_names = [*other.var["symbol"][:-1], "gene_00"]
    with pytest.raises(ValueError, match="has 1 of the genes more than once, such as 'gene_00'"):
        judged(fitted, {"tool": other})


def test_genes_in_another_case(fitted: AnnData, predicted: AnnData) -> None:
    other = changed(predicted)
    other.var_names = [*other.var_names[:-2], "another", "GENE_39"]
    with pytest.raises(ValueError, match=r"lack 2 of the 40 genes .* such as 'gene_39'. There is 'GENE_39': genes"):
        judged(fitted, {"tool": other})


@pytest.mark.parametrize("name", ["gaussian", "mean_shift", "identity", "observed", "mean", ""])
def test_names_that_mean_something_else(fitted: AnnData, predicted: AnnData, name: str) -> None:
    with pytest.raises(ValueError, match=rf"predictions\['{name}'\]: the name stands for something else"):
        judged(fitted, {name: predicted}, baselines="mean_shift")


def test_without_maps_there_is_nothing_beside(predicted: AnnData) -> None:
    adata = cs.datasets.simulate(300, 20)
    with pytest.raises(
        KeyError, match=r"predictions are judged beside: cs.tl.cellot\(adata, solver='gaussian'\) makes"
    ):
        judged(adata, {"tool": predicted})
