"""What a person sees of a step: progress lines in the log and metadata on the materialization.

Belongs here: turning values into Dagster metadata (tables, small plots, sizes) and progress calls into log lines.
Does not belong here: computing anything that is stored.
"""

import base64
import dataclasses
import resource
import time
from collections.abc import Sequence
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa

from core.progress import ProgressLine

_LOG_EVERY_SECONDS = 15.0  # each log line is a database write


class StepReport:
    """Clock, progress and output of one asset step.

    Use: make one at the top of the asset, pass ``report.progress`` to core, return ``report.output(value, ...)``.
    """

    def __init__(self, context: dg.AssetExecutionContext, config: Any = None) -> None:
        self._started = time.perf_counter()
        self._config = config
        self.progress = ProgressLine(context.log.info, _LOG_EVERY_SECONDS)

    def metadata(self, **facts: Any) -> dict[str, Any]:
        """Facts plus wall time, peak memory and the config used; underscores in names become spaces."""
        common: dict[str, Any] = {
            "seconds": round(time.perf_counter() - self._started, 3),
            # The step's process is its own (multiprocess executor), so the high-water mark is the step's.
            "peak memory (MB)": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        }
        if self._config is not None:
            common["config"] = dg.MetadataValue.json(dataclasses.asdict(self._config))
        return {name.replace("_", " "): value for name, value in facts.items()} | common

    def output(self, value: Any, **facts: Any) -> dg.Output[Any]:
        """The asset's value with its metadata."""
        return dg.Output(value, metadata=self.metadata(**facts))


def table(rows: pa.Table, limit: int = 8) -> dg.MarkdownMetadataValue:
    """The head of a table as Markdown."""

    def cell(value: Any) -> str:
        if value is None:
            return ""
        text = f"{value:.4g}" if isinstance(value, float) else str(value)
        text = text if len(text) <= 60 else text[:57] + "..."
        return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")

    names = rows.column_names
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
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
    """Bars as an inline SVG image (the UI shows Markdown images, and needs no plotting library for it)."""
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
