"""What scanpy does with our results. Other packages, in an environment of their own: tests/interop."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
import scanpy as sc
from anndata import AnnData

import cellot_sc as cs

# scanpy drops columns in a way that pandas 3.1 deprecates
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.drop:DeprecationWarning")


@pytest.fixture(scope="module")
def fitted(simulated: AnnData) -> AnnData:
    adata = simulated.copy()
    cs.pp.split(adata)
    cs.pp.represent(adata, n_components=10)
    cs.tl.cellot(adata, solver="gaussian")
    return adata


@pytest.fixture
def predicted(fitted: AnnData) -> AnnData:
    return cs.tl.predict(fitted, "drug_a")


@pytest.fixture
def both(fitted: AnnData, predicted: AnnData) -> AnnData:
    """Control, observed and predicted cells, told apart by ``obs["role"]``."""
    return cs.tl.combine(fitted, predicted, umap=False)


def test_prediction_has_the_cells_and_genes_that_it_was_made_from(fitted: AnnData, predicted: AnnData):
    # as pertpy's predictors return it: an AnnData of the source cells in the space of the genes
    control = fitted[fitted.obs["perturbation"] == "control"]
    assert predicted.obs_names.tolist() == control.obs_names.tolist()
    assert predicted.var_names.tolist() == fitted.var_names.tolist()
    assert predicted.obs["cell_type"].tolist() == control.obs["cell_type"].tolist()
    assert set(predicted.obs["perturbation"]) == {"drug_a"}


def test_scanpy_plots_and_tests_predicted_cells(both: AnnData, predicted: AnnData):
    genes = both.var_names[:3].tolist()
    sc.tl.rank_genes_groups(both, "role", method="t-test", reference="control")
    assert len(sc.get.rank_genes_groups_df(both, "predicted")) == both.n_vars
    assert sc.pl.violin(both, genes, groupby="role", show=False) is not None
    assert sc.pl.dotplot(predicted, genes, groupby="cell_type", show=False) is not None
    sc.pp.pca(predicted, n_comps=5)
    assert sc.pl.pca(predicted, color="cell_type", show=False) is not None


def test_scanpy_sums_counts_over_patients(fitted: AnnData, predicted: AnnData):
    cs.pp.to_counts(predicted, fitted)
    sums = sc.get.aggregate(predicted, by=["patient", "cell_type"], func="sum", layer="counts")
    assert sums.n_obs == predicted.obs.groupby(["patient", "cell_type"], observed=True).ngroups
    assert sums.layers["sum"].sum() == predicted.layers["counts"].sum()
    predicted.X = predicted.layers["counts"].copy()
    sc.pp.normalize_total(predicted)
    sc.pp.log1p(predicted)
    assert np.isfinite(predicted.X.data).all()


def test_scanpy_colours_control_cells_by_their_cost(fitted: AnnData):
    adata = fitted.copy()
    cs.tl.cellot(adata, solver="gaussian", displacements=True)
    assert sc.pl.embedding(adata, "X_cellot", color="cost_drug_a", show=False) is not None


def called(a: Any, b: Any) -> int:
    """Return how many genes scanpy's Wilcoxon test calls different between two kinds of cells."""
    x = np.concatenate([part.toarray() if hasattr(part, "toarray") else part for part in (a, b)])
    cells = AnnData(x.astype(np.float32))
    cells.obs["kind"] = np.repeat(["a", "b"], [a.shape[0], b.shape[0]])
    cells.obs["kind"] = cells.obs["kind"].astype("category")
    sc.tl.rank_genes_groups(cells, "kind", groups=["a"], reference="b", method="wilcoxon")
    return int((sc.get.rank_genes_groups_df(cells, "a")["pvals_adj"] < 0.05).sum())


class Blood(NamedTuple):
    """Test cells of Kang et al.: measured control and stimulated ones, predicted ones, and all of them decoded."""

    adata: AnnData
    control: AnnData
    observed: AnnData
    predicted: AnnData
    both: AnnData


@pytest.fixture(scope="module")
def blood(kang_cells: AnnData) -> Blood:
    adata = kang_cells.copy()
    sc.pp.highly_variable_genes(adata, n_top_genes=1000)
    adata = adata[:, adata.var["highly_variable"]].copy()
    cs.pp.split(adata, "condition", test_fraction=0.2)
    cs.pp.represent(adata, n_components=50)
    cs.tl.cellot(adata, "condition")
    test = adata[adata.obs["split"] == "test"]
    control, observed = (test[test.obs["condition"] == name].copy() for name in ("control", "stimulated"))
    predicted = cs.tl.predict(adata, cells=control.obs_names)
    cs.pp.to_counts(predicted, adata)
    return Blood(adata, control, observed, predicted, cs.tl.combine(adata, predicted, split="test", umap=False))


@pytest.mark.slow
def test_of_blood_measured_cells_differ_from_decoded_ones_in_every_gene(blood: Blood):
    """A good prediction: what the page on other packages says of it."""
    decoded = {role: blood.both[blood.both.obs["role"] == role].X for role in ("control", "observed", "predicted")}
    assert called(decoded["predicted"], blood.observed.X) > 980
    assert called(decoded["predicted"], decoded["observed"]) < 20
    # nor do decoded cells say which genes respond: they lack the noise that a test goes by
    assert called(decoded["control"], decoded["observed"]) > 400
    assert called(blood.control.X, blood.observed.X) < 40


def sizes(adata: AnnData) -> np.ndarray:
    """Return the factor from normalised to raw counts of every cell."""
    raw, normalised = adata.layers["counts"].sum(axis=1), adata.X.expm1().sum(axis=1)
    return np.asarray(raw).ravel() / np.asarray(normalised).ravel()


@pytest.mark.slow
def test_of_blood_counts_are_like_observed_ones(blood: Blood):
    """Of cells that nothing was learnt from, thinned to the depth of the source cells, which is 12 % lower."""
    rng, source = np.random.default_rng(0), sizes(blood.control)
    depth = source.mean() / sizes(blood.observed).mean()
    observed = rng.binomial(blood.observed.layers["counts"].toarray().astype(int), depth)
    counts = blood.predicted.layers["counts"].toarray()
    multinomial = cs.pp.to_counts(blood.predicted, blood.adata, distribution="multinomial", copy=True)
    assert multinomial is not None
    # what one would do without the factors: share out the counts of the source cell
    rates, totals = np.expm1(blood.predicted.X.astype(float)), blood.control.layers["counts"].sum(axis=1)
    naive = rng.multinomial(np.asarray(totals).ravel().astype(int), rates / rates.sum(axis=1, keepdims=True))
    seen = observed.mean(axis=0) > 0.05
    assert seen.sum() > 250

    def compared(drawn: np.ndarray) -> tuple[float, float, float]:
        """Return correlation and error of log means, and the median ratio of variances."""
        mine, theirs = (np.log(x.mean(axis=0)[seen] + 0.01) for x in (drawn, observed))
        ratio = np.median(drawn.var(axis=0)[seen] / observed.var(axis=0)[seen])
        return np.corrcoef(mine, theirs)[0, 1], np.sqrt(((mine - theirs) ** 2).mean()), float(ratio)

    (r, off, ratio), (_, _, shared) = compared(counts), compared(multinomial.layers["counts"].toarray())
    r_naive, off_naive, ratio_naive = compared(naive)
    # measured train cells have .97 and .32
    assert r > max(0.93, r_naive)
    assert off < 0.6 * off_naive
    assert 0.85 < ratio < 1.1 and 0.8 < shared < 1.05 and ratio_naive < 0.55
    assert (counts == 0).mean() == pytest.approx((observed == 0).mean(), abs=0.003)
    assert (naive == 0).mean() > (observed == 0).mean() + 0.01
    logs = [np.log1p(1e3 * x / np.maximum(x.sum(axis=1, keepdims=True), 1)) for x in (counts, observed)]
    assert called(*logs) < 15
