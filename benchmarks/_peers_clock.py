"""Seconds of the processor that a fit takes, those of jax's compiler apart; imports nothing of this package."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STAGES = ("jaxpr_trace", "jaxpr_to_mlir_module", "backend_compile")
EVENTS = {f"/jax/core/compile/{stage}_duration" for stage in STAGES}


class Clock:
    """Seconds of this process, all its threads, since the clock was made."""

    def __init__(self) -> None:
        self._start = time.process_time()
        self._depth, self._begun, self.compiling = 0, 0.0, 0.0

    @property
    def spent(self) -> float:
        """Seconds, without those of tracing, lowering and compiling."""
        return time.process_time() - self._start - self.compiling

    def begins(self, event: str, value: float, **_: object) -> None:
        """Note that jax begins to compile; stages lie within each other."""
        if event in EVENTS:
            if not self._depth:
                self._begun = time.process_time()
            self._depth += 1

    def ends(self, event: str, duration_secs: float, **_: object) -> None:
        """Note that jax has compiled."""
        if event in EVENTS and self._depth:
            self._depth -= 1
            if not self._depth:
                self.compiling += time.process_time() - self._begun


@contextmanager
def running() -> Iterator[Clock]:
    """Return a clock that knows within a block what jax compiles."""
    from jax import monitoring

    clock = Clock()
    monitoring.register_scalar_listener(clock.begins)
    monitoring.register_event_duration_secs_listener(clock.ends)
    try:
        yield clock
    finally:
        monitoring.unregister_scalar_listener(clock.begins)
        monitoring.unregister_event_duration_listener(clock.ends)


def affordable(fit: Callable[[int], object], budget: float, n_tried: int, *, most: int) -> int:
    """Return for how many steps there is time, by what so many take."""
    # a first fit starts up much that a second does not
    fit(1)
    with running() as clock:
        fit(n_tried)
    return max(1, min(int(budget * n_tried / clock.spent), most))
