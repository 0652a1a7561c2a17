from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc import ot
from cellot_sc.ot import ChainMap, Problem
from cellot_sc.tl import Fit
from cellot_sc.tl._fit import blocks

N = 240
RNG = np.random.default_rng(0)
LABELS = np.repeat(["control", "a", "b"], N // 3).astype(object)
PARTS = RNG.choice(["train", "train", "train", "valid", "test", "ood"], N).astype(object)
GROUPS = RNG.integers(3, size=N)
# cells that say who they are
X = np.arange(N, dtype=np.float32)[:, None]
FIT = Fit("perturbations", "drug", "control", ("b", "a"), use_rep="X", split_key="part", solver="identity")
WEIGHED = dataclasses.replace(FIT, source_weights="weight", target_weights="weight")


def cells(parts: np.ndarray = PARTS) -> AnnData:
    weights = np.random.default_rng(1).random(N)
    obs = pd.DataFrame({"drug": LABELS, "part": parts, "group": GROUPS, "weight": weights})
    return AnnData(X.copy(), obs=obs.set_index(obs.index.astype(str)))


def members(cloud: np.ndarray) -> np.ndarray:
    return cloud[:, 0].astype(int)


def positions(label: str, part: str) -> np.ndarray:
    return np.flatnonzero((LABELS == label) & (PARTS == part))


def typed(adata: AnnData, *context: str) -> list[Problem]:
    return dataclasses.replace(FIT, context=context or ("group",)).problems(adata)


class TestProblems:
    def test_clouds_are_those_of_label_and_split(self) -> None:
        for name, problem in zip(["b", "a"], FIT.problems(cells()), strict=True):
            np.testing.assert_array_equal(members(problem.source), positions("control", "train"))
            np.testing.assert_array_equal(members(problem.target), positions(name, "train"))
            np.testing.assert_array_equal(members(problem.source_valid), positions("control", "valid"))
            np.testing.assert_array_equal(members(problem.target_valid), positions(name, "valid"))
            assert problem.source_contexts is None and problem.target_contexts is None
            assert problem.source_weights is None and problem.target_weights is None

    def test_control_cells_are_kept_once(self) -> None:
        for first, second in (FIT.problems(cells()), typed(cells())):
            assert first.source is second.source
            assert first.source_valid is second.source_valid

    def test_contexts_are_those_of_the_cells_and_named(self) -> None:
        for problem in typed(cells()):
            assert problem.context_names == (("0", "1", "2"),)
            for cloud in ("source", "target", "source_valid", "target_valid"):
                codes = getattr(problem, f"{cloud}_contexts")
                assert codes.shape == (len(getattr(problem, cloud)), 1)
                np.testing.assert_array_equal(codes[:, 0], GROUPS[members(getattr(problem, cloud))])

    def test_cells_without_a_context_have_no_code(self) -> None:
        adata = cells()
        names = np.array(["B", "nan", "T"], dtype=object)[GROUPS]
        adata.obs["type"], adata.obs["patient"] = pd.Categorical(names), GROUPS + 5
        for problem in typed(adata, "type", "patient"):
            assert problem.context_names == (("B", "T"), ("5", "6", "7"))
            assert problem.source_contexts is not None
            groups = GROUPS[members(problem.source)]
            np.testing.assert_array_equal(problem.source_contexts[:, 0], np.array([0, -1, 1])[groups])
            np.testing.assert_array_equal(problem.source_contexts[:, 1], groups)
        fit = dataclasses.replace(FIT, context=("type", "patient"))
        rows = np.array([3, 1])
        expected = [[str({"nan": ""}.get(names[i], names[i])), str(GROUPS[i] + 5)] for i in rows]
        contexts = fit.contexts(adata, rows)
        assert contexts is not None and contexts.tolist() == expected
        assert FIT.contexts(adata) is None
        with pytest.raises(KeyError, match=r"context 'typ' is not in adata.obs. Did you mean 'type'\?"):
            dataclasses.replace(FIT, context=("typ",)).contexts(adata)

    @pytest.mark.parametrize(("label", "what"), [("control", "control 'control'"), ("a", "target 'a'")])
    def test_too_few_train_cells(self, label: str, what: str) -> None:
        parts = PARTS.copy()
        parts[np.flatnonzero(LABELS == label)] = "test"
        parts[np.flatnonzero(LABELS == label)[:9]] = "train"
        with pytest.raises(ValueError, match=f"{what} has 9 train cells; at least 10 are needed"):
            FIT.problems(cells(parts))

    def test_weights_are_those_of_the_cells_and_shared_with_them(self) -> None:
        adata = cells()
        weights = adata.obs["weight"].to_numpy()
        first, second = WEIGHED.problems(adata)
        for cloud in ("source", "target", "source_valid", "target_valid"):
            np.testing.assert_array_equal(getattr(second, f"{cloud}_weights"), weights[members(getattr(second, cloud))])
        assert first.source_weights is second.source_weights

    def test_a_time_course_goes_from_one_to_the_next_and_weighs_the_ends_apart(self) -> None:
        adata = cells()
        # cells of the last time send nothing, those of the first receive nothing
        adata.obs["sent"] = adata.obs["weight"].where(adata.obs["drug"] != "a")
        adata.obs["received"] = (2 * adata.obs["weight"]).where(adata.obs["drug"] != "control")
        course = dataclasses.replace(
            FIT, kind="time course", times=(0.0, 1.0, 2.0), source_weights="sent", target_weights="received"
        )
        assert course.pairs == [("control", "b"), ("b", "a")]
        first, second = course.problems(adata)
        np.testing.assert_array_equal(members(second.source), positions("b", "train"))
        np.testing.assert_array_equal(first.target_weights, adata.obs["received"].to_numpy()[members(first.target)])
        np.testing.assert_array_equal(second.source_weights, adata.obs["sent"].to_numpy()[members(second.source)])

    def test_dimensions_are_scaled_as_the_cost_weighs_them(self) -> None:
        fit = dataclasses.replace(FIT, feature_weights=(4.0,))
        np.testing.assert_array_equal(fit.problems(cells())[0].source[:, 0], 2 * positions("control", "train"))
        assert fit.unscaled(cs.ot.MeanShiftMap(np.ones(1))).transport(X[:1]).tolist() == [[0.5]]

    def test_cells_that_are_not_used_may_hold_nan(self) -> None:
        adata = cells()
        adata.X[positions("a", "test")] = np.nan
        FIT.problems(adata)
        adata.X[positions("a", "valid")] = np.nan
        FIT.problems(adata, [("control", "b")])
        with pytest.raises(ValueError, match="use_rep 'X' holds NaN or inf"):
            FIT.problems(adata)


def test_reads_the_cells_again(fitted: AnnData) -> None:
    fit = cs.tl.maps(fitted).fit
    np.testing.assert_array_equal(fit.labels(fitted), fitted.obs["perturbation"].astype(str))
    np.testing.assert_array_equal(fit.parts(fitted), fitted.obs["split"].astype(str))
    np.testing.assert_array_equal(fit.controls(fitted), np.flatnonzero(fitted.obs["perturbation"] == "control"))
    assert fit.space(fitted).name == "X_cellot"


class TestRefit:
    """Baselines see the cells that the maps were fitted to, and weigh them alike."""

    @pytest.fixture
    def weighed(self, prepared: AnnData) -> AnnData:
        adata = prepared.copy()
        adata.obs["weight"] = np.random.default_rng(0).gamma(1, size=adata.n_obs)
        return adata

    @pytest.mark.parametrize("solver", ["mean_shift", "gaussian"])
    @pytest.mark.parametrize("options", [{}, {"weights": "weight"}, {"feature_weights": np.arange(1.0, 9.0)}])
    def test_same_solver_same_maps(self, weighed: AnnData, solver: str, options: dict[str, Any]) -> None:
        cs.tl.cellot(weighed, solver=solver, **options)
        maps = cs.tl.maps(weighed)
        again = maps.fit.refit(weighed, [solver], ["drug_b"])[solver]
        assert list(again) == ["drug_b"]
        x = weighed.obsm["X_cellot"]
        np.testing.assert_array_equal(again["drug_b"].transport(x), maps["drug_b"].transport(x))

    def test_has_the_seed_of_the_fit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seeds, fit = [], cs.ot.fit

        def noted(*args: Any, seed: int) -> Any:
            seeds.append(seed)
            return fit(*args, seed=seed)

        monkeypatch.setattr(cs.ot, "fit", noted)
        dataclasses.replace(FIT, seed=3).refit(cells(), ["identity", "mean_shift"], ["a"])
        assert seeds == [3, 3]

    @pytest.mark.parametrize("tau", [(0.9, 1.0), (0.9, 0.9)])
    def test_of_a_course_that_grows(self, tau: tuple[float, float]) -> None:
        adata = cs.datasets.simulate_branching(600, 30, growth={"fate_a": 3})
        cs.tl.trajectory(adata, solver="gaussian", growth="unbalanced", tau=tau)
        maps = cs.tl.maps(adata, "trajectory")
        again = maps.fit.refit(adata, ["gaussian"], maps.fit.targets)["gaussian"]
        x = adata.obsm["X_cellot"]
        for name in maps:
            np.testing.assert_array_equal(again[name].transport(x), maps[name].transport(x))
        assert isinstance(again["2"], ChainMap)

    def test_of_a_course_that_does_not_grow_leads_there_at_once(self) -> None:
        adata = cs.datasets.simulate_branching(600, 30)
        cs.tl.trajectory(adata, solver="identity")
        direct = cs.tl.maps(adata, "trajectory").fit.refit(adata, ["gaussian"], ["2"])["gaussian"]["2"]
        assert not isinstance(direct, ChainMap)


def test_says_what_it_is() -> None:
    assert repr(FIT) == "Fit of perturbations in obs['drug']: 'control' to 'b', 'a' by 'identity' on 'X', seed 0"
    many = dataclasses.replace(FIT, targets=tuple("abcdefg"))
    assert "'a', 'b', 'c', 'd', 'e', ... by" in repr(many)


class TestKnowsItsCells:
    """A fit says so when it is compared with, or judged by, cells that it should not have seen or did not see."""

    @pytest.fixture
    def fitted(self, simulated: AnnData) -> AnnData:
        adata = simulated.copy()
        cs.pp.split(adata)
        cs.tl.cellot(adata, use_rep="X", solver="mean_shift")
        return adata

    def test_nothing_is_said_of_cells_that_were_held_out(
        self, fitted: AnnData, caplog: pytest.LogCaptureFixture
    ) -> None:
        fit = cs.tl.maps(fitted).fit
        assert fit.judged(fitted, "test").sum() == 120
        fit.problems(fitted)
        turned = fitted[::-1].copy()
        fit.judged(turned, "test")
        fit.problems(turned)
        assert not [record for record in caplog.records if record.levelname == "WARNING"]

    @pytest.mark.parametrize("use", ["evaluate", "export", "figure"])
    def test_every_judge_says_it(
        self, fitted: AnnData, use: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
    ) -> None:
        adata = fitted.copy()
        learnt = adata.obs["split"].isin(["train", "valid"]).to_numpy()
        cs.pp.split(adata, seed=7)
        share = 100 * learnt[(adata.obs["split"] == "test").to_numpy()].mean()
        if use == "evaluate":
            cs.tl.evaluate(adata, n_boot=0, metrics="l2_means", baselines=[])
        elif use == "export":
            cs.tl.export_cell_eval(adata, tmp_path)
        else:
            cs.pl.marginals(adata, "drug_a", features="gene_00", show=False)
        assert f"they have learnt from {share:.1f} % of the 120 test cells by which they are judged" in caplog.text

    def test_train_cells_are_judged_by_without_a_word(self, fitted: AnnData, caplog: pytest.LogCaptureFixture) -> None:
        assert cs.tl.maps(fitted).fit.judged(fitted, "train").sum() == 420
        assert "learnt from" not in caplog.text

    @pytest.mark.parametrize("change", ["label", "split", "fewer"])
    def test_baselines_of_other_cells(self, fitted: AnnData, change: str, caplog: pytest.LogCaptureFixture) -> None:
        adata = fitted.copy()
        train = np.flatnonzero((adata.obs["split"] == "train") & (adata.obs["perturbation"] == "drug_a"))
        if change == "fewer":
            adata = adata[np.delete(np.arange(adata.n_obs), train[0])].copy()
        else:
            column, value = {"label": ("perturbation", "drug_b"), "split": ("split", "test")}[change]
            adata.obs.iloc[train[0], adata.obs.columns.get_loc(column)] = value
        cs.tl.maps(adata).fit.refit(adata, ["mean_shift"], ["drug_a"])
        assert "are others than those that the maps were fitted to" in caplog.text

    def test_weights_that_have_changed(self, caplog: pytest.LogCaptureFixture) -> None:
        fit = WEIGHED.tied(cells())
        fit.problems(cells())
        assert not caplog.records
        other = cells()
        other.obs["weight"] += 1
        fit.problems(other)
        assert "are others than those" in caplog.text


class TestRelabelledCells:
    @pytest.mark.parametrize("use_rep", ["X_cellot", "X"])
    @pytest.mark.parametrize("pair", [("drug_a", "drug_b"), ("control", "drug_a")])
    def test_exchanged_labels_are_refused(self, prepared: AnnData, use_rep: str, pair: tuple[str, str]) -> None:
        adata = prepared.copy()
        cs.tl.cellot(adata, solver="mean_shift", use_rep=use_rep)
        one, other = pair
        adata.obs["perturbation"] = adata.obs["perturbation"].cat.rename_categories({one: other, other: one})
        for verb in (cs.tl.predict, cs.tl.signature, cs.tl.evaluate):
            with pytest.raises(ValueError, match=r"have other labels in adata.obs\['perturbation'\] since.*fit again"):
                verb(adata)

    def test_others_are_counted(self, prepared: AnnData, caplog: pytest.LogCaptureFixture) -> None:
        adata = prepared.copy()
        cs.tl.cellot(adata, solver="mean_shift")
        first = adata.obs_names[(adata.obs["split"] == "train") & (adata.obs["perturbation"] == "drug_a")][:3]
        adata.obs["perturbation"] = adata.obs["perturbation"].astype(str)
        cs.tl.signature(adata)
        assert "other labels" not in caplog.text
        adata.obs.loc[first, "perturbation"] = "doublet"
        cs.tl.signature(adata)
        assert "3 of 600 of the cells that there were when the maps were fitted have other labels" in caplog.text

    def test_a_condition_that_is_not_asked_for_may_be_gone(
        self, prepared: AnnData, caplog: pytest.LogCaptureFixture
    ) -> None:
        adata = prepared.copy()
        cs.tl.cellot(adata, solver="mean_shift")
        part = adata[adata.obs["perturbation"] != "drug_b"].copy()
        cs.tl.evaluate(part, targets="drug_a", metrics="energy_distance", n_boot=0)
        assert "are others than" not in caplog.text


class TestRefitInBlocks:
    @pytest.mark.parametrize("solver", ["mean_shift", "gaussian", "of the company"])
    def test_whole_blocks_are_fitted_as_all_are(self, solver: str) -> None:
        names = [f"t{i:02}" for i in range(18)]
        labels = np.resize(np.array(["control", *names]), 19 * 15)
        x = np.random.default_rng(0).normal(size=(len(labels), 3)).astype(np.float32)
        obs = pd.DataFrame({"drug": labels, "part": "train"}, index=[f"c{i}" for i in range(len(labels))])
        adata = AnnData(x, obs)
        fit = dataclasses.replace(FIT, targets=tuple(names))

        # as networks do, whose maps depend on what they are fitted with
        def company(problems: Any, options: Any, seed: int, progress: Any) -> list[ot.Solution]:
            shift = np.sum([problem.target.mean(axis=0) for problem in problems], axis=0) * len(problems)
            return [ot.Solution(ot.MeanShiftMap(shift), ot.History()) for _ in problems]

        @dataclasses.dataclass(frozen=True)
        class Options:
            pass

        used: Any = ot.Solver("of the company", "it", Options, company) if solver == "of the company" else solver
        [every] = fit.refit(adata, [used], names).values()
        for rows in blocks.split(len(names)):
            some = [names[i] for i in rows]
            [part] = fit.refit(adata, [used], some).values()
            for name in some:
                np.testing.assert_array_equal(part[name].transport(x), every[name].transport(x))
