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
        text = f"{self.formatTime(record, '%H:%M:%S')}  {step:<28} {message}"
        if record.levelno >= logging.WARNING:
            text = f"{text}  [{record.levelname}]"
        cause = _root_cause(facts.get("dagster_event"))
        return f"{text}\n{cause}" if cause else text


def _root_cause(event: dg.DagsterEvent | None) -> str | None:
    """What a failed step's own code raised: the message of bad input, with the stack for anything else."""
    if event is None or not event.is_step_failure or event.step_failure_data.error is None:
        return None
    error = event.step_failure_data.error
    while error.cause is not None:
        error = error.cause
    return error.message.strip() if error.cls_name == "InputError" else error.to_string().strip()


@dg.logger(
    config_schema={"log_level": dg.Field(str, default_value="INFO", is_required=False)},
    description="One short line per message on standard error.",
)
def console(init_context: dg.InitLoggerContext) -> logging.Logger:
    """A logger that prints short lines; Dagster's own events are at DEBUG level and stay out by default."""
    logger = logging.Logger("alsobought", level=init_context.logger_config["log_level"])
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_ShortFormatter())
    logger.addHandler(handler)
    return logger
