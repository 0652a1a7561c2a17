from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import cellot_sc as cs


def test_agreement_is_that_of_the_table(agreement: pd.DataFrame) -> None:
    axes = cs.pl.clonal_agreement(agreement, show=False)
    assert list(axes) == ["accuracy", "auroc", "correlation"]
    rows = agreement[(agreement["source"] == "all") & (agreement["fate"] == "all") & (agreement["metric"] == "auroc")]
    rows = rows.set_index("model")
    ax = axes["auroc"]
    names = ["prior", "identity", "gaussian"]
    np.testing.assert_allclose(np.asarray(ax.collections[1].get_offsets())[:, 0], rows.loc[names, "value"])
    intervals: Any = ax.collections[0]
    ends = np.array([segment[:, 0] for segment in intervals.get_segments()])
    np.testing.assert_allclose(ends, rows.loc[names, ["ci_low", "ci_high"]])
    labels = [label.get_text() for label in axes["accuracy"].get_yticklabels()]
    assert labels == ["prior", "identity (no effect)", "Gaussian map"]


def test_agreement_of_one_time_and_fate(agreement: pd.DataFrame) -> None:
    axes = cs.pl.clonal_agreement(agreement, source="0", fate="fate_a", show=False)
    assert list(axes) == ["auroc", "correlation"]


def test_agreement_errors(agreement: pd.DataFrame) -> None:
    with pytest.raises(KeyError, match="one made by cs.tl.clonal_agreement is needed"):
        cs.pl.clonal_agreement(agreement.drop(columns="n_clones"))
    with pytest.raises(ValueError, match="table has no rows: one made by cs.tl.clonal_agreement"):
        cs.pl.clonal_agreement(agreement.iloc[:0])
    with pytest.raises(ValueError, match="source '5' is unknown"):
        cs.pl.clonal_agreement(agreement, source="5")
    with pytest.raises(ValueError, match="fate 'fat_a' is unknown. Did you mean 'fate_a'"):
        cs.pl.clonal_agreement(agreement, fate="fat_a")
    assert plt.get_fignums() == []
