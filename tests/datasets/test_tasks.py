from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellot_sc.datasets import tasks


def cells(**columns: object) -> AnnData:
    """Return cells with three features, and the given columns."""
    obs = pd.DataFrame({name: np.array(values, dtype=object) for name, values in columns.items()})
    for name, values in columns.items():
        if isinstance(values, pd.Series):
            obs[name] = values
    obs.index = [f"cell_{i}" for i in range(len(obs))]
    x = np.arange(3 * len(obs), dtype=np.float32).reshape(-1, 3)
    return AnnData(x, obs=obs, var=pd.DataFrame(index=["a", "b", "c"]))


def test_every_task_of_the_paper_is_there() -> None:
    assert {"4i", "sciplex3", "lupus", "glioblastoma", "crossspecies", "statefate", "cytokines"} <= set(tasks)
    for name, task in tasks.items():
        assert task.name == name
        assert (task.holdout_key is None) == (task.holdout is None) == (task.setting == "iid")
        assert task.files[0].endswith(".h5ad")
        assert task.representation == ("X" if name == "4i" else "autoencoder")
        # a number of test cells is one in each group
        assert isinstance(task.test_size, float) or task.test_groups


def test_facts_of_the_paper() -> None:
    assert (tasks["4i"].n_targets, tasks["4i"].n_features) == (34, 48)
    assert len(tasks["sciplex3"].targets or ()) == 9
    assert (tasks["lupus"].holdout, tasks["lupus"].batch_size) == ("101", 64)
    assert (tasks["glioblastoma"].holdout, tasks["glioblastoma"].test_size) == ("PW034", 500)
    assert tasks["crossspecies"].holdout == "rat"
    assert tasks["statefate"].holdout == "Lin-Kit+Sca1-"


def test_tasks_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        tasks["lupus"].holdout = "107"  # type: ignore[misc]
    with pytest.raises(TypeError, match="does not support item assignment"):
        tasks["mine"] = tasks["lupus"]  # type: ignore[index]
