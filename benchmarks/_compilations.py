"""What jax traces, lowers and compiles while something runs, by the names of the functions."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd

STAGES = {
    "/jax/core/compile/jaxpr_trace_duration": "trace",
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "lower",
    "/jax/core/compile/backend_compile_duration": "compile",
}
_HIT = "/jax/compilation_cache/cache_hits"


@dataclasses.dataclass
class Compilations:
    """The stages that functions went through, one row each, in the order of their ends.

    The stage is "trace", "lower", "compile", or "read" where compiled code came from a cache instead.
    """

    rows: list[tuple[str, str, float, float]] = dataclasses.field(default_factory=list)

    def table(self) -> pd.DataFrame:
        """Return numbers, seconds and seconds of the processor by function and stage, the longest first."""
        table = pd.DataFrame(self.rows, columns=["function", "stage", "seconds", "cpu"])
        by = table.groupby(["function", "stage"])
        sums = by.agg(n=("seconds", "size"), seconds=("seconds", "sum"), cpu=("cpu", "sum"))
        return sums.sort_values("seconds", ascending=False).reset_index()

    def stages(self) -> pd.DataFrame:
        """Return the same by stage alone, whose name is the index."""
        return (
            self.table().groupby("stage")[["n", "seconds", "cpu"]].sum().reindex([*STAGES.values(), "read"]).fillna(0)
        )


@contextmanager
def counted() -> Iterator[Compilations]:
    """Count what jax compiles within a block."""
    from jax import monitoring

    counts = Compilations()
    begun: dict[str, float] = {}
    hits: list[str] = []

    def begins(event: str, value: float, **_: object) -> None:
        if event in STAGES:
            begun[event] = time.process_time()

    def ends(event: str, duration_secs: float, **given: object) -> None:
        if stage := STAGES.get(event):
            read = stage == "compile" and bool(hits)
            hits.clear()
            name = str(given.get("fun_name")).removeprefix("jit(").removesuffix(")")
            counts.rows.append((name, "read" if read else stage, duration_secs, time.process_time() - begun[event]))

    def happens(event: str, **_: object) -> None:
        if event == _HIT:
            hits.append(event)

    monitoring.register_scalar_listener(begins)
    monitoring.register_event_duration_secs_listener(ends)
    monitoring.register_event_listener(happens)
    try:
        yield counts
    finally:
        monitoring.unregister_scalar_listener(begins)
        monitoring.unregister_event_duration_listener(ends)
        monitoring.unregister_event_listener(happens)
