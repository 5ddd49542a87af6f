"""How long-running work reports its progress."""

import time
from collections.abc import Callable

Progress = Callable[[str, int, int, str], None]
"""``progress(stage, done, total, unit)``: called as often as the work likes; the receiver throttles.

``stage`` names the work ("walks"), ``done`` of ``total`` counts ``unit`` ("steps"). ``total`` 0 means unknown.
"""


def silent(stage: str, done: int, total: int, unit: str) -> None:
    """The default callback: reports nothing."""


class ProgressLine:
    """Turns progress calls into readable lines, at most one per ``every`` seconds and one at each stage's end.

    Args:
        emit: receives each line.
        every: seconds between two lines of one stage.
    """

    def __init__(self, emit: Callable[[str], None], every: float = 15.0) -> None:
        self._emit = emit
        self._every = every
        self._stage = ""
        self._started = self._last = 0.0
        self._first_done = 0

    def __call__(self, stage: str, done: int, total: int, unit: str) -> None:
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._started, self._last, self._first_done = stage, now, now, done
        finished = total > 0 and done >= total
        if not finished and now - self._last < self._every:
            return
        self._last = now
        self._emit(self.describe(stage, done, total, unit, now - self._started, done - self._first_done))
        if finished:
            self._stage = ""

    @staticmethod
    def describe(stage: str, done: int, total: int, unit: str, seconds: float, advanced: int) -> str:
        """One line: stage, share done, rate and time left (seconds are wall time spent on ``advanced`` units)."""
        rate = advanced / seconds if seconds > 0 else 0.0
        if done >= total > 0 and advanced <= 0:  # the first report of this stage says that it has finished
            return f"{stage}: {total:,} {unit}"
        speed = f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
        if total <= 0:
            return f"{stage}: {done:,} {unit}, {speed} {unit}/s"
        if done >= total:
            return f"{stage}: {total:,} {unit} in {seconds:.1f} s ({speed} {unit}/s)"
        left = (total - done) / rate if rate > 0 else 0.0
        return f"{stage}: {done / total:.0%} of {total:,} {unit}, {speed} {unit}/s, {left:.0f} s left"
