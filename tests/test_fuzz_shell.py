"""Bad lines of the shell, made from its commands: each ends in one line on stderr, and leaves nothing behind.

A line is one that works with a single argument or option replaced by a bad text. Bad calls of functions are in
test_fuzz.py.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import cellot_sc as cs
from cellot_sc import cli

type Bounded = Callable[[], AbstractContextManager[None]]

ABSENT = "no_such_thing"
COMMANDS = get_command(cli.app).commands  # type: ignore[attr-defined]
WITHOUT_BAD_VALUES = {
    "version": "a flag", "overwrite": "a flag", "show_list": "a flag",
    "task": "drawn in tests/test_reproduce.py", "data": "drawn in tests/test_reproduce.py",
}  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with cells that have maps, and what has none."""
    folder = tmp_path_factory.mktemp("shell")
    cells = cs.datasets.simulate(360, 20)
    cs.pp.split(cells)
    cs.pp.represent(cells, n_components=4)
    cs.tl.cellot(cells, solver="gaussian")
    cells.write_h5ad(folder / "fitted.h5ad")
    cs.Model.of(cells).save(folder / "model.h5")
    with pytest.raises(SystemExit):
        cli.main(["fit", f"{folder}/fitted.h5ad", f"{folder}/fits", "--solver", "mean_shift", "--shard", "1/1"])
    cs.datasets.simulate_branching(120, 10).write_h5ad(folder / "times.h5ad")
    (folder / "text.h5").write_text("no model")
    (folder / "text.h5ad").write_text("no cells")
    (folder / "folder.h5ad").mkdir()
    (folder / "there.h5ad").write_bytes((folder / "fitted.h5ad").read_bytes())
    return folder


def commands_that_work(folder: Path) -> dict[str, dict[str, str]]:
    """Return arguments and options with which every command works."""
    fitted = {"path": f"{folder}/fitted.h5ad"}
    return {
        "demo": {"output": f"{folder}/demo"},
        "fit": fitted | {"output": f"{folder}/out.h5ad", "solver": "mean_shift"},
        "merge": {"folder": f"{folder}/fits", "output": f"{folder}/out.h5ad"},
        "predict": {"model": f"{folder}/model.h5", "cells": f"{folder}/fitted.h5ad", "output": f"{folder}/out.h5ad"},
        "inspect": fitted,
        "effects": fitted | {"output": f"{folder}/out.csv", "table": "responders", "feature": "gene_01"},
        "figures": fitted | {"output": f"{folder}/figures", "figure": "marginals"},
        "trajectory": {
            "path": f"{folder}/times.h5ad",
            "output": f"{folder}/out.h5ad",
            "solver": "mean_shift",
            "groupby": "cell_type",
        },
        "evaluate": fitted | {"output": f"{folder}/out.csv", "metric": "r_means", "n_boot": "3"},
        "report": fitted | {"output": f"{folder}/out.html"},
        "reproduce": {"task": "4i", "data": f"{folder}/folder.h5ad", "output": f"{folder}/reproduced"},
    }


def bad_texts(command: str, option: Any, folder: Path) -> list[str]:
    """Return texts that an argument or option cannot be."""
    if option.name in ("path", "cells"):
        names = ["absent.h5ad", "text.h5ad", "folder.h5ad", "fitted.csv", "", *(["model.h5"] * (command != "inspect"))]
        return [f"{folder}/{name}" for name in names]
    if option.name == "model":
        names = ["absent.h5", "text.h5", "folder.h5ad", "model.csv", ""]
        # to be written, or to be read
        names += ["there.h5ad", "model.h5", "absent/model.h5"] if command in ("fit", "merge") else ["text.h5ad"]
        return [f"{folder}/{name}" for name in names if command not in ("fit", "merge") or name != "absent.h5"]
    if option.name == "folder":
        return [f"{folder}/{name}" for name in ("absent", "text.h5ad", "folder.h5ad")]
    if option.name == "output":
        here = [f"{folder}/text.h5ad/x/out.h5ad", f"{folder}/text.h5ad"]
        return (
            here
            if command in ("demo", "reproduce", "figures")
            else [*here, f"{folder}/out.txt", f"{folder}/there.h5ad", ""]
        )
    if option.name == "option":
        return ["=", "n_steps", "no_such_option=1", "seed=3", "use_rep=X", "copy=true", "key_added=x", "adata=1", "=1"]
    if option.name == "context_map":
        return ["=", ABSENT, "a=b", "=b", ""]
    if option.name == "holdout" and command == "fit":
        return ["=", "cell_type", f"{ABSENT}=x", f"cell_type={ABSENT}"]
    if option.name == "key" and command in ("fit", "trajectory") or option.name == "split_key":
        return ["", "a/b"]
    if option.metavar == "N":
        return ["x", "1.5", "-1", "1e99", "", *(["0"] if option.name not in ("seed", "n_boot") else [str(2**64)])]
    return [ABSENT, ""]


def bad_lines(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the arguments of the shell of which one is bad, and what they are called."""
    for command, works in commands_that_work(folder).items():
        yield f"{command} --no-such-option", [command, "--no-such-option"]
        for option in COMMANDS[command].params:
            if option.name in WITHOUT_BAD_VALUES or option.name == "help":
                continue
            for text in bad_texts(command, option, folder):
                given = works | {option.name: text}
                line = [command]
                for one in COMMANDS[command].params:
                    if one.name in given:
                        line += (
                            [given[one.name]]
                            if one.param_type_name == "argument"
                            else [f"{one.opts[0]}={given[one.name]}"]
                        )
                yield f"{command} {option.name}={text.replace(str(folder), '')!r}", line


def fault(line: list[str], capsys: pytest.CaptureFixture[str], bounded: Bounded) -> str | None:
    """Return what is wrong with the way in which a bad line ends."""
    capsys.readouterr()
    try:
        with bounded():
            cli.main(line)
    except SystemExit as end:
        status = end.code
    except BaseException as error:  # noqa: BLE001
        return f"has a traceback: {type(error).__name__}: {' '.join(str(error).split())[:110]}"
    said = capsys.readouterr().err
    if status == 0:
        return "passes"
    return None if re.fullmatch("cellot-sc: error: [^\n]+\n", said) else f"says {said!r}"


@pytest.mark.parametrize("command", list(commands_that_work(Path())))
def test_bad_lines_of_the_shell_end_in_one_line(
    command: str, files: Path, bounded: Bounded, capsys: pytest.CaptureFixture[str]
) -> None:
    def there() -> dict[str, bytes]:
        return {str(path): path.read_bytes() if path.is_file() else b"" for path in sorted(files.rglob("*"))}

    before, faults = there(), {}
    for called, line in bad_lines(files):
        if line[0] == command and (wrong := fault(line, capsys, bounded)) is not None:
            faults[called] = wrong
        for left in set(there()) - set(before):
            faults[called] = f"{faults.get(called, '')}; leaves {Path(left).name}"
            shutil.rmtree(left) if Path(left).is_dir() else Path(left).unlink(missing_ok=True)
        assert there() == before, called
    assert not faults, "\n" + "\n".join(f"{called}: {wrong}" for called, wrong in faults.items())


def test_every_option_of_the_shell_is_drawn(files: Path) -> None:
    drawn = {called.partition("=")[0] for called, _ in bad_lines(files)}
    options = {
        f"{name} {option.name}"
        for name, command in COMMANDS.items()
        for option in command.params
        if option.name != "help" and option.name not in WITHOUT_BAD_VALUES
    }
    assert options <= drawn
    assert len(drawn) >= 40
