"""A run in a terminal: it waits, works, and stops at Ctrl-C."""

import os
import signal
import subprocess
import sys
from collections import Counter

import dagster as dg
import psutil

from core import process_identity
from orchestration.runs import monitoring
from tests.faults import Installation, kill_all, steps, wait_for
from tests.orchestration.stored_runs import STARTED, stored
from tests.pipeline import shipped_instance


def test_a_terminal_waits_then_works_and_stops_at_ctrl_c_with_all_its_processes(tmp_path):
    place = Installation(tmp_path)
    whole = place.categories["alpha"]  # a step that cannot end before it is stopped
    endless = whole | {"settings": whole["settings"] | {"sample": {"products": 500_000, "pairs_per_product": 20}}}
    place.write_categories({"alpha": endless})
    with shipped_instance(tmp_path) as instance, subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other:
        ahead = stored(instance, STARTED)
        identity = process_identity.identity_of(other.pid)
        instance.add_run_tags(ahead.run_id, monitoring.host_tags() | monitoring.process_tags(ahead.run_id, identity))
        command = [
            sys.executable,
            "-m",
            "orchestration.cli",
            "materialize",
            "alpha",
            "--select",
            "raw_products",
        ]
        run = subprocess.Popen(
            command, cwd="/", env=place.environment, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        try:
            lines = []
            while not lines or f"Waiting for run {ahead.run_id} of alpha" not in lines[-1]:
                lines.append(run.stderr.readline())
                assert lines[-1], f"the command ended early: {''.join(lines)}"
            other.communicate()  # its process is gone, and so is its run
            wait_for(run, lambda: steps(run))
            family = psutil.Process(run.pid).children(recursive=True)
            os.killpg(run.pid, signal.SIGINT)  # as a terminal does: to all of them
            lines.append(run.stderr.read())
            assert run.wait(60) == 130
        finally:
            kill_all(run)
        text = "".join(lines)
        assert text.endswith("Stopped. Run the same command again to continue from here.\n")
        assert "Traceback" not in text and "Stack Trace" not in text and "failed" not in text
        _, alive = psutil.wait_procs(family, timeout=60)
        assert alive == []
        states = Counter(one.status for one in instance.get_runs())
        assert states == {dg.DagsterRunStatus.FAILURE: 1, dg.DagsterRunStatus.CANCELED: 1}
        assert instance.event_log_storage.get_concurrency_run_ids() == set()
