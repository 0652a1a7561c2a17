from __future__ import annotations

import numpy as np
import pytest

import cellot_sc as cs


def test_means_follow_the_curves() -> None:
    adata = cs.datasets.simulate_doses(2000, 4, scatter=0, n_replicates=1)
    truth = adata.uns["simulation"]["curves"].set_index("feature")
    means = adata.to_df().groupby([adata.obs["perturbation"], adata.obs["dose"]], observed=True).mean()
    for i, feature in enumerate(adata.var_names):
        gained = means.loc["drug_a", feature] - means.loc[("control", 0), feature]
        wanted = np.zeros(len(gained))
        if feature in truth.index:
            row = truth.loc[feature]
            wanted = row["top"] / (1 + (row["ec50"] / gained.index.to_numpy()) ** row["slope"])
        np.testing.assert_allclose(gained, wanted, atol=0.12, err_msg=str(i))
        np.testing.assert_allclose(means.loc["inert", feature] - means.loc[("control", 0), feature], 0, atol=0.12)


def test_wells_depart_from_the_curve() -> None:
    adata = cs.datasets.simulate_doses(400, 40, n_replicates=4, perturbations=("a", "b"))
    inert = adata[adata.obs["perturbation"] == "b"].copy()
    means = inert.to_df().groupby([inert.obs["dose"], inert.obs["replicate"]], observed=True).mean()
    assert means.std().mean() == pytest.approx(np.hypot(0.1, 1 / 20), rel=0.15)


def test_seeds() -> None:
    a, b, c = (cs.datasets.simulate_doses(20, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(a.X, b.X) and not np.array_equal(a.X, c.X)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"n_cells": 0}, "n_cells is 0"),
        ({"doses": (0, 1, 2)}, "above 0"),
        ({"perturbations": ("control",)}, "names the other cells"),
        ({"slope": -1}, "slope"),
    ],
)
def test_refusals(kwargs: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cs.datasets.simulate_doses(**kwargs)  # type: ignore[arg-type]
