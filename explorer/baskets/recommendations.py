"""What each model would have recommended for a basket of which some products are given."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from core.evaluation import metrics
from core.scoring import baskets
from explorer.search.product_index import ProductIndex
from explorer.shared import neighbour_file, store_reader
from explorer.shared.scorings import default_scoring

SHOWN = 10
"""Number of recommended products that are shown, and that hits are counted in."""
_DEPTH = 50
"""Number of entries read of each product's list."""


@dataclass(frozen=True)
class Question:
    """What is asked about a basket.

    Attributes:
        given: ids of the products that are known; all of them exist.
        asked: int64 nodes of the products that should be recommended.
        rest: whether all products but one are given, so that their lists are fused; otherwise there is one.
    """

    given: tuple[str, ...]
    asked: np.ndarray
    rest: bool


@dataclass(frozen=True)
class Recommendation:
    """The list of one model.

    Attributes:
        model, scoring: whose list it is.
        nodes: int64, best first, at most 50; -1 for a product that the category no longer knows.
        ids: product id of each node.
        scores: float64 of each node: the model's score, or that of fused lists.
        problem: why the list could not be read, or None.
    """

    model: str
    scoring: str
    nodes: np.ndarray
    ids: list[str]
    scores: np.ndarray
    problem: str | None = None

    def hits(self, asked: np.ndarray) -> np.ndarray:
        """bool: which of the first 10 entries were asked for."""
        return np.isin(self.nodes[:SHOWN], asked)

    def recall(self, asked: np.ndarray) -> float:
        """Recall@10 of this one list."""
        return float(metrics.recall(self.hits(asked)[None, :], np.array([len(asked)]), SHOWN)[0])

    def ranks(self, nodes: np.ndarray) -> list[int | None]:
        """Rank of each node in the whole list, None if it is not there."""
        rank = {node: place for place, node in enumerate(self.nodes.tolist(), 1)}
        return [rank.get(node) for node in nodes.tolist()]


def recommend(
    model: str, scoring: str | None, question: Question, category: str, index: ProductIndex
) -> Recommendation:
    """The list of a model: that of the given product, or the fused lists of the rest of a basket.

    Args:
        model: a model whose neighbours are materialized.
        scoring: the scoring whose lists are read; the model's default scoring if it has no lists for this one.
        question: what is given.
        category: partition key.
        index: the products.
    """
    try:
        offered = list(store_reader.read_info(f"neighbours/{model}", category))
        scoring = scoring if scoring is not None and scoring in offered else default_scoring(model, offered)
        file = neighbour_file.read_neighbour_file(model, category)
        if file is None:
            return _empty(model, "It is not materialized any more.")
        if not question.rest:
            rows = file.lookup(question.given[0], scoring, _DEPTH)
            ids = rows["neighbour"].to_pylist()
            return Recommendation(model, scoring, index.nodes(ids), ids, rows["score"].to_numpy().astype(np.float64))
        lists = [index.nodes(part) for part in file.lookup_many(question.given, scoring, _DEPTH)]
        fused = baskets.combine(lists, index.nodes(list(question.given)).tolist(), _DEPTH)
        ids = index.table["product_id"].take(pa.array(fused.nodes)).to_pylist()
        return Recommendation(model, scoring, fused.nodes, ids, fused.scores)
    except (ValueError, LookupError, OSError, pa.ArrowException) as error:  # ValueError includes InputError
        return _empty(model, str(error))


def _empty(model: str, problem: str) -> Recommendation:
    return Recommendation(model, "", np.empty(0, np.int64), [], np.empty(0), problem)


def why_missed(asked: np.ndarray, lists: Sequence[Recommendation], without_pair: Sequence[bool]) -> list[str]:
    """For each product that was asked for, why none of the lists shows it; empty if one does.

    Args:
        asked: int64 nodes.
        lists: the lists of all models on the page.
        without_pair: whether each product has no training pair.
    """
    reasons = []
    ranks = [model_list.ranks(asked) for model_list in lists]
    for place, unpaired in enumerate(without_pair):
        here = [(rank[place], one.model) for rank, one in zip(ranks, lists, strict=True) if rank[place] is not None]
        best = min(here, default=None, key=lambda entry: entry[0] or 0)
        if best is not None and best[0] is not None:
            reasons.append("" if best[0] <= SHOWN else f"is further down: place {best[0]} of {best[1]}")
        elif unpaired:
            reasons.append("has no pair before the cut")
        else:
            reasons.append(f"is not in the top {_DEPTH} of any list")
    return reasons
