"""Which model is ahead under a protocol: the order of the verdict, the leaderboard and the choice of the lists."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from core.evaluation.metrics import ALL, PROTOCOLS, definition, of_protocol
from core.models import MODELS


@dataclass(frozen=True)
class Standing:
    """One number of one model.

    Attributes:
        model, scoring: whose number it is.
        value: the number.
        low, high: its 95 % interval; None if there is none.
    """

    model: str
    scoring: str
    value: float
    low: float | None = None
    high: float | None = None


def main_metric(protocol: str) -> str:
    """The metric that ranks the models under a protocol."""
    return of_protocol(protocol)[0].name


def registry_place(model: str, scoring: str) -> tuple[int, int]:
    """Where a model and scoring stand in the registry; among equals the first one wins. Unknown ones come last."""
    names = list(MODELS)
    if model not in MODELS:
        return len(names), 0
    scorings = MODELS[model].scorings
    return names.index(model), scorings.index(scoring) if scoring in scorings else len(scorings)


def ranked(
    rows: Iterable[Mapping[str, Any]], protocol: str, metric: str | None = None, subset: str = ALL
) -> list[dict[str, Any]]:
    """The rows with a metric of a protocol, best first; rows without a number are left out.

    Args:
        rows: rows of a table with the columns of ``core.evaluation.METRICS``.
        protocol: the protocol.
        metric: the metric, by default the main one.
        subset: the subset of the pairs.
    """
    wanted = (protocol, metric or main_metric(protocol), subset)
    known = definition(wanted[1], protocol)
    sign = 1 if known is not None and known.better == "lower" else -1
    measured = [
        dict(row)
        for row in rows
        if (row["protocol"], row["metric"], row["subset"]) == wanted and _is_number(row["value"])
    ]
    return sorted(measured, key=lambda row: (sign * row["value"], registry_place(row["model"], row["scoring"])))


def standings(board: pa.Table, protocol: str, metric: str | None = None, subset: str = ALL) -> list[Standing]:
    """Every measured model by a metric of a protocol with its better scoring, best first.

    Args:
        board: a table with the columns of ``core.evaluation.METRICS``, of any number of models.
        protocol: the protocol.
        metric: the metric, by default the main one.
        subset: the subset of the pairs.
    """
    best: dict[str, Standing] = {}
    for row in ranked(board.to_pylist(), protocol, metric, subset):
        low, high = (row[end] if _is_number(row[end]) else None for end in ("low", "high"))
        best.setdefault(row["model"], Standing(row["model"], row["scoring"], row["value"], low, high))
    return list(best.values())


def deciding_protocol(board: pa.Table) -> str | None:
    """The first protocol, in the order of ``core.evaluation.metrics.PROTOCOLS``, that gave a number; None if none did.

    Where orders are held out in time, that is one about later orders.
    """
    return next((protocol for protocol in PROTOCOLS if standings(board, protocol)), None)


def _is_number(value: Any) -> bool:
    return value is not None and value == value
