"""From final models to the lists of every product: model, content, popular in its category, popular at all.

Products are worked through in blocks, so that memory is that of the lists themselves: nine bytes per place.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from core.interfaces import Scorer, TrainedModel
from core.models import MODELS
from core.pairs import ProductPairs
from core.progress import Progress, silent
from core.recommendations import apply
from core.recommendations.apply import Lists, SlotRules
from core.recommendations.config import RecommendationsConfig
from core.recommendations.final import CONTENT
from core.recommendations.form import SOURCES, FinalModels, Recommendations
from core.recommendations.pins import Pins
from core.recommendations.product_facts import pair_popularity, product_facts
from core.recommendations.rules import RuleBook
from core.recommendations.stock import Stock, no_stock

_BLOCK = 16_384
"""Number of products whose lists are made at a time."""
_DEEPER = 4
"""How many times as many candidates are fetched if the rules left too few of those before."""


class Search:
    """The candidates of one scoring of a model: exact, or from an index where there are very many vectors.

    Args:
        trained: what the model learned.
        scoring: one of its scorings.
        config: ``exact_up_to`` is used.
        k: number of candidates for which an index is made.
        threads, seed, progress: as everywhere.
    """

    def __init__(
        self,
        trained: TrainedModel,
        scoring: str,
        config: RecommendationsConfig,
        k: int,
        threads: int = 2,
        seed: int = 42,
        progress: Progress = silent,
    ) -> None:
        from core.scoring.factory import scorer
        from core.scoring.neighbours import vector_index
        from core.scoring.vectors import VectorScorer

        self.scorer: Scorer = scorer(MODELS[trained.model], trained, scoring, threads)
        self.facts: dict[str, Any] = {"index": "exact", "recall": 1.0}
        self._index = None
        if isinstance(self.scorer, VectorScorer) and self.scorer.seen.sum() > config.exact_up_to:
            self._index = vector_index(self.scorer, k, threads, seed, progress)
        if self._index is not None:
            self.facts = self._index.facts

    def top_k(self, sources: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """int32 ids and float32 scores ``[s, k]``, the best first; -1 and NaN where there are no more."""
        seen = self.scorer.seen[sources]
        ids, scores = np.full((len(sources), k), -1, np.int32), np.full((len(sources), k), np.nan, np.float32)
        asked = np.flatnonzero(seen)
        if len(asked):
            ids[asked], scores[asked] = (self._index or self.scorer).top_k(sources[asked], k)
        scores[ids < 0] = np.nan
        return ids, scores


def build_recommendations(
    final: FinalModels,
    pairs: ProductPairs,
    config: RecommendationsConfig | None = None,
    book: RuleBook | None = None,
    stock: Stock | None = None,
    pins: Pins | None = None,
    *,
    threads: int = 2,
    seed: int = 42,
    progress: Progress = silent,
) -> Recommendations:
    """The lists of all products, sold out ones included, for every slot of the final models.

    A list begins with the pins of its product. Then follow, as far as the rules let them pass, the products that the
    slot's model, the content model and popularity (in the product's category, then at all) suggest, until it is full or
    there is nothing left. Only entries of the slot's model have scores.

    Args:
        final: the models.
        pairs: the products, and the pairs by which they are popular.
        config: settings.
        book: the rules.
        stock: what is sold out; None if there is no stock table.
        pins: pinned and blocked pairs.
        threads: CPU threads; they do not change the result unless an index is used.
        seed: of the index.
        progress: told the number of products done.
    """
    config, book = config or RecommendationsConfig(), book or RuleBook()
    n_nodes = pairs.products.num_rows
    stock = stock or no_stock(n_nodes)
    facts = product_facts(pairs.products, pair_popularity(pairs), stock.parent)
    k = config.k
    first = min(config.fetch * k, max(n_nodes - 1, 1))
    content = None
    made: dict[str, Lists] = {}
    info: dict[str, Any] = {"models": {}, "rules": book.as_dict(), "by_source": {}, "short_lists": {}}
    for number, (slot, choice) in enumerate(final.slots.items()):
        rules = SlotRules(book.of(slot), facts, stock, pins, slot)
        searches = [Search(final.models[choice["model"]], choice["scoring"], config, first, threads, seed, progress)]
        if choice["model"] != CONTENT and CONTENT in final.models:
            content = content or Search(final.models[CONTENT], MODELS[CONTENT].scorings[0], config, first, threads)
            searches.append(content)
        made[slot] = lists = apply.empty(n_nodes, k)
        for sources in _blocks(n_nodes):
            block = fill(rules, sources, k, searches, first, config.fetch_limit)
            for array, part in zip(
                (lists.nodes, lists.scores, lists.sources), (block.nodes, block.scores, block.sources), strict=True
            ):
                array[sources] = part
            done = number * n_nodes + int(sources[-1]) + 1
            progress("lists", done, n_nodes * len(final.slots), "products")
        info["models"][slot] = dict(choice) | {"search": searches[0].facts}
        info["by_source"][slot] = counts_by_source(lists.nodes, lists.sources)
        info["short_lists"][slot] = int(np.count_nonzero(lists.nodes[:, -1] < 0))
    info |= {"k": k, "stock": stock.info, "pins": pins.info if pins else {}}
    info["unknown_names"] = sorted({name for slot in made for name in facts.unknown_names(book.of(slot))})
    return Recommendations(
        pairs.products,
        {slot: lists.nodes for slot, lists in made.items()},
        {slot: lists.scores for slot, lists in made.items()},
        {slot: lists.sources for slot, lists in made.items()},
        info,
    )


def fill(
    rules: SlotRules, sources: np.ndarray, k: int, searches: list[Search], first: int, limit: int, popular: bool = True
) -> Lists:
    """The lists of some products.

    Args:
        rules: of the slot.
        sources: int32 ``[s]``.
        k: their length.
        searches: the search of the slot's model, and that of the content model if there is one.
        first: number of candidates that are fetched for every product.
        limit: maximum number that is fetched for a product whose list is not full.
        popular: whether popular products fill what is still empty.
    """
    lists = rules.start(sources, k)
    for source, search in zip((apply.MODEL, apply.CONTENT), searches, strict=False):
        depth = first
        rows = np.flatnonzero(lists.nodes[:, -1] < 0)
        while len(rows):
            ids, scores = search.top_k(sources[rows], depth)
            _extend_rows(rules, lists, rows, sources, ids, scores if source == apply.MODEL else None, source)
            more = (ids[:, -1] >= 0) & (lists.nodes[rows, -1] < 0)
            rows = rows[more]
            if depth >= min(limit, len(rules.allowed)):
                break
            depth = min(depth * _DEEPER, limit, len(rules.allowed))
    if popular:
        rules.extend_popular(lists, sources)
    rules.place_pins(lists, sources)
    return lists


def _extend_rows(
    rules: SlotRules,
    lists: Lists,
    rows: np.ndarray,
    sources: np.ndarray,
    ids: np.ndarray,
    scores: np.ndarray | None,
    source: int,
) -> None:
    part = Lists(lists.nodes[rows], lists.scores[rows], lists.sources[rows])
    rules.extend(part, sources[rows], ids, scores, source)
    lists.nodes[rows], lists.scores[rows], lists.sources[rows] = part.nodes, part.scores, part.sources


def _blocks(n_nodes: int) -> Iterator[np.ndarray]:
    return (np.arange(at, min(at + _BLOCK, n_nodes), dtype=np.int32) for at in range(0, n_nodes, _BLOCK))


def counts_by_source(nodes: np.ndarray, sources: np.ndarray) -> dict[str, int]:
    """Source → number of entries."""
    counts = np.bincount(sources[nodes >= 0], minlength=len(SOURCES))
    return {name: int(count) for name, count in zip(SOURCES, counts, strict=True)}


def slot_rules(
    lists: Recommendations, book: RuleBook, stock: Stock | None = None, pins: Pins | None = None
) -> Mapping[str, SlotRules]:
    """The rules of every slot of some lists, for checks."""
    stock = stock or no_stock(lists.products.num_rows)
    facts = product_facts(lists.products, np.zeros(lists.products.num_rows), stock.parent)
    return {slot: SlotRules(book.of(slot), facts, stock, pins, slot) for slot in lists.slots}
