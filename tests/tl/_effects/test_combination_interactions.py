from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs

N_GENES = 2000


def cells_that_add_up(
    seed: int, *, n_cells: int, n_units: int = 0, nested: bool = False, added: float = 0.0, n_genes: int = N_GENES
) -> AnnData:
    """Return log expression, skewed, with variances that differ between genes and conditions, to which effects add.

    With units, their levels and effects scatter. ``added`` is added to every tenth gene of cells with both.
    """
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0, 0.7, (2, n_genes))
    a[::3] = b[1::3] = 0
    effects = {"control": 0 * a, "a": a, "b": b, "a+b": a + b + added * (np.arange(n_genes) % 10 == 0)}
    base, spread = rng.gamma(2, 1, n_genes), rng.uniform(0.3, 1.2, n_genes)
    level = rng.normal(0, 0.3, (max(n_units, 1), n_genes))
    blocks, rows = [], []
    for i, (name, effect) in enumerate(effects.items()):
        for unit in range(max(n_units, 1)):
            off = rng.normal(0, 0.3, n_genes) + level[unit] * (not nested) if n_units else 0.0
            noise = spread * (1 + 0.3 * i) * (rng.gamma(1, 1, (n_cells, n_genes)) - 1)
            blocks.append(base + effect + off + noise)
            rows += [(name, f"{name if nested else ''}{unit}")] * n_cells
    obs = pd.DataFrame(rows, columns=["perturbation", "well"], index=[f"c{i}" for i in range(len(rows))])
    var = pd.DataFrame(index=[f"g{i}" for i in range(n_genes)])
    return AnnData(np.concatenate(blocks).astype(np.float32), obs=obs, var=var)


@pytest.mark.parametrize(
    "design",
    [
        {"n_cells": 40},
        {"n_cells": 150},
        {"n_cells": 15, "n_units": 3},
        {"n_cells": 15, "n_units": 5},
        {"n_cells": 15, "n_units": 2, "nested": True},
        {"n_cells": 15, "n_units": 4, "nested": True},
    ],
)
def test_what_adds_up_is_no_interaction(design: dict[str, Any]) -> None:
    table = cs.tl.interactions(cells_that_add_up(0, **design), unit="well" if "n_units" in design else None)
    assert len(table) == N_GENES
    called = (table["pvalue"] < 0.05).mean()
    assert 0.03 < called <= 0.062
    assert ((table["ci_low"] <= 0) & (table["ci_high"] >= 0)).mean() == pytest.approx(1 - called)
    assert (table["kind"] != "none").sum() <= 2


def test_cells_of_a_well_are_no_replicates() -> None:
    table = cs.tl.interactions(cells_that_add_up(0, n_cells=60, n_units=3, nested=True))
    assert (table["pvalue"] < 0.05).mean() > 0.3


@pytest.mark.parametrize(
    ("design", "power"),
    [
        ({"n_cells": 150}, 0.95),
        ({"n_cells": 30, "n_units": 5}, 0.9),
        ({"n_cells": 30, "n_units": 5, "nested": True}, 0.9),
    ],
)
def test_what_does_not_add_up_is_found(design: dict[str, Any], power: float) -> None:
    adata = cells_that_add_up(1, added=1.5, **design)
    table = cs.tl.interactions(adata, unit="well" if "n_units" in design else None)
    real = np.arange(N_GENES) % 10 == 0
    found = (table["kind"] != "none").to_numpy()
    assert found[real].mean() >= power
    assert found[~real].sum() <= 0.1 * found.sum()
    assert np.abs(table.loc[real, "interaction"].mean() - 1.5) < 0.05
    holds = (table["ci_low"] <= 1.5 * real) & (1.5 * real <= table["ci_high"])
    assert 0.92 < holds.mean() < 0.98


def exactly(control: float, a: float, b: float, both: float) -> AnnData:
    """Return cells of one gene with these means, and of one that does not vary."""
    means = {"control": control, "a": a, "b": b, "a+b": both}
    wave = 0.1 * np.cos(np.arange(40))
    x = np.concatenate([np.stack([mean + wave - wave.mean(), np.full(40, 0.3)], axis=1) for mean in means.values()])
    obs = pd.DataFrame({"perturbation": np.repeat([*means], 40)}, index=[f"c{i}" for i in range(160)])
    return AnnData(x.astype(np.float32), obs=obs, var=pd.DataFrame(index=["gene", "constant"]))


@pytest.mark.parametrize(
    ("both", "effects", "kind"),
    [
        (5.0, (1.0, 2.0), "none"),
        (6.0, (1.0, 2.0), "synergy"),
        (3.0, (1.0, 2.0), "antagonism"),
        (1.0, (1.0, 2.0), "antagonism"),
        (-8.0, (-3.0, -1.0), "synergy"),
        (0.0, (-3.0, -1.0), "antagonism"),
        # neither does anything alone: whatever both do is synergy
        (1.0, (0.0, 0.0), "synergy"),
        (3.0, (0.0, 0.0), "synergy"),
        # one undoes the other
        (3.0, (2.0, -2.0), "synergy"),
        (4.0, (2.0, 0.0), "none"),
        (2.0, (2.0, 0.0), "antagonism"),
    ],
)
def test_kinds(both: float, effects: tuple[float, float], kind: str) -> None:
    a, b = effects
    row, constant = cs.tl.interactions(exactly(2, 2 + a, 2 + b, both)).to_dict("records")
    assert row["kind"] == kind
    assert row["observed"] == pytest.approx(both - 2, abs=1e-5)
    assert (row["effect_first"], row["effect_second"]) == pytest.approx((a, b), abs=1e-5)
    assert row["expected_sum"] == pytest.approx(a + b, abs=1e-5)
    assert row["expected_mean"] == pytest.approx((a + b) / 2, abs=1e-5)
    assert abs(row["expected_max"]) == pytest.approx(max(abs(a), abs(b)), abs=1e-5)
    assert row["interaction"] == pytest.approx(both - 2 - a - b, abs=1e-5)
    assert row["beyond_max"] == pytest.approx(row["observed"] - row["expected_max"])
    assert row["beyond_mean"] == pytest.approx(row["observed"] - row["expected_mean"])
    assert (constant["kind"], constant["interaction"], constant["pvalue"]) == ("none", 0, 1)


def test_by_type_and_name() -> None:
    drugs = ("drug_a", "drug_b", "drug_c", "inert")
    adata = cs.datasets.simulate(
        1500, 30, perturbations=drugs, combinations=[("drug_a", "drug_b"), ("inert", "drug_c")], interaction=1.5
    )
    table = cs.tl.interactions(adata, groupby="cell_type")
    assert table.groupby(["perturbation", "group"], observed=True).size().eq(30).all()
    assert table["perturbation"].unique().tolist() == ["drug_a+drug_b", "inert+drug_c"]
    assert table[["first", "second"]].drop_duplicates().to_numpy().tolist() == [
        ["drug_a", "drug_b"],
        ["inert", "drug_c"],
    ]
    truth = adata.uns["simulation"]["interactions"]
    signs = truth.set_index(["perturbation", "cell_type", "gene"])["log_fold_change"]
    found = table.set_index(["perturbation", "group", "feature"]).loc[signs.index]
    assert (np.sign(found["interaction"]) == np.sign(signs)).all() and (found["pvalue_adj"] < 0.05).mean() > 0.9
    adata.obs["perturbation"] = adata.obs["perturbation"].cat.rename_categories({"drug_a+drug_b": "mix"})
    named = cs.tl.interactions(adata, "mix", combinations={"mix": ("drug_b", "drug_a")}, groupby="cell_type")
    rows = cs.pl.effect_heatmap(table, value="interaction", show=False).get_yticklabels()
    assert len(rows) == 8
    first = table.query("perturbation == 'drug_a+drug_b'")
    np.testing.assert_allclose(named["pvalue"], first["pvalue"])
    np.testing.assert_allclose(named["effect_second"], first["effect_first"])


def test_too_few_units_are_told(caplog: pytest.LogCaptureFixture) -> None:
    adata = cells_that_add_up(0, n_cells=12, n_units=2, n_genes=20)
    with caplog.at_level("WARNING"):
        table = cs.tl.interactions(adata, unit="well")
    assert "a+b: no p-value is given" in caplog.text and "2 units with all four conditions, 3 are needed" in caplog.text
    assert table[["se", "df", "ci_low", "ci_high", "pvalue", "pvalue_adj"]].isna().all(axis=None)
    assert table["kind"].eq("unknown").all() and table["interaction"].notna().all()
    assert table["n_units"].eq(2).all() and table["n_cells"].eq(24).all()


def test_dimensions_and_layers() -> None:
    adata = cells_that_add_up(0, n_cells=20, n_genes=12)
    adata.obsm["X_latent"], adata.layers["log"] = adata.X[:, :3].copy(), adata.X.copy()
    by_gene = cs.tl.interactions(adata)
    latent = cs.tl.interactions(adata, use_rep="X_latent")
    assert latent["feature"].tolist() == ["X_latent_0", "X_latent_1", "X_latent_2"]
    np.testing.assert_allclose(latent["interaction"], by_gene["interaction"][:3])
    adata.X = None
    pd.testing.assert_frame_equal(cs.tl.interactions(adata, layer="log"), by_gene)
    with pytest.raises(ValueError, match="exclude each other"):
        cs.tl.interactions(adata, use_rep="X_latent", layer="log")


def test_without_combinations() -> None:
    adata = cells_that_add_up(0, n_cells=20, n_genes=12)
    alone = adata[adata.obs["perturbation"] != "a+b"].copy()
    with pytest.raises(ValueError, match="joins two single perturbations by '\\+'"):
        cs.tl.interactions(alone)
    with pytest.raises(ValueError, match="combinations of label 'a_b' is unknown"):
        cs.tl.interactions(adata, combinations={"a_b": ("a", "b")})
