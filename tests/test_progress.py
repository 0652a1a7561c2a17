from __future__ import annotations

import io
import time
from typing import Any

import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc import _progress, ot


@pytest.fixture
def prepared() -> AnnData:
    """Return a few cells in a space of two dimensions, split."""
    adata = cs.datasets.simulate(300, 10, seed=0)
    cs.pp.split(adata, seed=0)
    adata.obsm["X_cellot"] = adata.X[:, :2].astype(np.float32)
    return adata


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the bars that are drawn, each with what it says, one entry per change."""
    bars: list[Any] = []

    class Bar(_progress.tqdm):
        def __init__(self, **options: Any) -> None:
            self.said = [options["desc"]]
            super().__init__(**options)
            bars.append(self)

        def set_description_str(self, desc: str | None = None, refresh: bool | None = True) -> None:
            super().set_description_str(desc, refresh)
            self.said.append(self.desc)

    monkeypatch.setattr(_progress, "tqdm", Bar)
    return bars


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time that bars go by, to be set."""
    now = [1000.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    return now


def left(bar: Any) -> str:
    return str(bar).split("<")[1].split(",")[0]


def test_the_default_says_where_it_starts_then_that_it_compiles_then_counts(drawn: list[Any]) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2)).astype(np.float32)
    y = x + 3 * np.sign(x) * (rng.random((300, 1)) > 0.3)
    options = {"n_steps": 4, "check_every": 2, "min_steps": 2, "batch_size": 16, "width": 4, "depth": 1}
    with cs.settings.override(progress=True), _progress.meter("icnn", "fitting") as progress:
        ot.fit([ot.Problem(x, y, x[:50], y[:50])], "icnn", progress=progress, penalties=(1.0,), **options)
        assert (drawn[0].n, drawn[0].total) == (4, 4)
    assert drawn[0].said == [
        "icnn: fitting",
        "icnn: starting from the Gaussian map",
        "icnn: compiling",
        "icnn",
        "icnn: choosing networks",
    ]


def test_a_closed_form_has_one_stage(prepared: AnnData, drawn: list[Any]) -> None:
    with cs.settings.override(progress=True):
        cs.tl.cellot(prepared.copy(), solver="gaussian")
    assert drawn[0].said == ["gaussian: fitting"]


def outside(problems: Any, config: Any, seed: int, progress: Any) -> Any:
    for done in range(3):
        progress(done + 1, 3, {"loss": 1 / 3})
    return ot.SOLVERS["mean_shift"].run(problems, config, seed, None)


def test_a_solver_from_outside_that_knows_no_stages_counts(prepared: AnnData, drawn: list[Any]) -> None:
    solver = ot.Solver("outside", "", ot.SOLVERS["mean_shift"].config, outside)
    with cs.settings.override(progress=True):
        cs.tl.cellot(prepared.copy(), solver=solver)
    assert drawn[0].said == ["outside: fitting", "outside"]
    assert (drawn[0].n, drawn[0].total, drawn[0].postfix) == (3, 3, "loss=0.333")


def test_evaluation_counts_perturbations(prepared: AnnData, drawn: list[Any]) -> None:
    adata = prepared.copy()
    cs.tl.cellot(adata, solver="mean_shift")
    with cs.settings.override(progress=True):
        cs.tl.evaluate(adata, metrics="energy_distance", n_boot=0)
    assert drawn[-1].said == ["evaluate: judging", "evaluate"]
    assert drawn[-1].n == drawn[-1].total == len(cs.tl.maps(adata))


def test_the_time_that_remains_is_that_of_the_steps(drawn: list[Any], clock: list[float]) -> None:
    with cs.settings.override(progress=True), _progress.meter("fit", "compiling") as progress:
        clock[0] += 100
        assert str(drawn[0]) == "fit: compiling [01:40]"
        progress(10, 100, {})
        assert left(drawn[0]) == "?"
        clock[0] += 10
        progress(20, 100, {})
        # a step a second, and not 20 steps in 110 seconds
        assert left(drawn[0]) == "01:20"
        assert "[01:50<" in str(drawn[0])
        progress.stage("compiling more")
        clock[0] += 50
        assert str(drawn[0]) == "fit: compiling more [02:40]"
        progress(30, 100, {})
        clock[0] += 20
        progress(40, 100, {})
        assert left(drawn[0]) == "02:00"


def test_steps_of_another_number_are_counted_anew(drawn: list[Any]) -> None:
    with cs.settings.override(progress=True), _progress.meter("fit", "fitting") as progress:
        progress(5, 10, {})
        progress(1, 20, {})
        assert (drawn[0].n, drawn[0].total) == (1, 20)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_the_clock_ticks_on_a_terminal_alone(
    stream: type[io.StringIO], clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = stream()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr(_progress, "TICK", 0.01)
    with cs.settings.override(progress=True), _progress.meter("fit", "compiling"):
        clock[0] += 7
        end = time.monotonic() + (10 if stream is Terminal else 0.1)
        while "00:07" not in screen.getvalue() and time.monotonic() < end:
            time.sleep(0.01)
    assert "fit: compiling [00:00]" in screen.getvalue()
    assert ("00:07" in screen.getvalue()) == (stream is Terminal)
    # one line, which is gone in the end
    assert "\n" not in screen.getvalue() and screen.getvalue().endswith("\r")


def test_nothing_is_said_where_that_is_off(capsys: pytest.CaptureFixture[str]) -> None:
    with _progress.meter("fit", "compiling") as progress:
        progress.stage("going on")
        progress(1, 2, {"loss": 1.0})
    assert capsys.readouterr() == ("", "")
