"""What a step shows to people: progress lines in its log, and metadata of its materialization."""

import base64
import dataclasses
import resource
import time
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa

from core.checks import Finding, Rule
from core.progress import ProgressLine
from core.untrusted.markdown import plain

_LOG_EVERY_SECONDS = 15.0  # each log line is a database write


class StepReport:
    """Clock, progress and output of one asset's step.

    Create it at the top of the asset, pass ``report.progress`` to core and return ``report.output(value, ...)``.
    """

    def __init__(self, context: dg.AssetExecutionContext, config: Any = None) -> None:
        self._context = context
        self._started = time.perf_counter()
        self._config = config
        self.progress = ProgressLine(context.log.info, _LOG_EVERY_SECONDS)

    def metadata(self, **facts: Any) -> dict[str, Any]:
        """Facts plus wall time, peak memory and the config that was used; underscores in names become spaces."""
        common: dict[str, Any] = {
            "seconds": round(time.perf_counter() - self._started, 3),
            # The executor gives each step a process of its own, so the process's peak is the step's.
            "peak memory (MB)": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        }
        if self._config is not None:
            common["config"] = dg.MetadataValue.json(dataclasses.asdict(self._config))
        return {name.replace("_", " "): value for name, value in facts.items()} | common

    def output(self, value: Any, findings: Sequence[Finding] = (), **facts: Any) -> dg.MaterializeResult[Any]:
        """The asset's value with its metadata and the results of its checks.

        An asset with checks must not have a return annotation. A check is an output too, and in an asset with several
        outputs Dagster takes an annotated MaterializeResult for one without a value and stores nothing.

        Raises:
            dagster.Failure: a blocking check failed. The value is not stored, and the earlier one stays current.
                Dagster itself would store the value first and stop afterwards.
        """
        return dg.MaterializeResult(
            value=value, metadata=self.metadata(**facts), check_results=check_results(self._context, findings)
        )


def check_specs(asset: str | Sequence[str], rules: Sequence[Rule]) -> list[dg.AssetCheckSpec]:
    """The specs of an asset's checks. The asset's own step evaluates them, because another step costs a process."""
    return [
        dg.AssetCheckSpec(rule.name, asset=dg.AssetKey(asset), description=rule.description, blocking=rule.blocking)
        for rule in rules
    ]


def check_results(context: dg.AssetExecutionContext, findings: Sequence[Finding]) -> list[dg.AssetCheckResult]:
    """The findings as Dagster's results.

    Raises:
        dagster.Failure: a blocking check failed; all findings have been reported then.
    """
    blocking = {spec.name: spec.blocking for spec in context.assets_def.check_specs}
    failed = [finding for finding in findings if not finding.passed and blocking[finding.name]]
    results = []
    for finding in findings:
        facts: dict[str, Any] = {
            "passed": finding.passed,
            "severity": dg.AssetCheckSeverity.ERROR if blocking[finding.name] else dg.AssetCheckSeverity.WARN,
            "description": f"{context.partition_key}: {finding.sentence}",
            "metadata": {"category": context.partition_key, **finding.facts},
        }
        results.append(dg.AssetCheckResult(check_name=finding.name, **facts))
        if failed:
            context.log_event(
                dg.AssetCheckEvaluation(context.asset_key, finding.name, **facts, blocking=blocking[finding.name])
            )
    if not failed:
        return results
    reasons = "; ".join(f"{finding.name}: {finding.sentence}" for finding in failed)
    name = context.asset_key.to_user_string()
    raise dg.Failure(
        f"{name} of {context.partition_key} failed its checks and was not stored ({reasons}). "
        "The value that was stored before stays current",
        allow_retries=False,
    )


def floats(numbers: Mapping[str, float | None]) -> dict[str, dg.FloatMetadataValue]:
    """Numbers that the UI draws over time: whole ones count as such too, and those that are not known are left out."""
    return {name: dg.MetadataValue.float(float(value)) for name, value in numbers.items() if value is not None}


def table(rows: pa.Table, limit: int = 8) -> dg.MarkdownMetadataValue:
    """The first rows of a table as Markdown. Text from data is shown as it is: it makes no image and no link.

    Customers are left out, because Dagster keeps its records when a customer is deleted from the source.
    """

    def cell(value: Any) -> str:
        if value is None:
            return ""
        text = f"{value:.4g}" if isinstance(value, float) else str(value)
        return plain(text if len(text) <= 60 else text[:57] + "...")

    names = [name for name in rows.column_names if name != "customer"]
    lines = ["| " + " | ".join(map(plain, names)) + " |", "|" + " --- |" * len(names)]
    lines += ["| " + " | ".join(cell(row[n]) for n in names) + " |" for row in rows.slice(0, limit).to_pylist()]
    return dg.MetadataValue.md("\n".join(lines))


def log_histogram(values: np.ndarray, title: str) -> dg.MarkdownMetadataValue:
    """A small bar chart of positive counts in power-of-two bins, e.g. a degree distribution."""
    values = values[values > 0]
    if not len(values):
        return dg.MetadataValue.md("no values")
    bins = np.bincount(np.log2(values).astype(int))
    labels = [str(1 << i) for i in range(len(bins))]
    return _bars(bins.tolist(), labels, title)


def _bars(heights: Sequence[float], labels: Sequence[str], title: str) -> dg.MarkdownMetadataValue:
    """Bars as an inline SVG image, which the UI shows in Markdown without a plotting library."""
    width, height, gap = 26, 80, 4
    top = max(heights) or 1
    shapes = []
    for i, (value, label) in enumerate(zip(heights, labels, strict=True)):
        bar = round(height * value / top, 1)
        x = i * (width + gap)
        shapes.append(f'<rect x="{x}" y="{height - bar + 14}" width="{width}" height="{bar}" fill="#4f7cac"/>')
        shapes.append(f'<text x="{x + width / 2}" y="{height + 26}" text-anchor="middle">{label}</text>')
    total = len(heights) * (width + gap)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total}" height="{height + 32}" font-size="9" '
        f'font-family="sans-serif" fill="#888"><text x="0" y="9">{title}</text>{"".join(shapes)}</svg>'
    )
    encoded = base64.b64encode(svg.encode()).decode()
    return dg.MetadataValue.md(f"![{title}](data:image/svg+xml;base64,{encoded})")
