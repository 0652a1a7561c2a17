from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from cellot_sc.cli import _plan, app
from cellot_sc.cli._fitting import Fitting
from cellot_sc.cli._plan import Asked, ShardPlan, blocks_of, missing, shard_of
from cellot_sc.cli._predicting import Predicting

FITTING = Fitting(
    *("/cells.h5ad", "drug", "no drug", ["a"], "icnn", ["n_steps=3"], None, 4, "split", [], ["cell_type"]),
    *(True, 0, "cellot"),
)


@pytest.mark.parametrize("n_blocks", [1, 5, 40])
@pytest.mark.parametrize("n_shards", [1, 3, 7])
def test_shards_share_all_blocks(n_blocks: int, n_shards: int) -> None:
    shares = [blocks_of(i, n_shards, n_blocks) for i in range(1, n_shards + 1)]
    assert [block for share in shares for block in share] == [*range(n_blocks)]
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_shard_is_a_number_of_so_many() -> None:
    assert shard_of("3/40") == (3, 40)
    for text in ("0/1", "2/1", "a/b", "1", "-1/2", "1/2/3", "1/9999999999"):
        with pytest.raises(ValueError, match="a number of so many, from 1, is needed"):
            shard_of(text)


def test_what_one_types() -> None:
    assert shlex.split(FITTING.command(Path("fits"), "1/2")) == [
        *("cellot-sc", "fit", "/cells.h5ad", "fits", "--perturbation-key", "drug", "--control", "no drug"),
        *("--target", "a", "--solver", "icnn", "--set", "n_steps=3", "--n-components", "4", "--split-key", "split"),
        *("--context", "cell_type", "--match-abundance", "--seed", "0", "--key", "cellot", "--shard", "1/2"),
    ]
    asked = Predicting("/m.zarr", ["/new.h5ad"], [], None, None, None, [], True, "cellot")
    assert asked.command(Path("p"), "1/2") == (
        "cellot-sc predict /m.zarr /new.h5ad p --uncertainty --key cellot --shard 1/2"
    )
    assert "--uncertainty" not in dataclasses.replace(asked, uncertainty=False).command(Path("p"), "1/2")


@pytest.mark.parametrize("kind", Asked.known.values())
def test_all_that_is_asked_can_be_typed(kind: type[Asked]) -> None:
    typed = get_command(app).commands[kind.COMMAND].params  # type: ignore[attr-defined]
    flags = {word for one in typed if one.param_type_name == "option" for word in (*one.opts, *one.secondary_opts)}
    for field in dataclasses.fields(kind):
        flag = _plan.FLAGS.get(field.name)
        words = [flag] if isinstance(flag, str) else [word for word in flag or () if word is not None]
        assert {*words} <= flags
        assert words or field.name in _plan.PLACES


def test_the_first_plan_stays(tmp_path: Path) -> None:
    first = ShardPlan(FITTING, ["a"], 2, _plan.versions(), {"cells": "1"})
    assert first.write(tmp_path) == first == ShardPlan.read(tmp_path)
    assert dataclasses.replace(first, n_shards=5).write(tmp_path) == first
    with pytest.raises(ValueError, match="--seed is 1, and .*plan.json was made with 0"):
        dataclasses.replace(first, asked=dataclasses.replace(FITTING, seed=1)).write(tmp_path)
    with pytest.raises(ValueError, match="was made with other cells: the file has changed since"):
        dataclasses.replace(first, digests={"cells": "2"}).write(tmp_path)
    assert missing(first, tmp_path).startswith(f"{tmp_path} lacks shard 1 of 2: run cellot-sc fit /cells.h5ad ")
    (tmp_path / "block-0001.h5").touch()
    with pytest.raises(ValueError, match="was made with other cells: the file has changed since"):
        dataclasses.replace(first, digests={"cells": "2"}).write(tmp_path)
    assert missing(first, tmp_path) == ""
