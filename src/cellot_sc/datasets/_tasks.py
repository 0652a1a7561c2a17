"""The prediction tasks of the CellOT paper, as the configurations in its public repository describe them.

Columns, conditions, groups, batch sizes and shares of test cells are those of github.com/bunnech/cellot (configs/tasks,
scripts/submit). Where files lie in the archive is what that repository and those who have unpacked the archive wrote:
the archive itself was not at hand, and :attr:`Task.not_verified` names what that leaves open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from ._task import Task

SCIPLEX3_DRUGS = (
    "abexinostat",
    "belinostat",
    "dacinostat",
    "entinostat",
    "givinostat",
    "mocetinostat",
    "pracinostat",
    "tacedinaline",
    "trametinib",
)
GLIOBLASTOMA_SAMPLES = ("PW034", "PW036", "PW040", "PW051", "PW053")

FOUR_I = Task(
    name="4i",
    title="multiplexed protein images of melanoma cells under drugs",
    setting="iid",
    files=("4i/8h.h5ad", "cl-8h/4i-melanoma_cell_lines-8h.h5ad"),
    features_file="features.txt",
    targets_file="drugs.txt",
    perturbation_key="drug",
    control="control",
    representation="X",
    n_markers=None,
    batch_size=256,
    n_targets=34,
    n_features=48,
    source="10.1038/s41592-023-01969-x",
    not_verified="a public list of the labels in the file names 35 drugs beside the control, the paper counts 34",
)
SCIPLEX3 = Task(
    name="sciplex3",
    title="three cancer cell lines under nine drugs",
    setting="iid",
    files=("scrna-sciplex3/hvg.h5ad", "scrna-sciplex3/hvg-top1k.h5ad"),
    targets=SCIPLEX3_DRUGS,
    perturbation_key="drug",
    control="control",
    batch_size=256,
    n_targets=9,
    n_features=1000,
    source="10.1126/science.aax6234",
)
LUPUS = Task(
    name="lupus",
    title="blood cells of lupus patients who were never seen, under interferon beta",
    setting="oos",
    files=(
        "scrna-lupuspatients/kang-hvg.h5ad",
        "scrna-lupuspatients/kang.h5ad",
        "scrna-lupuspatients/kang_new.h5ad",
    ),
    perturbation_key="condition",
    control="ctrl",
    targets=("stim",),
    holdout_key="sample_id",
    holdout="101",
    batch_size=64,
    n_targets=1,
    n_features=1000,
    source="10.1038/nbt.4042",
)
GLIOBLASTOMA = Task(
    name="glioblastoma",
    title="slices of glioblastomas of patients who were never seen, under panobinostat",
    setting="oos",
    files=("scrna-gbm/hvg-top1k-train-only.h5ad",),
    perturbation_key="perturbation",
    control="control",
    targets=("panobinostat",),
    keep={"sample": GLIOBLASTOMA_SAMPLES},
    holdout_key="sample",
    holdout="PW034",
    test_size=500,
    test_groups=("sample", "perturbation"),
    batch_size=128,
    n_targets=1,
    n_features=1000,
    source="10.1186/s13073-021-00894-y",
    not_verified="that the archive has this file",
)
CROSSSPECIES = Task(
    name="crossspecies",
    title="phagocytes of a species that was never seen, under LPS",
    setting="ood",
    files=("scrna-crossspecies/hvg-top1k-train-only.h5ad",),
    perturbation_key="condition",
    control="unst",
    targets=("LPS",),
    holdout_key="species",
    holdout="rat",
    test_size=500,
    test_groups=("species", "condition"),
    batch_size=128,
    n_targets=1,
    n_features=1000,
    source="10.1038/s41586-018-0657-2",
    not_verified=(
        "that the archive has this file, which somebody who unpacked it did not find; that treated cells are called "
        "LPS, as in the configuration, and not LPS6, as in the source"
    ),
)
STATEFATE = Task(
    name="statefate",
    title="development of blood progenitors of a population that was never seen, in vitro",
    setting="ood",
    files=("scrna-statefate/invitro-hvg.h5ad", "scrna-statefate/in_vitro/hvg.h5ad"),
    perturbation_key="condition",
    control="control",
    targets=("developed",),
    holdout_key="population",
    holdout="Lin-Kit+Sca1-",
    batch_size=256,
    n_targets=1,
    n_features=1000,
    source="10.1126/science.aaw3381",
)
CYTOKINES = Task(
    name="cytokines",
    title="blood progenitors under cytokines",
    setting="iid",
    files=("scrna-statefate/cytokine_perturbation/hvg.h5ad",),
    perturbation_key="treatment",
    control="control-2",
    batch_size=256,
    n_features=1000,
    source="10.1126/science.aaw3381",
    not_verified="that the archive has this file; the names and number of the cytokines: every other category is used",
)


def _within(task: Task, title: str, **changes: object) -> Task:
    """Return the twin of a task that judges by cells of groups that were seen."""
    return replace(task, name=f"{task.name}-iid", title=title, setting="iid", holdout_key=None, holdout=None, **changes)  # type: ignore[arg-type]


tasks: Mapping[str, Task] = MappingProxyType(
    {
        task.name: task
        for task in (
            FOUR_I,
            SCIPLEX3,
            replace(
                SCIPLEX3,
                name="sciplex3-ood",
                title="a cancer cell line that was never seen under nine drugs",
                setting="ood",
                files=("scrna-sciplex3/hvg-top1k-train-only.h5ad",),
                holdout_key="cell_type",
                holdout="K562",
                test_size=500,
                test_groups=("cell_type", "drug"),
                not_verified="that the archive has this file",
            ),
            LUPUS,
            _within(LUPUS, "blood cells of lupus patients under interferon beta"),
            GLIOBLASTOMA,
            _within(
                GLIOBLASTOMA,
                "slices of the glioblastoma of one patient under panobinostat",
                keep={"sample": ("PW040",)},
                batch_size=256,
            ),
            CROSSSPECIES,
            _within(CROSSSPECIES, "phagocytes of the mouse under LPS", keep={"species": ("mouse",)}, batch_size=256),
            STATEFATE,
            CYTOKINES,
        )
    }
)
"""Every task by its name."""
