"""What a run looks like on a terminal.

Belongs here: the console logger of the jobs. Does not belong here: the UI's log, which Dagster writes itself.
"""

import logging
import sys

import dagster as dg


class _ShortFormatter(logging.Formatter):
    """Time, step and message; Dagster's own format repeats job and run id on every line."""

    def format(self, record: logging.LogRecord) -> str:
        facts = getattr(record, "dagster_meta", {}) or {}
        step = facts.get("step_key") or ""
        message = facts.get("orig_message") or record.getMessage()
        text = f"{self.formatTime(record, '%H:%M:%S')}  {step:<38} {message}"
        return f"{text}  [{record.levelname}]" if record.levelno >= logging.WARNING else text


def _says_something(record: logging.LogRecord) -> bool:
    """False for the line that Dagster logs for each step behind a failed one."""
    facts = getattr(record, "dagster_meta", {}) or {}
    return not str(facts.get("orig_message")).startswith("Dependencies for step")


def failures(result: dg.JobExecutionResult) -> list[str]:
    """What each failed step's own code raised: the message of bad input or a failed check, else the stack too.

    Taken from the run's events, because a step's process may end before its last lines reach the terminal. Also what
    ended the run outside of its steps, if anything did.
    """
    found = []
    for event in result.all_events:
        if event.is_step_failure and event.step_failure_data.error is not None:
            found.append(f"{event.step_key} failed: {failure_text(event)}")
        elif event.event_type == dg.DagsterEventType.RUN_FAILURE and event.job_failure_data.error is not None:
            found.append(f"the run failed: {event.job_failure_data.error.to_string()}")
    return found


def failure_text(event: dg.DagsterEvent) -> str:
    """What a failed step's own code raised: of bad input or a failed check the message alone."""
    error = event.step_failure_data.error
    while error is not None and error.cls_name not in _OWN_WORDS and error.cause is not None:
        error = error.cause
    if error is None:
        return str(event.message)
    return (error.message if error.cls_name in _OWN_WORDS else error.to_string()).strip()


_OWN_WORDS = ("InputError", "Failure")
"""Errors whose message says everything."""


@dg.logger(
    config_schema={"log_level": dg.Field(str, default_value="INFO", is_required=False)},
    description="One short line per message on standard error.",
)
def console(init_context: dg.InitLoggerContext) -> logging.Logger:
    """A logger that prints short lines; Dagster's own events are at DEBUG level and stay out by default."""
    logger = logging.Logger("alsobought", level=init_context.logger_config["log_level"])
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_ShortFormatter())
    handler.addFilter(_says_something)
    logger.addHandler(handler)
    return logger
