"""The logger of runs that print to a terminal."""

import logging
import sys

import dagster as dg


class _ShortFormatter(logging.Formatter):
    """Time, step and message. Dagster's own format repeats the job and the run id on every line."""

    def format(self, record: logging.LogRecord) -> str:
        metadata = getattr(record, "dagster_meta", {}) or {}
        step = metadata.get("step_key") or ""
        message = metadata.get("orig_message") or record.getMessage()
        text = f"{self.formatTime(record, '%H:%M:%S')}  {step:<38} {message}"
        return f"{text}  [{record.levelname}]" if record.levelno >= logging.WARNING else text


def _is_not_a_failure(record: logging.LogRecord) -> bool:
    """Filter out Dagster's lines about a failure, which ``orchestration.runs.failures`` describes instead."""
    metadata = getattr(record, "dagster_meta", {}) or {}
    return not str(metadata.get("orig_message")).startswith(("Dependencies for step", "Execution of "))


@dg.logger(
    config_schema={"log_level": dg.Field(str, default_value="INFO", is_required=False)},
    description="Prints one short line per message to standard error.",
)
def console(init_context: dg.InitLoggerContext) -> logging.Logger:
    """A logger that prints short lines. Dagster's own events are at DEBUG level and are left out by default."""
    logger = logging.Logger("alsobought", level=init_context.logger_config["log_level"])
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_ShortFormatter())
    handler.addFilter(_is_not_a_failure)
    logger.addHandler(handler)
    return logger
