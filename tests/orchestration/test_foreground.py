"""Runs in a terminal: waiting for other runs, Ctrl-C, and one sentence for whatever goes wrong."""

import json
import multiprocessing.synchronize  # before the test that replaces its semaphore
import os
import signal
import subprocess
import sys
from collections import Counter

import dagster as dg
import psutil
import pytest
import yaml
from dagster._core.events import EngineEventData
from dagster._core.execution.plan.objects import StepFailureData
from dagster._core.launcher import DefaultRunLauncher, LaunchRunContext
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import create_run_for_test
from dagster._utils.error import SerializableErrorInfo

from core import process_identity
from core.categories import Category
from core.errors import InputError
from orchestration import deploy
from orchestration.command import preflight
from orchestration.command.selection import select_assets
from orchestration.definitions import defs
from orchestration.pools import GPU_POOL
from orchestration.run_launcher import LocalRunLauncher
from orchestration.runs import failures, monitoring, queue
from tests.conftest import ROOT
from tests.faults import Installation, kill_all, steps, wait_for
from tests.pipeline import local_instance, shipped_instance

STARTING, STARTED, QUEUED = dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.QUEUED
LAUNCHED = RemoteJobOrigin(
    RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("alsobought"), "__repository__"), "rebuild"
)


@pytest.fixture
def shipped(tmp_path):
    (tmp_path / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
    with shipped_instance(tmp_path) as instance:
        yield instance


def stored(instance, status, category="alpha", **facts):
    tags = facts.pop("tags", {}) | {"dagster/partition": category}
    return create_run_for_test(instance, "rebuild", status=status, tags=tags, **facts)


def test_a_terminals_run_waits_for_a_run_of_its_category_and_says_so(tmp_path):
    with local_instance(tmp_path) as instance:
        first, second = (stored(instance, status, remote_job_origin=LAUNCHED) for status in (STARTED, STARTING))
        stored(instance, STARTED, "beta")
        stored(instance, QUEUED, remote_job_origin=LAUNCHED)  # it waits for this run, not the other way round
        lines = []

        def say(text):
            lines.append(text)
            instance.report_run_failed(first if len(lines) == 1 else second)  # ends the run that is waited for

        own = queue.create_run_in_turn(instance, "alpha", lambda: stored(instance, STARTING), say, poll_seconds=0)
        assert lines == [
            f"Waiting for run {run.run_id} of alpha, which is in progress. Press Ctrl-C to stop waiting."
            for run in (first, second)
        ]
        assert instance.get_run_by_id(own.run_id).status == STARTING


def test_of_two_terminals_at_the_same_moment_the_first_goes_and_the_other_waits(tmp_path):
    """Each creates its run before it sees the other's; the one created later gives way."""
    with local_instance(tmp_path) as instance:
        earlier, made = [], []

        def make():
            if not earlier:
                earlier.append(stored(instance, STARTING))
            made.append(stored(instance, STARTING))
            return made[-1]

        def end(text):
            instance.report_run_failed(earlier[0])

        own = queue.create_run_in_turn(instance, "alpha", make, end, poll_seconds=0)
        assert len(made) == 2 and own == made[1]
        assert instance.get_run_by_id(made[0].run_id) is None
        # The earlier run does not wait for one that was created after it.
        [first] = [r for r in instance.get_run_records() if r.dagster_run.run_id == own.run_id]
        later = stored(instance, STARTING)
        [second] = [r for r in instance.get_run_records() if r.dagster_run.run_id == later.run_id]
        assert queue._goes_first(first, second) and not queue._goes_first(second, first)


def test_a_launched_run_goes_back_to_the_queue_when_a_terminal_was_first(shipped, monkeypatch):
    launched = []
    monkeypatch.setattr(DefaultRunLauncher, "launch_run", lambda self, context: launched.append(context.dagster_run))
    launcher = shipped.run_launcher
    assert isinstance(launcher, LocalRunLauncher)
    own = stored(shipped, STARTING)
    run = stored(shipped, STARTING, remote_job_origin=LAUNCHED)
    launcher.launch_run(LaunchRunContext(run, None))
    assert launched == [] and shipped.get_run_by_id(run.run_id).status == QUEUED
    shipped.report_run_failed(own)
    assert shipped.event_log_storage.get_pool_limits() == []
    launcher.launch_run(LaunchRunContext(run, None))
    assert launched == [run]
    # The pool exists before the steps of any run use it.
    assert [pool.name for pool in shipped.event_log_storage.get_pool_limits()] == [GPU_POOL]


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


def test_both_instances_have_the_same_limits_and_the_database_is_found_from_dagster_home(shipped, tmp_path):
    assert deploy.FILE.read_text() == deploy.content(), "run `python -m orchestration.deploy`"
    plain, postgres = (yaml.safe_load(file.read_text()) for file in (ROOT / "dagster.yaml", deploy.FILE))
    assert list(postgres["storage"]) == ["postgres"]
    assert {**plain, "storage": None} == {**postgres, "storage": None}
    assert shipped.run_monitoring_max_runtime_seconds > 0
    assert (tmp_path / ".dagster" / "history").is_dir() and not (tmp_path.parent / ".dagster").exists()
    assert shipped.compute_log_manager.get_captured_local_path(["a"], "out").startswith(str(tmp_path))
    assert shipped.storage_directory().startswith(str(tmp_path / ".dagster"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("embeddings/skipgrm", "there is no asset 'embeddings/skipgrm'; did you mean 'embeddings/skipgram' or"),
        ("*leaderbord", "there is no asset 'leaderbord'; did you mean 'leaderboard'?"),
        ("Walks+", "did you mean 'walks'"),
        ("qqqq", "no asset 'qqqq'; Write a selection as"),
        ("walks or leaderbord", "no asset 'leaderbord'"),
        ("walks(", "cannot be read"),
        ("", "cannot be read"),
        ("++", "cannot be read"),
        ("group:nope", "selects no asset that can be made"),
        ("source", "selects no asset that can be made"),
    ],
)
def test_a_wrong_selection_is_a_sentence_with_two_examples(text, sentence):
    with pytest.raises(InputError) as error:
        select_assets(defs, text)
    found = str(error.value)
    assert sentence in found and "'embeddings/skipgram+'" in found and "'*leaderboard'" in found and "\n" not in found


def test_a_selection_takes_what_comes_out_of_the_same_step():
    found = {key.to_user_string() for key in select_assets(defs, "raw_products")}
    assert found == {"raw_products", "raw_relationships", "quarantine"}


def failure(step, *errors):
    """A step's failure whose error was raised from the next one, and so on."""
    info = None
    for name, message in reversed(errors):
        info = SerializableErrorInfo(f"module.{name}: {message}\n", ["  File x, line 1\n"], name, info)
    return dg.DagsterEvent(
        dg.DagsterEventType.STEP_FAILURE.value,
        "rebuild",
        step_key=step,
        event_specific_data=StepFailureData(info, None),
    )


@pytest.mark.parametrize(
    ("errors", "text"),
    [
        (
            [("DagsterExecutionStepExecutionError", "x"), ("InputError", "beauty.csv: line 1 is bad")],
            "beauty.csv: line 1",
        ),
        ([("OSError", "[Errno 28] No space left on device: '/x'")], "free some space"),
        ([("OSError", "[Errno 30] Read-only file system: '/x'")], "ALSOBOUGHT_STORE"),
        ([("DagsterError", "x"), ("PermissionError", "[Errno 13] Permission denied: '/x'")], "change its owner"),
        ([("_ArrayMemoryError", "Unable to allocate 3 GiB")], "too little memory"),
    ],
)
def test_what_a_person_can_act_on_has_no_stack(errors, text):
    [line] = failures.FailureReporter().lines(failure("walks", *errors))
    assert text in line and line.startswith("walks failed: ") and "\n" not in line and "File" not in line
    [line] = failures.FailureReporter().lines(failure("walks", ("ZeroDivisionError", "division by zero")))
    assert "File x" in line  # a fault of the program: where it is must be told
    assert failures.FailureReporter().lines(failure("walks", ("DagsterExecutionInterruptedError", ""))) == []


def test_how_a_killed_process_reads():
    nine = "Multiprocess executor: child process for step walks was terminated by signal 9 (SIGKILL)."
    assert "probably because the machine ran out of memory" in failures.crash_text(nine, True)
    assert "by somebody, or because the machine ran out of memory" in failures.crash_text(nine, False)
    assert "signal 11 (SIGSEGV)" in failures.crash_text(nine.replace("9 (SIGKILL)", "11 (SIGSEGV)"), True)
    assert "exit code 3" in failures.crash_text("child process for step walks unexpectedly exited with code 3.", False)
    assert failures.memory_kills() >= 0


@pytest.mark.parametrize("root", ["file", "/proc/store"])
def test_a_store_that_cannot_be_written_to_is_a_sentence(tmp_path, monkeypatch, root):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ALSOBOUGHT_STORE", str(tmp_path / root))
    with pytest.raises(InputError, match=r"cannot be written to .*set ALSOBOUGHT_STORE"):
        preflight.check_machine()


def test_shared_memory_that_cannot_be_used_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("ALSOBOUGHT_STORE", str(tmp_path))

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(multiprocessing.synchronize._multiprocessing, "SemLock", full)
    with pytest.raises(InputError, match=r"/dev/shm, cannot be used \(No space left on device\)"):
        preflight.check_machine()


def test_a_missing_source_is_found_without_asking_a_server(tmp_path, monkeypatch):
    monkeypatch.setenv("RAW_DIR", str(tmp_path))
    with pytest.raises(InputError, match=r"none\.csv does not exist"):
        preflight.check_source(Category("a", "A", "none.csv"))
    with pytest.raises(InputError, match=r"products\.csv does not exist"):
        preflight.check_source(Category("a", "A", "https://127.0.0.1:9/x", products="products.csv"))
    preflight.check_source(Category("a", "A", "https://127.0.0.1:9/x"))
    preflight.check_source(Category("a", "A", "sample"))


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
