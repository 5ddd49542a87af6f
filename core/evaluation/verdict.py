"""Which model of a category is best and by how much, in one sentence for people.

The explorer, the terminal and Dagster show the same sentence.
"""

from dataclasses import dataclass

import pyarrow as pa

from core.evaluation import display_names, number_text
from core.evaluation.metrics import (
    ALL,
    COLD_START,
    DEGREE_MATCHED,
    NEXT_ORDER,
    NEXT_PRODUCT,
    PUBLISHED,
    RANKING,
    REST_OF_BASKET,
    of_protocol,
)
from core.evaluation.standings import Standing, deciding_protocol, main_metric, standings

FLOOR = "popularity"
"""The model that every other one has to beat."""
_SHARES = {
    RANKING: "of held-out partners are in its first ten",
    NEXT_PRODUCT: "of what else was in later orders is in its first ten",
    REST_OF_BASKET: "of the products missing from later baskets are in its first ten",
    NEXT_ORDER: "of what was new in customers' next orders is in its first ten",
}
"""Protocol → what its main metric is a share of, after the number."""
_SCORES = {
    DEGREE_MATCHED: "degree-matched AUC",
    COLD_START: "AUC for new products",
    PUBLISHED: "AUC against the article's easy negatives",
}
"""Protocol → the name of its main metric, before the number."""


_NAMED = 3
"""Models that a tie names at most."""


@dataclass(frozen=True)
class Verdict:
    """Which model is best, and what it is compared with.

    Attributes:
        protocol: the protocol that decides; None if nothing was measured.
        metric: its main metric; None if nothing was measured.
        best: the best models, more than one if they have exactly the same number; empty if nothing was measured.
        following: the next model, None if there is no other one.
        floor: popularity, None if it was not measured.
        matched_auc: degree-matched ROC-AUC of the first of the best models with its scoring that decided, None if it
            was not measured.
    """

    protocol: str | None
    metric: str | None
    best: tuple[Standing, ...] = ()
    following: Standing | None = None
    floor: Standing | None = None
    matched_auc: float | None = None

    @property
    def lead(self) -> float | None:
        """How far the best model is ahead of the next one: 0 for a tie, None if there is only one model."""
        if len(self.best) > 1:
            return 0.0
        return self.best[0].value - self.following.value if self.best and self.following else None

    @property
    def is_clear(self) -> bool | None:
        """Whether the intervals of the best model and of the next one do not overlap; None without intervals."""
        if len(self.best) > 1:
            return False
        if not self.best or self.following is None or self.best[0].low is None or self.following.high is None:
            return None
        return self.best[0].low > self.following.high

    def sentence(self, emphasis: str = "") -> str:
        """The verdict as one sentence.

        Args:
            emphasis: put before and after the names of the best models, such as ``**`` for Markdown.
        """
        if not self.best or self.protocol is None:
            return "No model was measured yet."
        if self.protocol in _SHARES and self.best[0].value == 0:
            return "No model is ahead: nothing that was held out is in the first ten of any list."
        names = _joined([f"{emphasis}{display_names.model_title(standing.model)}{emphasis}" for standing in self.best])
        if len(self.best) == 1 and self.following is None:
            clauses = [f"{names} is the only model that was measured: {self._number()}"]
        elif len(self.best) == 1:
            clauses = [f"{names} is best: {self._number()}"]
        else:
            clauses = [f"{names} are equally good: {self._number()}"]
        shown = {standing.model for standing in self.best}
        if self.following is not None:
            name = display_names.model_title(self.following.model)
            clauses.append(f"next {name} {self._value(self.following)}{self._doubt()}")
            shown.add(self.following.model)
        if self.floor is not None and self.floor.model not in shown:
            clauses.append(f"{display_names.model_title(self.floor.model)} {self._value(self.floor)}")
        return "; ".join(clauses) + "."

    def facts(self) -> dict[str, str | float]:
        """The same as facts by name: the names of the best models, their number, the lead and the degree-matched AUC.

        What is not known is left out.
        """
        if not self.best or self.protocol is None:
            return {}
        numbers = {
            of_protocol(self.protocol)[0].heading: self.best[0].value,
            "lead": self.lead,
            "degree-matched AUC": self.matched_auc,
        }
        names = ", ".join(standing.model for standing in self.best)
        return {"best model": names} | {name: value for name, value in numbers.items() if value is not None}

    def auc_sentence(self) -> str:
        """The degree-matched AUC beside the verdict; empty if it was not measured or is what decided."""
        if self.matched_auc is None or self.protocol == DEGREE_MATCHED:
            return ""
        return f"Degree-matched AUC {number_text.score(self.matched_auc)} (popularity alone is worth 0.5)."

    def _number(self) -> str:
        """The best model's number with what it means."""
        best = self.best[0]
        if self.protocol in _SHARES:
            what = _SHARES[self.protocol]
            return (
                f"{self._value(best)} {what if len(self.best) == 1 else what.replace('in its', 'in the') + ' of each'}"
            )
        return f"{_SCORES[str(self.protocol)]} {self._value(best)}"

    def _value(self, standing: Standing) -> str:
        """A number as people read it, with as many digits as it takes to tell the first two apart."""
        if self.protocol not in _SHARES:
            return number_text.score(standing.value)
        texts = [[number_text.percent(s.value, digits) for s in self._first_two()] for digits in (0, 1)]
        digits = 1 if len(set(texts[0])) < len(texts[0]) and len(set(texts[1])) == len(texts[1]) else 0
        return number_text.percent(standing.value, digits)

    def _first_two(self) -> list[Standing]:
        return [self.best[0], *([self.following] if self.following else [])]

    def _doubt(self) -> str:
        if len(self.best) > 1 or self.is_clear is None:
            return ""
        return " (intervals do not overlap)" if self.is_clear else " (intervals overlap, so the lead may be chance)"


def judge(board: pa.Table) -> Verdict:
    """The verdict on the models of one category.

    Every model counts with its better scoring. The first protocol that gave a number decides, in the order of
    ``core.evaluation.metrics.PROTOCOLS``: later orders where orders are held out in time, otherwise the lists.

    Args:
        board: a table with the columns of ``core.evaluation.METRICS``; models with nothing but times do not count.
    """
    protocol = deciding_protocol(board)
    if protocol is None:
        return Verdict(None, None)
    order = standings(board, protocol)
    best = tuple(standing for standing in order if standing.value == order[0].value)
    return Verdict(
        protocol,
        main_metric(protocol),
        best,
        order[len(best)] if len(order) > len(best) else None,
        next((standing for standing in order if standing.model == FLOOR), None),
        _matched_auc(board, best[0]),
    )


def _matched_auc(board: pa.Table, best: Standing) -> float | None:
    wanted = (best.model, best.scoring, DEGREE_MATCHED, ALL, main_metric(DEGREE_MATCHED))
    keys = ("model", "scoring", "protocol", "subset", "metric")
    values = [row["value"] for row in board.to_pylist() if tuple(row[key] for key in keys) == wanted]
    return next((value for value in values if value is not None and value == value), None)


def _joined(names: list[str]) -> str:
    if len(names) > _NAMED:
        names = [*names[: _NAMED - 1], f"{len(names) - _NAMED + 1} others"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
