"""Where the time of a training goes: every moment belongs to one phase, so that the phases add up to the whole."""

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

PHASES = ("training", "probing", "setup", "compilation")
"""Gradient steps (or whatever else learns), rows of the learning curve, everything else, and compiling kernels."""


class Clock:
    """A stopwatch that runs from its creation, in the phase ``setup`` unless it is told otherwise."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds = dict.fromkeys(PHASES, 0.0)
        self._phase = "setup"
        self._since = time.perf_counter()
        self._compiling, self._interrupted = 0, self._phase

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time inside for a phase, one of :data:`PHASES`; where phases are nested, the inner one counts."""
        before = self._switch(name)
        try:
            yield
        finally:
            self._switch(before)

    @contextlib.contextmanager
    def compilation(self) -> Iterator[None]:
        """Count the time in which Numba compiles inside, in any thread, for the phase ``compilation``."""
        from numba.core import event

        clock = self

        class Listener(event.Listener):
            def on_start(self, event: Any) -> None:
                clock._compiling += 1
                if clock._compiling == 1:
                    clock._interrupted = clock._switch("compilation")

            def on_end(self, event: Any) -> None:
                clock._compiling -= 1
                if clock._compiling == 0:
                    clock._switch(clock._interrupted)

        with event.install_listener("numba:compile", Listener()):
            yield

    def seconds(self) -> dict[str, float]:
        """Phase → seconds until now; their sum is the time since the clock was created."""
        self._switch(self._phase)
        return dict(self._seconds)

    def _switch(self, phase: str) -> str:
        with self._lock:
            now, before = time.perf_counter(), self._phase
            self._seconds[before] += now - self._since
            self._phase, self._since = phase, now
            return before
