"""The progress bar: it says what is going on from the first second, and foretells from steps that were timed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm.auto import tqdm

from ._settings import settings

TICK = 1.0
"""Seconds between two looks at the clock, on a terminal."""
STAGE = "{desc} [{elapsed}]"
"""How what has no steps is shown."""


class ProgressBar:
    """A bar on the screen, as what solvers report to: stages by their names, then steps.

    The time that remains is that of the steps at the rate of the last ones. What was done in a stage, and together with
    the first steps after it, such as compiling, is part of the time that is over, and of no rate.

    Parameters
    ----------
    bar
        Where it is drawn.
    name
        What it stands before everything.
    """

    def __init__(self, bar: Any, name: str) -> None:
        self._bar = bar
        self._name = name
        self._in_stage = True

    def stage(self, name: str) -> None:
        """Say what is done now that has no steps."""
        if self._bar.disable:
            return
        self._in_stage = True
        self._bar.bar_format = STAGE
        self._bar.set_description_str(f"{self._name}: {name}")

    def __call__(self, done: int, total: int, metrics: dict[str, float]) -> None:
        """Show that ``done`` of ``total`` steps are made, and the latest metrics."""
        bar = self._bar
        if bar.disable:
            return
        bar.set_postfix({name: f"{value:.3g}" for name, value in metrics.items()}, refresh=False)
        if not self._in_stage and bar.total == total:
            bar.update(done - bar.n)
            return
        self._in_stage = False
        bar.bar_format = None
        bar.set_description_str(self._name, refresh=False)
        started = bar.start_t
        # a bar in a notebook learns only thus how many steps there are
        bar.reset(total)
        bar.start_t = started
        # the rate begins here
        bar.initial = bar.n = bar.last_print_n = done
        bar.refresh()


@contextmanager
def meter(name: str, stage: str) -> Iterator[ProgressBar]:
    """Show a progress bar, if the settings want one, while something runs that begins with a stage.

    On a terminal its clock ticks, whether anything is reported or not. It is one line, and gone afterwards.
    """
    with tqdm(desc=f"{name}: {stage}", bar_format=STAGE, disable=not settings.progress, leave=False) as bar:
        over = threading.Event()

        def tick() -> None:
            while not over.wait(TICK):
                bar.refresh()

        ticker = threading.Thread(target=tick, daemon=True)
        # a log would keep every tick
        if not bar.disable and bar.fp.isatty():
            ticker.start()
        try:
            yield ProgressBar(bar, name)
        finally:
            over.set()
            if ticker.ident is not None:
                ticker.join()
