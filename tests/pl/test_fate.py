from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc.pl import _fate


def test_bars_are_the_probabilities(course: AnnData) -> None:
    ax = cs.pl.fate(course, show=False)
    shares = course.obsm["fate"]
    shares = shares[~np.isnan(shares[:, 0])]
    areas = []
    for patch in ax.collections:
        path = np.asarray(patch.get_paths()[0].vertices)
        x, y = path[:, 0], path[:, 1]
        areas.append(abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2)
    np.testing.assert_allclose(areas, shares.sum(axis=0), rtol=1e-6)


def test_bars_by_group(course: AnnData) -> None:
    ax = cs.pl.fate(course, "time", show=False)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", "1"]
    assert ax.get_xlabel() == "time"


def test_a_certain_cell_lies_in_its_corner(course: AnnData) -> None:
    shares = course.obsm["fate"]
    early = ~np.isnan(shares).any(axis=1)
    shares[early] = [0.0, 1.0, 0.0]
    ax = cs.pl.fate(course, style="simplex", show=False)
    corner = np.array([np.cos(np.pi / 2 + 2 * np.pi / 3), np.sin(np.pi / 2 + 2 * np.pi / 3)])
    dots = np.asarray(ax.collections[0].get_offsets())
    assert len(dots) == early.sum()
    np.testing.assert_allclose(dots.mean(axis=0), corner, atol=0.01)
    assert [text.get_text() for text in ax.texts] == ["fate_a", "fate_b", "fate_c"]


def test_simplex_by_group(course: AnnData) -> None:
    ax = cs.pl.fate(course, "time", style="simplex", show=False)
    figure = ax.get_figure(root=True)
    assert figure is not None
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["0", "1"]


def test_fate_errors(course: AnnData) -> None:
    with pytest.raises(KeyError, match="There are no fates under 'fates'"):
        cs.pl.fate(course, key="fates")
    with pytest.raises(ValueError, match="style 'bar' is unknown. Did you mean 'bars'"):
        cs.pl.fate(course, style="bar")  # type: ignore[arg-type]
    cs.tl.fate(course, fates=["fate_a", "fate_b"], key_added="two")
    with pytest.raises(ValueError, match="style 'simplex' needs three fates; there are 2"):
        cs.pl.fate(course, style="simplex", key="two")
    assert plt.get_fignums() == []


def test_bars_are_of_one_likeliest_fate_from_sure_to_undecided() -> None:
    shares = np.random.default_rng(0).dirichlet([0.5] * 4, size=500)
    parts = _fate._parts(shares)
    assert len(parts) == 4 * _fate.N_BARS
    np.testing.assert_allclose(np.sort(np.concatenate(parts), axis=0), np.sort(shares, axis=0))
    likeliest = [set(part.argmax(axis=1).tolist()) for part in parts]
    assert likeliest == [{i} for i in range(4) for _ in range(_fate.N_BARS)]
    for i in range(4):
        sure = [part[:, i].mean() for part in parts[12 * i : 12 * i + 12]]
        assert sure == sorted(sure, reverse=True)
    assert len(_fate._parts(shares[:3])) == 3
