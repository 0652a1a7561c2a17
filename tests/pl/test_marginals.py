from __future__ import annotations

import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from anndata import AnnData
from matplotlib.axes import Axes
from scipy import sparse, stats

import cellot_sc as cs
from cellot_sc.metrics import wasserstein_marginals
from cellot_sc.pl import _colors, _marginals


def in_test(adata: AnnData, label: str) -> np.ndarray:
    return ((adata.obs["perturbation"] == label) & (adata.obs["split"] == "test")).to_numpy()


def curve(ax: Axes, role: str) -> tuple[np.ndarray, np.ndarray]:
    [line] = [line for line in ax.lines if line.get_label() == role]
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


def mean_of(ax: Axes, role: str) -> float:
    x, y = curve(ax, role)
    return float((x * y).sum() / y.sum())


def printed(ax: Axes) -> tuple[float, float]:
    [text] = [text.get_text() for text in ax.texts]
    found = re.fullmatch(r"W\$_1\$: control (\S+), predicted (\S+)", text)
    assert found is not None, text
    return float(found[1]), float(found[2])


def test_curves_are_those_of_decoded_cells(fitted: AnnData) -> None:
    panels = cs.pl.marginals(fitted, "drug_a", features=["gene_03", "gene_41"], show=False)
    assert list(panels) == [("drug_a", "gene_03"), ("drug_a", "gene_41")]
    latent = fitted.obsm["X_cellot"]
    control, observed = (cs.pp.decode(fitted, latent[in_test(fitted, name)]) for name in ("control", "drug_a"))
    predicted = cs.tl.predict(fitted, "drug_a", cells=in_test(fitted, "control")).X
    for (_, feature), ax in panels.items():
        i = fitted.var_names.get_loc(feature)
        for role, x in {"control": control, "observed": observed, "predicted": predicted}.items():
            at, height = curve(ax, role)
            assert np.trapezoid(height, at) == pytest.approx(1, abs=0.02)
            assert mean_of(ax, role) == pytest.approx(x[:, i].mean(), abs=0.03)
        far, near = (wasserstein_marginals(x, observed)[i] for x in (control, predicted))
        assert printed(ax) == (pytest.approx(far, rel=0.05), pytest.approx(near, rel=0.05))
        assert ax.get_title(loc="left") == feature


def test_features_by_default_are_the_most_changed_of_train_cells(fitted: AnnData) -> None:
    train = fitted[fitted.obs["split"] == "train"]
    decoded = cs.pp.decode(train, train.obsm["X_cellot"])
    treated, control = (decoded[(train.obs["perturbation"] == name).to_numpy()] for name in ("drug_a", "control"))
    order = np.argsort(-wasserstein_marginals(treated, control))
    panels = cs.pl.marginals(fitted, "drug_a", show=False)
    assert list(panels) == [("drug_a", str(name)) for name in fitted.var_names[order[:6]]]


def in_test_that_are_shown_do_not_choose(fitted: AnnData) -> None:
    before = list(cs.pl.marginals(fitted, "drug_a", show=False))
    fitted.obsm["X_cellot"][in_test(fitted, "drug_a")] = np.random.default_rng(0).normal(size=8)
    assert list(cs.pl.marginals(fitted, "drug_a", show=False)) == before


def test_all_perturbations(fitted: AnnData) -> None:
    panels = cs.pl.marginals(fitted, show=False)
    assert [name for name, _ in panels] == ["drug_a"] * 3 + ["drug_b"] * 3
    rows = [ax.get_subplotspec().rowspan.start for ax in panels.values()]  # type: ignore[union-attr]
    assert rows == [0, 0, 0, 1, 1, 1]
    assert panels[next(iter(panels))].get_title(loc="left").startswith("drug_a · gene")


def test_same_features_for_all_perturbations(fitted: AnnData) -> None:
    panels = cs.pl.marginals(fitted, features=["gene_00", "gene_01"], show=False)
    assert list(panels) == [(name, gene) for name in ("drug_a", "drug_b") for gene in ("gene_00", "gene_01")]
    columns = [ax.get_subplotspec().colspan.start for ax in panels.values()]  # type: ignore[union-attr]
    assert columns == [0, 1, 0, 1]


def test_many_perturbations_have_one_panel_each() -> None:
    names = [f"drug_{i:02d}" for i in range(8)]
    adata = cs.datasets.simulate(9 * 40, 20, perturbations=names)
    cs.pp.split(adata, test_fraction=0.3)
    cs.pp.represent(adata, n_components=4)
    cs.tl.cellot(adata, solver="mean_shift")
    panels = cs.pl.marginals(adata, show=False)
    assert [name for name, _ in panels] == names


def test_latent_dimensions_where_nothing_decodes(fitted: AnnData) -> None:
    fitted.obsm["X_pca"] = fitted.obsm["X_cellot"]
    cs.tl.cellot(fitted, use_rep="X_pca", solver="mean_shift", key_added="pca")
    [ax] = cs.pl.marginals(fitted, "drug_a", features="X_pca_2", key="pca", show=False).values()
    expected = fitted.obsm["X_pca"][in_test(fitted, "drug_a"), 2]
    assert mean_of(ax, "observed") == pytest.approx(expected.mean(), abs=0.02)
    assert ax.get_xlabel().startswith("coordinate")


def test_expression_itself(fitted: AnnData) -> None:
    cs.tl.cellot(fitted, use_rep="X", solver="mean_shift", key_added="x")
    [ax] = cs.pl.marginals(fitted, "drug_a", features="gene_03", key="x", show=False).values()
    expected = fitted[in_test(fitted, "drug_a"), "gene_03"].X.toarray()
    assert mean_of(ax, "observed") == pytest.approx(expected.mean(), abs=0.05)
    assert ax.get_xlabel().startswith("expression (")


def test_other_split(fitted: AnnData) -> None:
    [ax] = cs.pl.marginals(fitted, "drug_a", features="gene_03", split="train", show=False).values()
    train = fitted[(fitted.obs["perturbation"] == "drug_a") & (fitted.obs["split"] == "train")]
    assert mean_of(ax, "observed") == pytest.approx(cs.pp.decode(train, train.obsm["X_cellot"])[:, 3].mean(), abs=0.03)


def test_of_many_cells_a_sample_is_shown(fitted: AnnData, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    draw = _marginals._densities

    def spy(ax: Axes, values: dict[str, np.ndarray], colors: dict[str, str]) -> None:
        seen.extend(len(x) for x in values.values())
        draw(ax, values, colors)

    monkeypatch.setattr(_marginals, "MAX_CELLS", 20)
    monkeypatch.setattr(_marginals, "_densities", spy)
    cs.pl.marginals(fitted, "drug_a", features="gene_03", show=False)
    assert seen == [20, 20, 20]


def test_colors_of_uns(fitted: AnnData) -> None:
    fitted.uns["perturbation_colors"] = ["#111111", "#22aa22", "#3333ff"]
    [ax] = cs.pl.marginals(fitted, "drug_b", features="gene_03", show=False).values()
    colors = {line.get_label(): line.get_color() for line in ax.lines}
    assert colors["control"] == "#111111"
    assert colors["observed"] == "#3333ff"


def test_a_feature_that_never_varies(fitted: AnnData) -> None:
    fitted.X = sparse.csr_matrix(fitted.X.toarray() * (np.arange(fitted.n_vars) != 5))
    cs.pp.represent(fitted, n_components=8)
    cs.tl.cellot(fitted, solver="mean_shift")
    [ax] = cs.pl.marginals(fitted, "drug_a", features="gene_05", show=False).values()
    assert printed(ax) == pytest.approx((0, 0), abs=1e-12)
    assert np.isfinite(curve(ax, "observed")[1]).all()


def test_nothing_below_zero_is_drawn_of_what_cannot_be(fitted: AnnData) -> None:
    panels = cs.pl.marginals(fitted, features=list(fitted.var_names[:20]), show=False)
    assert min(ax.get_xlim()[0] for ax in panels.values()) >= 0


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"features": "gene_3"}, KeyError, "feature 'gene_3' is not there. Did you mean 'gene_"),
        ({"features": []}, ValueError, "features is empty"),
        ({"features": ["gene_03", "gene_03"]}, ValueError, "names one twice"),
        ({"targets": "drug_aa"}, ValueError, "target 'drug_aa' is unknown. Did you mean 'drug_a'"),
        ({"split": "tset"}, ValueError, "split 'tset' is unknown. Did you mean 'test'"),
        ({"split": "ood"}, ValueError, "split 'ood' has 0 of 'control'"),
        ({"key": "cello"}, KeyError, "holds no fitted maps.* Did you mean 'cellot'"),
    ],
)
def test_errors(fitted: AnnData, kwargs: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        cs.pl.marginals(fitted, **kwargs)  # type: ignore[arg-type]
    assert plt.get_fignums() == []


class TestDensity:
    values = np.random.default_rng(0).normal(size=400)

    def test_is_the_kernel_density(self) -> None:
        edges = np.linspace(-6, 6, 513)
        expected = stats.gaussian_kde(self.values, bw_method=0.3 / self.values.std(ddof=1))(
            (edges[1:] + edges[:-1]) / 2
        )
        np.testing.assert_allclose(_marginals.density(self.values, edges, 0.3), expected, atol=2e-3)

    def test_integrates_to_one_at_a_border(self) -> None:
        edges = np.linspace(0, 6, 513)
        height = _marginals.density(np.abs(self.values), edges, 0.3)
        assert height.sum() * (edges[1] - edges[0]) == pytest.approx(1, abs=1e-6)
        assert height[0] > height[100]

    def test_bandwidth_is_silvermans(self) -> None:
        low, high = np.quantile(self.values, [0.25, 0.75])
        expected = 0.9 * min(self.values.std(), (high - low) / 1.34) * 400**-0.2
        assert _marginals._bandwidth(self.values) == pytest.approx(expected)
        assert _marginals._bandwidth(np.ones(5)) == 0


def test_predicted_stands_out(fitted: AnnData) -> None:
    [ax] = cs.pl.marginals(fitted, "drug_a", features="gene_03", show=False).values()
    widths = {line.get_label(): line.get_linewidth() for line in ax.lines}
    assert widths[_colors.PREDICTED] > max(widths[_colors.CONTROL], widths[_colors.OBSERVED])
    assert len(ax.collections) == 2


def test_a_peak_at_zero_does_not_flatten_the_rest() -> None:
    rng = np.random.default_rng(0)
    expressed = np.concatenate([np.zeros(180), rng.normal(5, 0.5, 20)])
    _, ax = plt.subplots()
    values = {_colors.CONTROL: np.zeros(200), _colors.OBSERVED: expressed, _colors.PREDICTED: expressed + 0.01}
    _marginals._densities(ax, values, dict.fromkeys(values, "red"))
    x, y = curve(ax, _colors.OBSERVED)
    assert ax.get_ylim()[1] == pytest.approx(4.2 * y[x > 3].max(), rel=0.1)
    assert y.max() > ax.get_ylim()[1]


def test_all_of_the_curves_is_seen_where_there_is_no_peak_at_zero(fitted: AnnData) -> None:
    for ax in cs.pl.marginals(fitted, "drug_a", show=False).values():
        assert ax.get_ylim()[1] >= max(curve(ax, role)[1].max() for role in ("control", "observed", "predicted"))


def test_genes_that_were_not_measured(fitted: AnnData) -> None:
    first = [feature for _, feature in cs.pl.marginals(fitted, "drug_a", show=False)]
    lacking = fitted[:, fitted.var_names != first[0]].copy()
    lacking.uns["X_cellot"] = {**lacking.uns["X_cellot"], "filled": np.array(first[:1], dtype=object)}
    assert [feature for _, feature in cs.pl.marginals(lacking, "drug_a", show=False)][:5] == first[1:]
    with pytest.raises(ValueError, match=f"feature '{first[0]}' was not measured in these cells: there is no observed"):
        cs.pl.marginals(lacking, "drug_a", features=first[:2], show=False)
