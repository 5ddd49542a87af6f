"""Runs whose process is gone, and runs whose process is alive or unknown."""

import json
import os
import subprocess

import dagster as dg
import psutil
from dagster._core.events import EngineEventData

from core import process_identity
from orchestration.runs import monitoring
from tests.orchestration.stored_runs import STARTED, STARTING, stored
from tests.pipeline import local_instance


def test_only_a_run_whose_process_is_gone_is_dead(tmp_path):
    @dg.op
    def nothing():
        pass

    @dg.job
    def idle():
        nothing()

    with local_instance(tmp_path) as instance:
        gone = psutil.Popen(["true"])
        gone.wait()
        runs = {}
        for name, (pid, tags) in {
            "alive": (os.getpid(), monitoring.host_tags()),
            "gone": (gone.pid, monitoring.host_tags()),
            "elsewhere": (gone.pid, {monitoring.HOST_TAG: "another machine"}),
        }.items():
            run = instance.create_run_for_job(idle, status=dg.DagsterRunStatus.STARTED, tags=tags)
            instance.report_engine_event("started", run, EngineEventData.in_process(pid))
            runs[name] = run.run_id
        assert monitoring.fail_dead_runs(instance) == [runs["gone"]]
        assert instance.get_run_by_id(runs["gone"]).status == dg.DagsterRunStatus.FAILURE
        assert instance.get_run_by_id(runs["alive"]).status == dg.DagsterRunStatus.STARTED


def test_a_dead_run_is_found_whatever_the_host_is_called(tmp_path, monkeypatch):
    gone = psutil.Popen(["true"])
    gone.wait()
    with local_instance(tmp_path) as instance:

        def state(pid=None, process=None, status=STARTED, **facts):
            run = stored(instance, status, **facts)
            if process:
                instance.add_run_tags(run.run_id, monitoring.host_tags() | monitoring.process_tags(run.run_id, process))
            if pid is not None:
                instance.report_engine_event("started", run, EngineEventData.in_process(pid))
            return monitoring.is_dead(instance, instance.get_run_by_id(run.run_id))

        here = json.loads(monitoring.host_tags()[monitoring.HOST_TAG])
        own = process_identity.this_process()
        monkeypatch.setattr("socket.gethostname", lambda: "renamed")
        assert state(gone.pid, tags=monitoring.host_tags()) and not state(os.getpid(), tags=monitoring.host_tags())
        for status in (STARTED, STARTING):
            assert not state(process=own, status=status)
            assert state(process=own | {"started": 1}, status=status)  # the same number, another start
        # The tags of a run that somebody runs again in the UI; the new run's process is not known yet.
        copied = monitoring.host_tags() | monitoring.process_tags("another run", own | {"started": 1})
        assert not state(status=STARTING, tags=copied) and not state(os.getpid(), tags=copied)
        old = {monitoring.HOST_TAG: json.dumps(here)}
        assert state(gone.pid, tags=old) and not state(os.getpid(), tags=old)
        other = {monitoring.HOST_TAG: json.dumps(here | {"machine": "another"})}
        assert not state(gone.pid, tags=other)
        # A restarted container has other process numbers and the same name.
        anew = here | {"pids": "pid:[1]"}
        assert not state(gone.pid, tags={monitoring.HOST_TAG: json.dumps(anew)})
        assert state(gone.pid, tags={monitoring.HOST_TAG: json.dumps(anew | {"name": "renamed"})})


def test_a_process_that_was_seen_alive_is_known_by_its_start_from_then_on(tmp_path):
    with local_instance(tmp_path) as instance, subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        run = stored(instance, STARTED, tags=monitoring.host_tags())
        instance.report_engine_event("started", run, EngineEventData.in_process(process.pid))
        assert not monitoring.is_dead(instance, run)
        run = instance.get_run_by_id(run.run_id)
        assert json.loads(run.tags[monitoring.PROCESS_TAG]) == process_identity.identity_of(process.pid) | {
            "run": run.run_id
        }
        process.communicate()
        assert monitoring.is_dead(instance, run)
