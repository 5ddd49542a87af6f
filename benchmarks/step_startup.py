"""What a step costs besides its work: the same small run with steps forked from the executor's server, and spawned.

    python benchmarks/step_startup.py

Every step of a run is a process of its own. The executor forks it from a server that has imported what is slow to
import (``orchestration.steps.preload``); the start method "spawn" makes a process that imports it anew. Both make the
same few assets of a tiny synthetic category, one step at a time, in a Dagster instance of their own: *start* is the
time from a step's launch until its own code begins, *start and work* the time until the step has succeeded, in which
imports that were put off count too.
"""

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path

from measurements import Measurement, in_process, interleaved, parser, report, spread
from pipeline import CATEGORY, install

SELECT = '+key:"metrics/skipgram"'
PRODUCTS = 400


def spawned_job():
    """The job as the definitions have it, but for the start method."""
    import dagster as dg

    from orchestration import definitions

    definitions.executor = dg.multiprocess_executor.configured({"max_concurrent": 1, "start_method": {"spawn": {}}})
    return definitions.build_defs().resolve_job_def("rebuild")


def run_here(folder: Path, contender: str) -> None:
    """Make everything once in this process (its steps in their own); prints seconds per step as JSON."""
    os.environ.update(install(folder, {"sample": {"products": PRODUCTS}, "skipgram": {"epochs": 1}}))
    import dagster as dg

    from orchestration import machine

    machine.STEPS_AT_ONCE = 1  # before the definitions are made with it
    from orchestration.command.foreground import rebuild_job
    from orchestration.definitions import defs

    wanted = dg.AssetSelection.from_string(SELECT).required_multi_asset_neighbors()
    with contextlib.chdir(folder), dg.DagsterInstance.get() as instance:
        result = dg.execute_job(
            dg.reconstructable(spawned_job if contender == "spawned" else rebuild_job),
            instance=instance,
            tags={"dagster/partition": CATEGORY},
            asset_selection=sorted(wanted.resolve(defs.resolve_asset_graph())),
        )
        if not result.success:
            raise SystemExit("the run failed")
        at: dict[str, dict[str, float]] = {}
        for record in instance.all_logs(result.run_id):
            if record.step_key and record.is_dagster_event:
                kind = record.get_dagster_event().event_type_value
                at.setdefault(record.step_key, {}).setdefault(kind, record.timestamp)
    steps = sorted(at.values(), key=lambda one: one["STEP_WORKER_STARTING"])
    starts = [one["STEP_START"] - one["STEP_WORKER_STARTING"] for one in steps]
    whole = [one["STEP_SUCCESS"] - one["STEP_WORKER_STARTING"] for one in steps]
    told = {"first": starts[0], "later": sum(starts[1:]) / len(starts[1:]), "whole": sum(whole), "steps": len(steps)}
    print(json.dumps(told))


def main() -> None:
    options = parser(__doc__, race=True)
    options.add_argument("--run", choices=("forked", "spawned"), help="(internal) make one run here")
    args = options.parse_args()
    if args.run:
        with tempfile.TemporaryDirectory() as folder:
            run_here(Path(folder), args.run)
        return
    names = {"forked": "forked from the server", "spawned": "spawned"}
    runs = interleaved(
        names, args.rounds, lambda name: in_process(sys.executable, __file__, "--run", name), args.within
    )
    found: list[Measurement] = []
    for name, of in runs.items():
        steps = f"all {of[0]['steps']} steps: start and work"
        for key, what in (
            ("first", "a run's first step: start"),
            ("later", "every later step: start"),
            ("whole", steps),
        ):
            found.append(spread("step start", what, names[name], [run[key] for run in of], "s"))
    report(found, args.out)


if __name__ == "__main__":
    main()
