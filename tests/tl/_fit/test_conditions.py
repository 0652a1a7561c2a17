from __future__ import annotations

import numpy as np
import pytest

from cellot_sc.tl._fit.conditions import learnable

LABELS = np.repeat(["control", "a", "b"], [20, 20, 12]).astype(object)
PARTS = np.full(52, "train", dtype=object)
PARTS[42:] = "test"


def test_conditions_with_enough_train_cells() -> None:
    assert learnable(LABELS, PARTS, ["a", "b"], named=False, key="drug", control="control") == ["a"]
    assert learnable(LABELS, PARTS, ["a"], named=True, key="drug", control="control") == ["a"]
    with pytest.raises(ValueError, match=r"adata.obs\['drug'\] has fewer than 10 train cells of 'b' \(2\)"):
        learnable(LABELS, PARTS, ["a", "b"], named=True, key="drug", control="control")


def test_the_control_has_to_have_enough() -> None:
    with pytest.raises(ValueError, match="control 'b' of .* has 2 train cells; at least 10 are needed"):
        learnable(LABELS, PARTS, ["a"], named=False, key="drug", control="b")
