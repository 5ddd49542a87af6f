"""What a failed run says on the terminal."""

import dagster as dg
import pytest
from dagster._core.execution.plan.objects import StepFailureData
from dagster._utils.error import SerializableErrorInfo

from orchestration.runs import failures


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
