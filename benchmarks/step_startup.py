"""What starting a step costs: the time from its launch to its own first line, in a fresh process and in a forked one.

    python benchmarks/step_startup.py [--runs 5]

The executor forks steps from a server that has imported what is slow to import (``orchestration.definitions``); this
compares that with a process that imports it anew, as the start method "spawn" does.
"""

import argparse
import multiprocessing
import statistics
import time
from multiprocessing.context import BaseContext
from multiprocessing.queues import SimpleQueue

from orchestration.definitions import EXECUTOR

PRELOADED = EXECUTOR["start_method"]["forkserver"]["preload_modules"]


def step(modules: list[str], launched: float, answer: SimpleQueue) -> None:
    """Import what a step needs and say how long that took since the launch."""
    for module in modules:
        __import__(module)
    answer.put(time.time() - launched)


def seconds(context: BaseContext, modules: list[str]) -> float:
    answer = context.SimpleQueue()
    process = context.Process(target=step, args=(modules, time.time(), answer))
    process.start()
    took = answer.get()
    process.join()
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(PRELOADED)
    for name, context in (("spawn", multiprocessing.get_context("spawn")), ("forkserver", server)):
        first = seconds(context, PRELOADED)
        later = statistics.median(seconds(context, PRELOADED) for _ in range(runs))
        print(f"{name:11} first step {first:6.2f} s, later steps {later:6.2f} s (median of {runs})", flush=True)


if __name__ == "__main__":
    main()
