"""Leaderboards written by hand."""

import pyarrow as pa

from core.evaluation.result import METRICS

NAMES = ("model", "scoring", "protocol", "metric", "value", "low", "high")


def board(*rows: tuple) -> pa.Table:
    """A table of schema ``METRICS``; rows are model, scoring, protocol, metric, value and, if known, low and high."""
    padded = [dict(zip(NAMES, (*row, None, None)[:7], strict=True)) for row in rows]
    return pa.Table.from_pylist([{"subset": "all", **row} for row in padded], schema=METRICS)


def recalls(*rows: tuple, protocol: str = "ranking") -> pa.Table:
    """The recall@10 of models' own scores, from rows of model, value and, if known, low and high."""
    return board(*((model, "native", protocol, "recall@10", *numbers) for model, *numbers in rows))
