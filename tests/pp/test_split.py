from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, read_h5ad, read_zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import cellot_sc as cs
from cellot_sc.pp._represent import project


def cells(sizes: dict[str, int], **obs: Any) -> AnnData:
    """Cells without expression: so many of each condition, and columns that repeat their values."""
    labels = np.repeat(list(sizes), list(sizes.values()))
    columns = {name: np.resize(values, labels.size) for name, values in obs.items()}
    index = [f"cell_{i}" for i in range(labels.size)]
    return AnnData(obs=pd.DataFrame({"perturbation": pd.Categorical(labels), **columns}, index=index))


def counts(adata: AnnData, *keys: str) -> pd.DataFrame:
    return adata.obs.groupby([*(keys or ["perturbation"]), "split"], observed=False).size().unstack("split")


def test_fractions_hold_in_each_perturbation(simulated: AnnData) -> None:
    adata = simulated.copy()
    assert cs.pp.split(adata) is None
    assert list(adata.obs["split"].cat.categories) == ["train", "valid", "test", "ood"]
    for name in ("control", "drug_a", "drug_b"):
        assert counts(adata).loc[name].to_dict() == {"train": 140, "valid": 20, "test": 40, "ood": 0}


def test_rounds_to_the_nearest() -> None:
    adata = cells({"control": 37, "a": 33})
    cs.pp.split(adata)
    # 7.4 and 3.7 of 37; 6.6 and 3.3 of 33
    assert counts(adata).loc["control"].to_dict() == {"train": 26, "valid": 4, "test": 7, "ood": 0}
    assert counts(adata).loc["a"].to_dict() == {"train": 23, "valid": 3, "test": 7, "ood": 0}


def test_all_may_train() -> None:
    adata = cells({"control": 10, "a": 10})
    cs.pp.split(adata, test_fraction=0, valid_fraction=0)
    assert (adata.obs["split"] == "train").all()


def test_expression_does_not_matter(simulated: AnnData) -> None:
    a, b = simulated.copy(), simulated.copy()
    b.X = b.X[::-1]
    cs.pp.split(a)
    cs.pp.split(b)
    pd.testing.assert_series_equal(a.obs["split"], b.obs["split"])


def test_same_seed_same_split(simulated: AnnData) -> None:
    a, b, c = (simulated.copy() for _ in range(3))
    for adata, seed in ((a, 1), (b, 1), (c, 2)):
        cs.pp.split(adata, seed=seed)
    pd.testing.assert_series_equal(a.obs["split"], b.obs["split"])
    assert (a.obs["split"] != c.obs["split"]).mean() > 0.2


def test_order_of_cells_does_not_matter(simulated: AnnData) -> None:
    a, b = simulated.copy(), simulated[np.random.default_rng(0).permutation(simulated.n_obs)].copy()
    for adata in (a, b):
        cs.pp.split(adata, stratify_by=["cell_type", "patient"])
    pd.testing.assert_series_equal(a.obs["split"], b.obs["split"].loc[a.obs_names])


def test_other_perturbations_do_not_matter(simulated: AnnData) -> None:
    a, b = simulated.copy(), simulated[simulated.obs["perturbation"] != "drug_b"].copy()
    for adata in (a, b):
        cs.pp.split(adata)
    pd.testing.assert_series_equal(a.obs["split"].loc[b.obs_names], b.obs["split"])


def test_repeated_names_are_split_too(simulated: AnnData) -> None:
    adata = simulated.copy()
    adata.obs_names = ["same"] * adata.n_obs
    cs.pp.split(adata)
    assert counts(adata).loc["drug_a", "test"] == 40


@given(
    n_control=st.integers(40, 90),
    n_treated=st.integers(40, 90),
    n_strata=st.integers(1, 7),
    test=st.floats(0, 0.35),
    valid=st.floats(0, 0.35),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_strata_share_out(n_control: int, n_treated: int, n_strata: int, test: float, valid: float, seed: int) -> None:
    adata = cells({"control": n_control, "a": n_treated}, kind=[f"kind_{k}" for k in range(n_strata)])
    cs.pp.split(adata, test_fraction=test, valid_fraction=valid, stratify_by="kind", seed=seed)
    for name, n_cells in (("control", n_control), ("a", n_treated)):
        assert counts(adata).loc[name, "test"] == round(test * n_cells)
        assert counts(adata).loc[name, "valid"] == round(valid * n_cells)
        assert counts(adata).loc[name, "ood"] == 0
    per_stratum = counts(adata, "perturbation", "kind")
    size = per_stratum.sum(axis=1)
    for split, fraction in (("test", test), ("valid", valid)):
        assert ((per_stratum[split] - fraction * size).abs() <= 1).all()


def test_combinations_of_columns_are_strata(simulated: AnnData) -> None:
    adata = simulated.copy()
    cs.pp.split(adata, stratify_by=["cell_type", "patient"], test_fraction=0.25)
    per_stratum = counts(adata, "perturbation", "cell_type", "patient")
    # strata of 12 and 13 cells
    assert set(per_stratum["test"]) <= {3, 4}
    assert counts(adata)["test"].tolist() == [50, 50, 50]


def test_tiny_strata_are_not_taken_twice() -> None:
    adata = cells({"control": 40, "a": 40}, kind=[f"kind_{k}" for k in range(40)])
    cs.pp.split(adata, test_fraction=0.4, valid_fraction=0.3, stratify_by="kind")
    assert counts(adata).loc["a"].to_dict() == {"train": 12, "valid": 12, "test": 16, "ood": 0}


def test_missing_stratum_is_a_stratum() -> None:
    adata = cells({"control": 40, "a": 40}, kind=["x", None])
    cs.pp.split(adata, test_fraction=0.5, valid_fraction=0, stratify_by="kind")
    assert counts(adata[adata.obs["kind"].isna()]).loc["a", "test"] == 10


@pytest.mark.parametrize("value", ["patient_1", ["patient_1"], ("patient_1", "patient_1")])
def test_held_out_group_is_ood(simulated: AnnData, value: Any) -> None:
    adata = simulated.copy()
    cs.pp.split(adata, holdout={"patient": value})
    np.testing.assert_array_equal(adata.obs["split"] == "ood", adata.obs["patient"] == "patient_1")
    # the fractions are of what is left: 148 cells of each condition
    assert counts(adata).loc["drug_a"].to_dict() == {"train": 103, "valid": 15, "test": 30, "ood": 52}


def test_any_held_out_group_is_ood(simulated: AnnData) -> None:
    adata = simulated.copy()
    cs.pp.split(adata, holdout={"patient": ["patient_1", "patient_3"], "cell_type": "type_2"})
    expected = adata.obs["patient"].isin(["patient_1", "patient_3"]) | (adata.obs["cell_type"] == "type_2")
    np.testing.assert_array_equal(adata.obs["split"] == "ood", expected)


def test_held_out_number_is_meant_by_its_name() -> None:
    adata = cells({"control": 60, "a": 60}, patient=[101, 107])
    cs.pp.split(adata, holdout={"patient": 101})
    np.testing.assert_array_equal(adata.obs["split"] == "ood", adata.obs["patient"] == 101)
    again = adata.copy()
    cs.pp.split(again, holdout={"patient": "101"})
    pd.testing.assert_series_equal(adata.obs["split"], again.obs["split"])


def test_cell_without_a_group_is_not_held_out() -> None:
    adata = cells({"control": 60, "a": 60}, patient=["101", None, "107"])
    cs.pp.split(adata, holdout={"patient": "101"})
    assert (adata.obs.loc[adata.obs["patient"].isna(), "split"] != "ood").all()


def test_held_out_perturbation_is_ood_as_a_whole(simulated: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    adata, plain = simulated.copy(), simulated.copy()
    with caplog.at_level("WARNING"):
        cs.pp.split(adata, holdout={"perturbation": "drug_a"})
    assert not caplog.text
    held_out = adata.obs["perturbation"] == "drug_a"
    np.testing.assert_array_equal(adata.obs["split"] == "ood", held_out)
    # the others are split as ever
    cs.pp.split(plain)
    pd.testing.assert_series_equal(adata.obs.loc[~held_out, "split"], plain.obs.loc[~held_out, "split"])
    # and one of few cells is held out rather than left out
    few = cells({"control": 40, "a": 40, "b": 5, "a+b": 5})
    cs.pp.split(few, holdout={"perturbation": "a+b"})
    assert counts(few).loc["a+b", "ood"] == 5 and few.obs.loc[few.obs["perturbation"] == "b", "split"].isna().all()


class TestValidGroups:
    def test_cells_of_named_groups_are_all_valid_and_no_others(self, simulated: AnnData) -> None:
        adata = simulated.copy()
        cs.pp.split(adata, valid_groups={"patient": "patient_1"}, holdout={"patient": "patient_3"})
        np.testing.assert_array_equal(adata.obs["split"] == "valid", adata.obs["patient"] == "patient_1")
        np.testing.assert_array_equal(adata.obs["split"] == "ood", adata.obs["patient"] == "patient_3")
        rest = counts(adata[~adata.obs["patient"].isin(["patient_1", "patient_3"])])
        assert rest.loc["drug_a", "test"] == round(0.2 * rest.loc["drug_a"].sum())

    def test_what_is_held_out_stays_so(self, simulated: AnnData) -> None:
        adata = simulated.copy()
        cs.pp.split(adata, valid_groups={"patient": "patient_1"}, holdout={"cell_type": "type_2"})
        kind, patient = adata.obs["cell_type"] == "type_2", adata.obs["patient"] == "patient_1"
        np.testing.assert_array_equal(adata.obs["split"] == "ood", kind)
        np.testing.assert_array_equal(adata.obs["split"] == "valid", patient & ~kind)

    @pytest.mark.parametrize(("fraction", "n_groups"), [(0, 1), (0.1, 1), (0.34, 3), (0.9, 7)])
    def test_of_a_column_a_share_of_groups_is_drawn(self, fraction: float, n_groups: int) -> None:
        adata = cells({"control": 400, "a": 400}, patient=[f"p{i}" for i in range(10)])
        drawn = set()
        for seed in range(20):
            holdout = {"patient": ["p0", "p1"]}
            cs.pp.split(adata, valid_groups="patient", holdout=holdout, valid_fraction=fraction, seed=seed)
            valid = adata.obs["split"] == "valid"
            chosen = set(adata.obs.loc[valid, "patient"])
            assert len(chosen) == n_groups
            np.testing.assert_array_equal(valid, adata.obs["patient"].isin(chosen))
            drawn |= chosen
        assert drawn == {f"p{i}" for i in range(2, 10)}

    def test_draw_depends_on_names_and_seed_only(self, simulated: AnnData) -> None:
        a, b = simulated.copy(), simulated[np.random.default_rng(0).permutation(simulated.n_obs)].copy()
        for adata in (a, b):
            cs.pp.split(adata, valid_groups="patient", seed=4)
        pd.testing.assert_series_equal(a.obs["split"], b.obs["split"].loc[a.obs_names])

    def test_a_group_without_treated_cells_is_not_drawn(self) -> None:
        adata = cells({"control": 60, "a": 60}, patient=["p0", "p1", "p2"])
        adata = adata[(adata.obs["patient"] != "p2") | (adata.obs["perturbation"] == "control")].copy()
        for seed in range(10):
            cs.pp.split(adata, valid_groups="patient", seed=seed)
            assert set(adata.obs.loc[adata.obs["split"] == "valid", "patient"]) <= {"p0", "p1"}


class TestTwins:
    @pytest.fixture
    def twins(self, simulated: AnnData) -> pd.DataFrame:
        adata = simulated.copy()
        for twin in ("ood", "iid"):
            cs.pp.split(adata, holdout={"patient": "patient_3"}, twin=twin, key_added=twin)
        return adata.obs

    def test_are_judged_by_the_same_half_of_the_held_out_cells(self, twins: pd.DataFrame) -> None:
        np.testing.assert_array_equal(twins["ood"] == "ood", twins["iid"] == "ood")
        held = twins[twins["patient"] == "patient_3"]
        assert set(twins.loc[twins["ood"] == "ood", "patient"]) == {"patient_3"}
        for _, of_condition in held.groupby("perturbation", observed=True):
            assert (of_condition["ood"] == "ood").sum() == len(of_condition) // 2

    def test_differ_in_whether_the_other_half_is_seen(self, twins: pd.DataFrame) -> None:
        rest = twins[(twins["patient"] == "patient_3") & (twins["ood"] != "ood")]
        assert rest["ood"].isna().all()
        assert set(rest["iid"]) == {"train", "valid"}
        assert (rest["iid"] == "valid").mean() == pytest.approx(0.1, abs=0.03)
        others = twins[twins["patient"] != "patient_3"]
        pd.testing.assert_series_equal(others["ood"], others["iid"], check_names=False)

    def test_split_the_other_cells_as_without_a_twin(self, simulated: AnnData, twins: pd.DataFrame) -> None:
        adata = simulated.copy()
        cs.pp.split(adata, holdout={"patient": "patient_3"})
        others = twins["patient"] != "patient_3"
        pd.testing.assert_series_equal(adata.obs.loc[others, "split"], twins.loc[others, "ood"], check_names=False)

    def test_with_validation_groups_the_other_half_is_learnt_from(self, simulated: AnnData) -> None:
        adata = simulated.copy()
        groups = {"patient": "patient_1"}
        cs.pp.split(adata, holdout={"patient": "patient_3"}, twin="iid", valid_groups=groups)
        held = adata.obs[adata.obs["patient"] == "patient_3"]
        assert set(held["split"]) == {"ood", "train"}
        np.testing.assert_array_equal(adata.obs["split"] == "valid", adata.obs["patient"] == "patient_1")

    def test_cells_that_are_used_for_nothing_stay_out_of_everything(self, simulated: AnnData) -> None:
        adata = simulated.copy()
        cs.pp.split(adata, holdout={"patient": "patient_3"}, twin="ood")
        unused = adata.obs["split"].isna().to_numpy()
        other = adata[~unused].copy()
        for data in (adata, other):
            cs.pp.represent(data, n_components=5)
            cs.tl.cellot(data, solver="gaussian")
        np.testing.assert_array_equal(adata.uns["X_cellot"]["components"], other.uns["X_cellot"]["components"])
        a, b = (cs.tl.evaluate(data, split="ood", metrics="l2_means", n_boot=0) for data in (adata, other))
        pd.testing.assert_frame_equal(a, b)

    def test_a_condition_of_the_held_out_group_alone_can_be_seen(self) -> None:
        adata = cells({"control": 100, "a": 100, "b": 40}, patient=["p0", "p1"])
        adata = adata[(adata.obs["perturbation"] != "b") | (adata.obs["patient"] == "p1")].copy()
        cs.pp.split(adata, holdout={"patient": "p1"}, twin="ood")
        assert adata.obs.loc[adata.obs["perturbation"] == "b", "split"].isna().all()
        cs.pp.split(adata, holdout={"patient": "p1"}, twin="iid", valid_fraction=0)
        assert counts(adata).loc["b", "train"] == 10


def test_a_representation_made_before_is_told_of(simulated: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    adata = simulated.copy()
    cs.pp.split(adata)
    assert "Represent again" not in caplog.text
    cs.pp.represent(adata, n_components=3)
    cs.pp.split(adata, seed=1)
    assert "fitted before this split, on cells that it holds out: obsm['X_cellot']." in caplog.text


def test_own_names(simulated: AnnData) -> None:
    adata = simulated.copy()
    adata.obs["treatment"] = adata.obs["perturbation"].cat.rename_categories({"control": "vehicle"})
    del adata.obs["perturbation"]
    cs.pp.split(adata, "treatment", control="vehicle", key_added="fold")
    assert "split" not in adata.obs
    assert adata.obs["fold"].value_counts().to_dict() == {"train": 420, "test": 120, "valid": 60, "ood": 0}


class TestRecord:
    @pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
    def test_survives_files(self, simulated: AnnData, tmp_path: Path, suffix: str) -> None:
        adata = simulated.copy()
        adata.obs["batch"] = np.where(adata.obs["patient"] == "patient_0", 7, 8)
        cs.pp.split(adata, holdout={"batch": 7}, valid_groups="patient", stratify_by="cell_type", seed=5)
        path = tmp_path / f"cells{suffix}"
        adata.write_h5ad(path) if suffix == ".h5ad" else adata.write_zarr(path)
        record = (read_h5ad if suffix == ".h5ad" else read_zarr)(path).uns["split"]
        assert {name: [*of] for name, of in record["holdout"].items()} == {"batch": ["7"]}
        assert set(record["valid_groups"]["patient"]) < {"patient_1", "patient_2", "patient_3"}
        assert (record["perturbation_key"], record["control"], int(record["seed"])) == ("perturbation", "control", 5)
        assert [*record["stratify_by"]] == ["cell_type"] and "twin" not in record

    def test_of_a_column_of_texts_for_missing(self) -> None:
        adata = cells({"control": 40, "a": 40}, batch=["NA", "b"])
        cs.pp.split(adata, holdout={"batch": "NA"})
        assert [*adata.uns["split"]["holdout"]["batch"]] == ["NA"]

    def test_overwrites_nothing_else(self, simulated: AnnData) -> None:
        adata = simulated.copy()
        adata.uns["split"] = {"of": "another package"}
        with pytest.raises(ValueError, match=r"would overwrite what another .* in adata.uns\['split'\]"):
            cs.pp.split(adata)
        cs.pp.split(adata, key_added="mine")
        cs.pp.split(adata, key_added="mine", test_fraction=0.3)
        assert adata.uns["mine"]["test_fraction"] == 0.3
        with pytest.raises(ValueError, match="would overwrite how cells were split"):
            cs.pp.represent(adata, key_added="mine", split_key="mine")


def test_copy(simulated: AnnData) -> None:
    adata = simulated.copy()
    out = cs.pp.split(adata, copy=True)
    assert out is not None
    assert "split" not in adata.obs
    cs.pp.split(adata)
    pd.testing.assert_series_equal(out.obs["split"], adata.obs["split"])


def test_log_says_what_was_added(simulated: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    cs.pp.split(simulated.copy(), holdout={"patient": "patient_0"}, seed=3)
    assert "split cells (seed 3): 309 train, 45 valid, 90 test, 156 ood; added obs['split']" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"perturbation_key": "perturbatoin"}, KeyError, "Did you mean 'perturbation'"),
        ({"control": "contrl"}, ValueError, "Did you mean 'control'"),
        ({"stratify_by": "cell_typ"}, KeyError, "stratify_by 'cell_typ' is not in adata.obs. Did you mean 'cell_type'"),
        ({"stratify_by": ["cell_type", "patent"]}, KeyError, "Did you mean 'patient'"),
        ({"holdout": {"patent": "patient_1"}}, KeyError, "Did you mean 'patient'"),
        (
            {"holdout": {"patient": "patient_9"}},
            ValueError,
            "holdout value .* 'patient_9' is unknown. Valid",
        ),
        ({"holdout": {"patient": ["patient_1", "x"]}}, ValueError, "'x' is unknown"),
        ({"holdout": {"patient": []}}, ValueError, "holdout names no value"),
        ({"holdout": "patient_1"}, TypeError, "holdout is 'patient_1'; a dictionary or None is needed"),
        ({"test_fraction": 1}, ValueError, r"test_fraction is 1; a number in \[0, 1\)"),
        ({"test_fraction": -0.1}, ValueError, r"test_fraction is -0.1; a number in \[0, 1\)"),
        ({"valid_fraction": "half"}, ValueError, r"valid_fraction is 'half'; a number in \[0, 1\)"),
        ({"test_fraction": float("nan")}, ValueError, r"test_fraction is nan; a number in \[0, 1\)"),
        ({"test_fraction": 0.6, "valid_fraction": 0.4}, ValueError, "leave no cell to train on"),
        (
            {"test_fraction": 0.96, "valid_fraction": 0},
            ValueError,
            "control 'control' .* has 8 train cells",
        ),
        ({"holdout": {"perturbation": ["drug_a", "control"]}}, ValueError, "holdout names 'control' of 'perturbation'"),
        ({"valid_groups": {"perturbation": "drug_a"}}, ValueError, "names 'perturbation', the column of the pert"),
        ({"valid_groups": "patent"}, KeyError, "valid_groups 'patent' is not in adata.obs. Did you mean 'patient'"),
        ({"valid_groups": {"patent": "patient_1"}}, KeyError, "valid_groups column 'patent'.*Did you mean 'patient'"),
        ({"valid_groups": {"patient": "patient9"}}, ValueError, "valid_groups value .* 'patient9' is unknown. Valid"),
        ({"valid_groups": ["patient"]}, TypeError, r"valid_groups is \['patient'\]; text or a dictionary"),
        (
            {"valid_groups": "patient", "holdout": {"patient": ["patient_0", "patient_1", "patient_2"]}},
            ValueError,
            "that are not held out is 1; at least 2 are needed: one to select on, one to learn from",
        ),
        (
            {"valid_groups": {"patient": [f"patient_{i}" for i in range(4)]}},
            ValueError,
            "control 'control' .* has 0 train cells",
        ),
        ({"twin": "idd", "holdout": {"patient": "patient_1"}}, ValueError, "twin 'idd' is unknown. Did you mean 'iid'"),
        ({"twin": "iid"}, ValueError, "twin needs holdout"),
        ({"key_added": "patient", "valid_groups": "patient"}, ValueError, "key_added 'patient' would overwrite"),
        ({"seed": -1}, ValueError, "seed is -1"),
        ({"key_added": "perturbation"}, ValueError, "key_added 'perturbation' would overwrite"),
        (
            {"key_added": "patient", "holdout": {"patient": "patient_1"}},
            ValueError,
            "key_added 'patient' would overwrite",
        ),
        ({"key_added": "cell_type", "stratify_by": "cell_type"}, ValueError, "key_added 'cell_type' would overwrite"),
    ],
)
@pytest.mark.parametrize("copy", [True, False])
def test_bad_input(
    simulated: AnnData, arguments: dict[str, Any], error: type[Exception], message: str, copy: bool
) -> None:
    adata = simulated.copy()
    with pytest.raises(error, match=message):
        cs.pp.split(adata, **arguments, copy=copy)
    pd.testing.assert_frame_equal(adata.obs, simulated.obs)


def test_unlabelled_cells() -> None:
    adata = cells({"control": 20, "a": 20})
    adata.obs.loc["cell_3", "perturbation"] = None
    with pytest.raises(ValueError, match="is missing for 1 cells"):
        cs.pp.split(adata)


class TestConditionsOfFewCells:
    def test_are_left_out_with_one_line(self, caplog: pytest.LogCaptureFixture) -> None:
        adata = cells({"control": 40, "a": 40, "rare_1": 1, "rare_2": 12})
        cs.pp.split(adata)
        assert adata.obs.loc[adata.obs["perturbation"].isin(["rare_1", "rare_2"]), "split"].isna().all()
        few = "fewer than 10 train cells of 'rare_1' (1), 'rare_2' (9): their 13 cells are left out"
        assert [few in record.message for record in caplog.records] == [True, False]

    def test_change_nothing_for_the_others(self) -> None:
        some, all_ = cells({"control": 40, "a": 40}), cells({"control": 40, "a": 40, "rare": 3})
        for adata in (some, all_):
            cs.pp.split(adata)
        pd.testing.assert_series_equal(all_.obs.loc[some.obs_names, "split"], some.obs["split"])

    def test_with_nothing_left_to_learn(self) -> None:
        adata = cells({"control": 40, "a": 9, "b": 3})
        with pytest.raises(
            ValueError, match=r"train cells of 'a' \(6\), 'b' \(2\); at least 10 are needed: label more"
        ):
            cs.pp.split(adata)
        assert "split" not in adata.obs


class TestLabels:
    @pytest.mark.parametrize("control", [["control", "a"], ("control",), {"control"}, None, np.nan])
    def test_one_control(self, control: Any) -> None:
        with pytest.raises(TypeError, match="control is .*; one label is needed"):
            cs.pp.split(cells({"control": 40, "a": 40}), control=control)

    @pytest.mark.parametrize("text", ["nan", "None", "NA", "<NA>", ""])
    def test_a_text_that_means_missing(self, text: str) -> None:
        adata = cells({"control": 40, "a": 40, text: 15})
        with pytest.raises(ValueError, match=f"missing for 15 cells .of which '{text}' is the text.: leave these out"):
            cs.pp.split(adata)
        # what is named is meant
        cs.pp.split(adata, control=text)
        assert adata.obs["split"].notna().all()

    def test_values_are_as_good_as_their_text(self) -> None:
        adata = cells({"0": 40, "1": 40}, batch=[1, 2, 3, 4], old=[True, False])
        texts = adata.copy()
        adata.obs["perturbation"] = adata.obs["perturbation"].astype(float)
        cs.pp.split(texts, control="0", holdout={"batch": "3"}, valid_groups={"old": "True"}, key_added="s")
        cs.pp.split(texts, control="0", holdout={"batch": 3.0}, valid_groups={"old": [True]}, key_added="t")
        pd.testing.assert_series_equal(texts.obs["s"], texts.obs["t"], check_names=False)
        cs.pp.split(adata, control=0)  # type: ignore[arg-type]
        assert counts(adata).loc[0.0, "train"] == 28  # type: ignore[index]

    def test_missing_groups_are_not_held_out_by_chance(self) -> None:
        adata = cells({"control": 60, "a": 60}, patient=["p0", "p1", "nan"])
        for seed in range(5):
            cs.pp.split(adata, valid_groups="patient", seed=seed)
            assert set(adata.obs.loc[adata.obs["split"] == "valid", "patient"]) <= {"p0", "p1"}

    def test_a_text_for_missing_is_one_stratum_with_what_is_missing(self) -> None:
        text, missing = (cells({"control": 40, "a": 40}, batch=["x", value]) for value in ("NA", None))
        for adata in (text, missing):
            cs.pp.split(adata, stratify_by="batch")
        pd.testing.assert_series_equal(text.obs["split"], missing.obs["split"])

    @pytest.mark.parametrize("name", ["perturbation_key", "stratify_by"])
    def test_keys_are_names(self, name: str) -> None:
        arguments: dict[str, Any] = {name: [["perturbation"]]}
        with pytest.raises(TypeError, match=f"{name} is .*; text.* is needed"):
            cs.pp.split(cells({"control": 40, "a": 40}), **arguments)


def test_other_cells_of_the_same_names_were_not_learnt_from(
    simulated: AnnData, caplog: pytest.LogCaptureFixture
) -> None:
    adata = simulated.copy()
    cs.tl.cellot(adata, solver="mean_shift")
    other = cs.datasets.simulate(300, 60, seed=3)
    other.obsm["X_cellot"] = project(other.X, adata.uns["X_cellot"])
    other.uns |= {key: adata.uns[key] for key in ("X_cellot", "cellot")}
    cs.pp.split(other)
    assert "fitted before this split" not in caplog.text
    cs.pp.split(adata, seed=5)
    assert "fitted before this split, on cells that it holds out: obsm['X_cellot'], uns['cellot']." in caplog.text
