"""Which model answers which slot, by the leaderboard."""

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from core.errors import InputError
from core.evaluation.metrics import NEXT_ORDER, NEXT_PRODUCT, RANKING
from core.evaluation.standings import ranked, registry_place
from core.interfaces import CENTER_CENTER
from core.recommendations.config import BEST, NONE, FinalModelsConfig
from core.recommendations.form import BOUGHT_TOGETHER, GOES_WITH, SIMILAR

_PROTOCOLS = {
    GOES_WITH: (RANKING, NEXT_PRODUCT, NEXT_ORDER),
    SIMILAR: (RANKING, NEXT_PRODUCT, NEXT_ORDER),
    BOUGHT_TOGETHER: (NEXT_PRODUCT, RANKING, NEXT_ORDER),
}
"""Slot → the protocols that ask what the slot answers, or come near it; the first one that was measured decides."""
_LAST = "popularity"
"""Where nothing was measured, any other model is preferred to this one, whose lists are the same for every product."""


@dataclass(frozen=True)
class Choice:
    """The model of a slot.

    Attributes:
        model: registry name.
        scoring: the scoring whose lists are used.
        vouched_by: JSON-able: ``protocol``, ``metric``, ``value``, ``low`` and ``high`` of the number that chose it,
            and ``metrics``, all rows of the leaderboard for this model and scoring (without ``category``, ``model`` and
            ``scoring``).
    """

    model: str
    scoring: str
    vouched_by: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {"model": self.model, "scoring": self.scoring, "vouched_by": self.vouched_by}


def choose(board: pa.Table, config: FinalModelsConfig, has_orders: bool) -> dict[str, Choice]:
    """The model and scoring of every slot.

    *Goes with* and *bought together* take any scoring but ``center_center``, and *similar* takes only that one. The
    first metric of the slot's protocol ranks them; among equals the first in the registry wins.

    Args:
        board: a leaderboard (schema ``core.evaluation.leaderboard.LEADERBOARD``) of one category.
        config: the wanted models.
        has_orders: whether the category has order lines; without them nothing is bought together.

    Raises:
        InputError: the wanted model is not on the leaderboard, because it was not trained.
    """
    rows = [row for row in board.to_pylist() if row["scoring"] is not None]
    wanted = {GOES_WITH: config.goes_with, SIMILAR: config.similar, BOUGHT_TOGETHER: config.bought_together}
    return {
        slot: _best(slot, name, rows)
        for slot, name in wanted.items()
        if name != NONE and (has_orders or slot != BOUGHT_TOGETHER)
    }


def _best(slot: str, name: str, rows: list[dict[str, Any]]) -> Choice:
    fitting = [row for row in rows if (row["scoring"] == CENTER_CENTER) == (slot == SIMILAR)]
    if name != BEST:
        fitting = [row for row in fitting if row["model"] == name]
    if not fitting:
        what = "no model that answers it" if name == BEST else f"no model {name!r}"
        raise InputError(
            f"final_models.{slot}: the leaderboard has {what}, because it was not trained in this category; choose "
            "another one, or none"
        )
    orders = (ranked(fitting, protocol) for protocol in _PROTOCOLS[slot])
    best = next((order[0] for order in orders if order), None)
    if best is None:  # nothing is held out in a tiny category
        first = min(fitting, key=lambda row: (row["model"] == _LAST, registry_place(row["model"], row["scoring"])))
        best = first | {"protocol": None, "metric": None, "value": None, "low": None, "high": None}
    about = ("protocol", "subset", "metric", "value", "low", "high")
    own = [row for row in fitting if (row["model"], row["scoring"]) == (best["model"], best["scoring"])]
    metrics = [{name: row[name] for name in about} for row in own]
    return Choice(best["model"], best["scoring"], {name: best[name] for name in about} | {"metrics": metrics})
