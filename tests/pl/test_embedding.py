from __future__ import annotations

import logging
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from sklearn.decomposition import PCA

import cellot_sc as cs
from cellot_sc.pl import _bases, _colors


def in_test(adata: AnnData, label: str) -> np.ndarray:
    return ((adata.obs["perturbation"] == label) & (adata.obs["split"] == "test")).to_numpy()


def clouds(adata: AnnData, target: str) -> list[np.ndarray]:
    """Return the latent of control, observed and predicted test cells."""
    control, observed = (adata.obsm["X_cellot"][in_test(adata, name)] for name in ("control", target))
    return [control, observed, cs.tl.predict(adata, target, cells=in_test(adata, "control")).obsm["X_cellot"]]


def drawn(ax: Axes, layer: int = -1) -> np.ndarray:
    return np.asarray(ax.collections[layer].get_offsets())


def colors(ax: Axes, layer: int = -1) -> list[tuple[float, ...]]:
    return [tuple(color) for color in np.asarray(ax.collections[layer].get_facecolors())]  # type: ignore[attr-defined]


def test_positions_are_those_of_a_joint_pca(fitted: AnnData) -> None:
    panels = cs.pl.embedding(fitted, "drug_a", basis="pca", show=False)
    assert list(panels) == [("drug_a", role) for role in ("control", "observed", "predicted")]
    parts = clouds(fitted, "drug_a")
    joint = PCA(2, svd_solver="full").fit_transform(np.concatenate(parts))
    for ax, expected in zip(
        panels.values(), np.split(joint, np.cumsum([len(part) for part in parts])[:-1]), strict=True
    ):
        np.testing.assert_allclose(drawn(ax), expected, atol=1e-3)
        # the others lie behind, in grey
        assert len(drawn(ax, 0)) == len(joint) - len(expected)
        assert set(colors(ax, 0)) == {to_rgba(_colors.FAINT)}
    assert [set(colors(ax)) for ax in panels.values()] == [
        {to_rgba(color)} for color in (_colors.GREY, _colors.BLUE, _colors.VERMILION)
    ]
    assert len({(ax.get_xlim(), ax.get_ylim()) for ax in panels.values()}) == 1


def test_umap_is_the_default_and_repeats_itself(fitted: AnnData) -> None:
    first, second = (cs.pl.embedding(fitted, "drug_a", show=False) for _ in range(2))
    parts = clouds(fitted, "drug_a")
    for (key, ax), part in zip(first.items(), parts, strict=True):
        assert drawn(ax).shape == (len(part), 2)
        np.testing.assert_array_equal(drawn(ax), drawn(second[key]))
    figure = next(iter(first.values())).get_figure(root=True)
    assert figure is not None
    assert figure.get_supxlabel() == "UMAP 1"


def test_overlaid(fitted: AnnData) -> None:
    panels = cs.pl.embedding(fitted, basis="pca", overlay=True, show=False)
    assert list(panels) == [("drug_a", "overlay"), ("drug_b", "overlay")]
    sizes = [len(part) for part in clouds(fitted, "drug_a")]
    ax = panels["drug_a", "overlay"]
    assert len(drawn(ax)) == sum(sizes)
    of_role = {_colors.GREY: sizes[0], _colors.BLUE: sizes[1], _colors.VERMILION: sizes[2]}
    found = colors(ax)
    assert {color: found.count(to_rgba(color, 0.7)) for color in of_role} == of_role
    # no kind of cells lies on top of the others
    assert len(set(found[-20:])) == 3


def test_overlaid_positions_keep_their_color(fitted: AnnData) -> None:
    apart = cs.pl.embedding(fitted, "drug_a", basis="pca", show=False)
    together = cs.pl.embedding(fitted, "drug_a", basis="pca", overlay=True, show=False)["drug_a", "overlay"]
    blue = np.array([color == to_rgba(_colors.BLUE, 0.7) for color in colors(together)])
    expected = drawn(apart["drug_a", "observed"])
    assert sorted(map(tuple, drawn(together)[blue])) == sorted(map(tuple, expected))


def test_many_perturbations_are_overlaid(iterated_34: AnnData, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"drug_{i:02d}" for i in range(7)]
    iterated_34.obs["perturbation"] = np.resize(["control", *names], iterated_34.n_obs)
    panels = cs.pl.embedding(iterated_34, basis="pca", show=False)
    assert list(panels) == [(name, "overlay") for name in names]
    assert len(cs.pl.embedding(iterated_34, basis="pca", overlay=False, show=False)) == 21


def test_colors_of_a_palette(fitted: AnnData) -> None:
    roles = {"control": "#111111", "observed": "#222222", "predicted": "#333333"}
    panels = cs.pl.embedding(fitted, "drug_a", basis="pca", palette=roles, show=False)
    assert [set(colors(panels["drug_a", role])) for role in roles] == [{to_rgba(color)} for color in roles.values()]
    types = list(fitted.obs["cell_type"].cat.categories)
    own = dict(zip(types, ["#ff0000", "#00ff00", "#0000ff", "#ffff00"], strict=True))
    panels = cs.pl.embedding(fitted, "drug_a", basis="pca", color="cell_type", palette=own, show=False)
    shown = fitted.obs["cell_type"].astype(str)[in_test(fitted, "drug_a")]
    assert colors(panels["drug_a", "observed"]) == [to_rgba(own[name]) for name in shown]


def test_colored_by_a_column(fitted: AnnData) -> None:
    fitted.uns["cell_type_colors"] = ["#ff0000", "#00ff00", "#0000ff", "#ffff00"]
    panels = cs.pl.embedding(fitted, "drug_a", basis="pca", color="cell_type", show=False)
    palette = dict(zip(fitted.obs["cell_type"].cat.categories, fitted.uns["cell_type_colors"], strict=True))
    for role, label in {"control": "control", "observed": "drug_a", "predicted": "control"}.items():
        types = fitted.obs["cell_type"].astype(str)[in_test(fitted, label)]
        assert colors(panels["drug_a", role]) == [to_rgba(palette[name]) for name in types]
    figure = panels["drug_a", "control"].get_figure(root=True)
    assert figure is not None
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(palette)


def test_a_umap_of_many_cells_is_made_of_a_sample(
    fitted: AnnData, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_bases, "MAX_UMAP_CELLS", 90)
    with caplog.at_level(logging.INFO):
        panels = cs.pl.embedding(fitted, "drug_a", color="cell_type", show=False)
    assert [len(drawn(ax)) for ax in panels.values()] == [30, 30, 30]
    assert "at most 30 cells of a kind" in caplog.text
    assert len(drawn(cs.pl.embedding(fitted, "drug_a", basis="pca", show=False)["drug_a", "control"])) > 30


def test_on_a_map_of_the_user(placed: AnnData) -> None:
    panels = cs.pl.embedding(placed, "drug_a", basis="X_two", show=False)
    for role, label in {"control": "control", "observed": "drug_a"}.items():
        np.testing.assert_allclose(drawn(panels["drug_a", role]), placed.obsm["X_two"][in_test(placed, label)])
    arrows = cs.pl.displacement(placed, "drug_a", basis="X_two", show=False)["drug_a"]
    assert panels["drug_a", "predicted"].get_xlim() == arrows.get_xlim()
    figure = arrows.get_figure(root=True)
    assert figure is not None
    assert arrows.get_xlabel() == "X_two 1"


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"basis": "umpa"}, KeyError, "basis 'umpa' .*Did you mean 'umap'"),
        (
            {"color": "cell_typ"},
            KeyError,
            "color 'cell_typ' is not in adata.obs, and no feature .*Did you mean 'cell_type'",
        ),
        ({"color": "cell_type", "overlay": True}, ValueError, "color 'cell_type' needs overlay=False"),
        ({"targets": "drug_c"}, ValueError, "target 'drug_c' is unknown"),
        ({"split": "ood"}, ValueError, "split 'ood' has 0"),
    ],
)
def test_errors(fitted: AnnData, kwargs: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        cs.pl.embedding(fitted, **kwargs)
    assert plt.get_fignums() == []


def test_cells_that_are_not_numbers(fitted: AnnData) -> None:
    fitted.obsm["X_cellot"][in_test(fitted, "drug_a")] = np.nan
    with pytest.raises(ValueError, match="use_rep 'X_cellot' holds NaN or inf"):
        cs.pl.embedding(fitted, "drug_a", basis="pca")
    assert plt.get_fignums() == []
