"""What starting a step costs: the time from its launch to its own first line, in a fresh process and in a forked one.

    python benchmarks/step_startup.py

The executor forks steps from a server that has imported what is slow to import (``orchestration.definitions``); this
compares that with a process that imports it anew, as the start method "spawn" does.
"""

import multiprocessing
import time
from multiprocessing.context import BaseContext
from multiprocessing.queues import SimpleQueue

from measurements import parser, report, spread

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
    args = parser(__doc__, rounds=5).parse_args()
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(PRELOADED)
    contexts = {"forked from the server": server, "spawned": multiprocessing.get_context("spawn")}
    first = {name: seconds(context, PRELOADED) for name, context in contexts.items()}
    later: dict[str, list[float]] = {name: [] for name in contexts}
    for _ in range(args.rounds):
        for name, context in contexts.items():
            later[name].append(seconds(context, PRELOADED))
    found = [spread("step start", "a run's first step", name, [took], "s") for name, took in first.items()]
    found += [spread("step start", "every later step", name, took, "s") for name, took in later.items()]
    report(found, args.out)


if __name__ == "__main__":
    main()
