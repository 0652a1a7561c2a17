from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import cellot_sc as cs
from cellot_sc.datasets import _effects
from cellot_sc.datasets._design import Mix
from cellot_sc.datasets._populations import CountPopulation

SMALL: dict[str, Any] = {"n_cells": 600, "n_genes": 60}


def simulate(*args: Any, **options: Any) -> Any:
    """Return the simulated AnnData; what its parts are is for the tests to say, not for their types."""
    return cs.datasets.simulate(*args, **options)


def of(adata: Any, condition: str) -> np.ndarray:
    return (adata.obs["perturbation"] == condition).to_numpy()


def change(adata: Any, perturbation: str) -> np.ndarray:
    """Counterfactual minus observed expression of control cells."""
    control = of(adata, "control")
    return adata.layers[f"counterfactual_{perturbation}"][control] - adata.X[control].toarray()


def test_roles() -> None:
    def roles(*perturbations: str) -> dict[str, str]:
        adata = simulate(400, 20, perturbations=perturbations)
        return dict(adata.uns["simulation"]["roles"])

    assert roles("a") == {"a": "all_types"}
    assert roles("a", "b") == {"a": "one_type", "b": "inert"}
    assert roles("z", "y", "x", "w") == {"z": "all_types", "y": "all_types", "x": "one_type", "w": "inert"}


def test_inert_perturbation_changes_nothing_in_any_cell() -> None:
    adata = simulate(**SMALL)
    np.testing.assert_array_equal(change(adata, "drug_b"), 0)
    responses = adata.uns["simulation"]["responses"]
    assert not responses.loc[responses["perturbation"] == "drug_b", "responds"].any()


def test_one_type_responds_up_and_down() -> None:
    adata = simulate(**SMALL)
    truth = adata.uns["simulation"]
    responses = truth["responses"].query("perturbation == 'drug_a'")
    assert responses["responds"].tolist() == [True, False, False, False]
    effects = truth["effects"].query("perturbation == 'drug_a'")
    assert set(effects["cell_type"]) == {"type_0"}
    assert (np.sign(effects["log_fold_change"]).value_counts() == 6).all()
    assert effects["log_fold_change"].abs().between(1, 2).all()

    responder = (adata.obs["cell_type"] == "type_0").to_numpy()[of(adata, "control")]
    shift = change(adata, "drug_a")
    np.testing.assert_array_equal(shift[~responder], 0)
    mean_shift = pd.Series(shift[responder].mean(axis=0), index=adata.var_names)[effects["gene"]].to_numpy()
    assert (np.sign(mean_shift) == np.sign(effects["log_fold_change"])).all()


def test_general_perturbation_acts_on_every_type_in_its_own_way() -> None:
    adata = simulate(**SMALL, perturbations=("ifn", "a", "b"))
    truth = adata.uns["simulation"]
    effects = (
        truth["effects"]
        .query("perturbation == 'ifn'")
        .pivot(index="gene", columns="cell_type", values="log_fold_change")
    )
    shared = effects.dropna()
    assert len(shared) >= 6
    assert (np.sign(shared).nunique(axis=1) == 1).sum() >= 6
    assert shared.abs().std(axis=1).min() > 0.01
    assert effects.isna().any(axis=1).any()
    strength = truth["patients"].query("perturbation == 'ifn'")["strength"]
    assert strength.nunique() == 4
    assert strength.between(0.5, 2).all()
    cell_type = adata.obs["cell_type"].to_numpy()[of(adata, "control")]
    for name in np.unique(cell_type):
        assert np.abs(change(adata, "ifn")[cell_type == name]).max(axis=1).min() > 0


def deviations(adata: Any, perturbation: str, cell_type: str) -> pd.DataFrame:
    """Patients by genes, 0 where the table names none."""
    table = adata.uns["simulation"]["deviations"].query("perturbation == @perturbation and cell_type == @cell_type")
    wide = table.pivot(index="patient", columns="gene", values="log_fold_change")
    return wide.reindex(index=adata.obs["patient"].cat.categories, columns=adata.var_names).fillna(0)


def test_noise_of_patients_is_their_own_and_the_same_in_all_types() -> None:
    adata = simulate(2000, 40, n_patients=40, n_cell_types=2, patient_noise=0.4)
    of_inert = deviations(adata, "drug_b", "type_0")
    assert of_inert.to_numpy().std() == pytest.approx(0.4, rel=0.05)
    # no mean over patients but what 40 of them have by chance
    assert of_inert.mean().std() == pytest.approx(0.4 / np.sqrt(40), rel=0.3)
    pd.testing.assert_frame_equal(of_inert, deviations(adata, "drug_b", "type_1"))
    # half of the variance is the control's, which perturbations share
    of_drug = deviations(adata, "drug_a", "type_0")
    assert np.corrcoef(of_inert.to_numpy().ravel(), of_drug.to_numpy().ravel())[0, 1] == pytest.approx(0.5, abs=0.1)
    assert not adata.uns["simulation"]["responses"].query("perturbation == 'drug_b'")["responds"].any()


def test_patients_leave_population_and_shared_responses_as_they_were() -> None:
    plain, noisy = simulate(**SMALL), simulate(**SMALL, patient_noise=0.3, patient_slope=2)
    for name in ("responses", "effects", "patients"):
        pd.testing.assert_frame_equal(plain.uns["simulation"][name], noisy.uns["simulation"][name])
    sloping = simulate(**SMALL, patient_slope=2)
    control = of(plain, "control")
    np.testing.assert_array_equal(plain.X[control].toarray(), sloping.X[control].toarray())
    assert "deviations" not in plain.uns["simulation"]


def test_response_depends_on_the_baseline_of_the_patient() -> None:
    adata = simulate(4000, 60, n_cell_types=1, n_patients=8, perturbations=["p"], patient_slope=4.0)
    changed = adata.uns["simulation"]["effects"]["gene"]
    table = deviations(adata, "p", "type_0")
    assert (table.loc[:, ~table.columns.isin(changed)] == 0).all(axis=None)
    np.testing.assert_allclose(table.mean(), 0, atol=1e-12)
    control = of(adata, "control")
    counts = pd.DataFrame(adata.layers["counts"][control].toarray(), columns=adata.var_names)
    baseline = np.log(counts.groupby(adata.obs["patient"].to_numpy()[control]).mean())
    baseline -= baseline.mean()
    slope = (baseline[changed] * table[changed]).sum().sum() / (baseline[changed] ** 2).sum().sum()
    assert slope == pytest.approx(4, rel=0.2)


def test_counterfactuals_know_the_patient() -> None:
    adata = simulate(6000, 40, n_cell_types=1, n_patients=3, perturbations=["a", "inert"], patient_noise=0.5)
    control, treated = of(adata, "control"), of(adata, "inert")
    for patient in adata.obs["patient"].cat.categories:
        cells = (adata.obs["patient"] == patient).to_numpy()
        truth = adata.layers["counterfactual_inert"][control & cells].mean(axis=0)
        seen = np.asarray(adata.X[treated & cells].mean(axis=0)).ravel()
        start = np.asarray(adata.X[control & cells].mean(axis=0)).ravel()
        assert np.abs(truth - start).max() > 0.3
        assert np.abs(seen - truth).max() < 0.25


def test_two_at_once_are_the_sum_in_every_cell() -> None:
    population = CountPopulation.random(40, 2, 3, np.random.default_rng(0))
    streams = np.random.SeedSequence(1).spawn(3)
    effects = [
        _effects.no_effect("control", population),
        *_effects.draw_effects(["a", "b", "c"], population, streams[0]),
    ]
    at_rest, *alone = _effects.personal(effects, population, noise=0.2, slope=0.1, stream=streams[1])
    cells = population.draw(12, Mix(np.ones(2), np.ones(3)), np.random.default_rng(2))
    for size in (0.0, 0.8):
        pairs = {"a+b": ("a", "b"), "a+c": ("a", "c")}
        both = _effects.combined(pairs, at_rest, alone, population, interaction=size, stream=streams[2])
        assert [effect.perturbation for effect in both] == ["a+b", "a+c"]
        beyond = both[0].of(cells) - alone[0].of(cells) - alone[1].of(cells) + at_rest.of(cells)
        np.testing.assert_allclose(beyond, both[0].interaction[cells.types], atol=1e-12)
        table = _effects.interactions(both, population)
        assert len(table) == (2 * 2 * 4 if size else 0)
        assert set(table["log_fold_change"]) == ({size, -size} if size else set())
