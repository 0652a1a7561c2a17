from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc.tl._effects.displacements import displacements
from cellot_sc.tl._effects.null import null
from cellot_sc.tl._effects.similarity import cosines


def fitted_to(adata: AnnData) -> AnnData:
    cs.pp.split(adata)
    cs.pp.represent(adata, n_components=10)
    cs.tl.cellot(adata, solver="gaussian")
    return adata


def test_modes_of_action():
    # the last drug is inert
    adata = cs.datasets.simulate(2000, 60, perturbations=("drug_a", "drug_b", "drug_c"))
    labels = adata.obs["perturbation"].astype(str).to_numpy(dtype=object)
    for drug in ("drug_a", "drug_b"):
        rows = np.flatnonzero(labels == drug)
        labels[rows] = [f"{drug}_{i % 2}" for i in range(len(rows))]
    adata.obs["perturbation"] = pd.Categorical(labels)
    similarity: Any = cs.tl.perturbation_similarity(fitted_to(adata))
    assert similarity.index.tolist() == similarity.columns.tolist()
    np.testing.assert_allclose(similarity, similarity.T)
    assert similarity.index[-1] == "drug_c"
    assert similarity["drug_c"].isna().all() and similarity.loc["drug_c"].isna().all()
    similarity = similarity.iloc[:4, :4]
    assert np.diag(similarity).tolist() == [1.0] * 4
    assert similarity.loc["drug_a_0", "drug_a_1"] > 0.8
    assert abs(similarity.loc["drug_a_0", "drug_b_0"]) < 0.4
    # the two that act alike are side by side
    names = similarity.index.tolist()
    assert abs(names.index("drug_a_0") - names.index("drug_a_1")) == 1
    two: Any = cs.tl.perturbation_similarity(adata, targets=["drug_a_0", "drug_b_1"])
    pd.testing.assert_frame_equal(two, similarity.loc[two.index, two.index])


def test_inert_drugs_are_not_alike_for_their_common_control():
    corrected, plain = [], []
    for seed in range(12):
        adata = cs.datasets.simulate(900, 40, seed=seed)
        adata = adata[adata.obs["perturbation"] != "drug_a"].copy()
        adata.obs["perturbation"] = np.random.default_rng(seed).permutation(["control", "x", "y"] * 200)
        moves = displacements(fitted_to(adata), "cellot")
        corrected.append(cosines(moves, null(moves, seed=0))[0, 1])
        x, y = (moves.of(name).ravel() for name in ("x", "y"))
        plain.append(x @ y / np.sqrt((x @ x) * (y @ y)))
    # half of the noise of each field is that of the control cells
    assert np.mean(plain) == pytest.approx(0.5, abs=0.2)
    assert np.mean(corrected) == pytest.approx(0, abs=0.2)


def test_one_drug_and_one_that_does_not_move(prepared: AnnData):
    adata = prepared.copy()
    cs.tl.cellot(adata, targets="drug_a", solver="gaussian")
    assert cs.tl.perturbation_similarity(adata).values.tolist() == [[1.0]]
    cs.tl.cellot(adata, solver="identity")
    assert cs.tl.perturbation_similarity(adata).isna().all(axis=None)


def test_errors(fitted: AnnData):
    with pytest.raises(ValueError, match="seed is -1"):
        cs.tl.perturbation_similarity(fitted, seed=-1)


def test_within_noise_is_what_the_table_of_costs_says():
    adata = fitted_to(cs.datasets.simulate(1200, 40, perturbations=[f"drug_{i}" for i in range(5)]))
    costs = cs.tl.transport_cost(adata).set_index("perturbation")
    similarity = cs.tl.perturbation_similarity(adata)
    unknown = similarity.index[similarity.isna().all(axis=1)]
    assert set(unknown) == set(costs.index[costs["ci_low"] <= costs["null"]]) != set()
