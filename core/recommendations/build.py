"""From final models to the lists of every product: model, content, popular in its category, popular at all.

Products are worked through in blocks, so that memory is that of the lists themselves: nine bytes per place.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from core.errors import InputError
from core.models import MODELS
from core.pairs import ProductPairs
from core.pairs.product_pairs import product_hashes
from core.progress import Progress, silent
from core.recommendations.config import RecommendationsConfig
from core.recommendations.final import CONTENT
from core.recommendations.form import SOURCES, FinalModels, Recommendations
from core.recommendations.rules import apply
from core.recommendations.rules.apply import Lists, SlotRules
from core.recommendations.rules.book import RuleBook
from core.recommendations.rules.pins import Pins
from core.recommendations.rules.product_facts import pair_popularity, product_facts
from core.recommendations.rules.stock import Stock, no_stock
from core.recommendations.search import Candidates

_BLOCK = 16_384
"""Number of products whose lists are made at a time."""
_FETCH = 3
"""Number of candidates per place of a list that are fetched first, where none are kept."""
_DEEPER = 4
"""How many times as many candidates are fetched if the rules left too few of those before."""


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

    Raises:
        InputError: the final models belong to other products than the pairs.
    """
    config, book = config or RecommendationsConfig(), book or RuleBook()
    n_nodes = pairs.products.num_rows
    _refuse_other_products(final, pairs)
    stock = stock or no_stock(n_nodes)
    facts = product_facts(pairs.products, pair_popularity(pairs), stock.parent)
    k = config.k
    content = None
    made: dict[str, Lists] = {}
    info: dict[str, Any] = {"models": {}, "rules": book.as_dict(), "by_source": {}, "short_lists": {}}
    for number, (slot, choice) in enumerate(final.slots.items()):
        rules = SlotRules(book.of(slot), facts, stock, pins, slot)
        trained = final.models[choice["model"]]
        kept = (final.candidates[slot], final.candidate_scores[slot]) if slot in final.candidates else None
        searches = [Candidates(trained, choice["scoring"], config, kept, threads, seed, progress)]
        if choice["model"] != CONTENT and CONTENT in final.models:
            scoring = MODELS[CONTENT].scorings[0]
            content = content or Candidates(final.models[CONTENT], scoring, config, None, threads)
            searches.append(content)
        made[slot] = lists = apply.empty(n_nodes, k)
        for sources in _blocks(n_nodes):
            block = fill(rules, sources, k, searches, config.fetch_limit)
            for array, part in zip(
                (lists.nodes, lists.scores, lists.sources), (block.nodes, block.scores, block.sources), strict=True
            ):
                array[sources] = part
            done = number * n_nodes + int(sources[-1]) + 1
            progress("lists", done, n_nodes * len(final.slots), "products")
        info["models"][slot] = dict(choice) | {"asked_again": searches[0].asked}
        info["by_source"][slot] = counts_by_source(lists.nodes, lists.sources)
        info["short_lists"][slot] = int(np.count_nonzero(lists.nodes[:, -1] < 0))
    if final.folded_in is not None:
        info["folded_in"] = dict(final.folded_in)
    info |= {"k": k, "stock": stock.info, "pins": pins.info if pins else {}}
    info["unknown_names"] = sorted({name for slot in made for name in facts.unknown_names(book.of(slot))})
    return Recommendations(
        pairs.products,
        {slot: lists.nodes for slot, lists in made.items()},
        {slot: lists.scores for slot, lists in made.items()},
        {slot: lists.sources for slot, lists in made.items()},
        info,
    )


def _refuse_other_products(final: FinalModels, pairs: ProductPairs) -> None:
    """Raise InputError if the final models belong to other products, whose rows have other numbers."""
    sizes = {len(trained.seen) for trained in final.models.values()} or {pairs.products.num_rows}
    same = final.keys is None or np.array_equal(final.keys, product_hashes(pairs.products))
    if sizes != {pairs.products.num_rows} or not same:
        raise InputError(
            f"product_pairs has {pairs.products.num_rows:,} products, and final_models was made for others "
            f"({max(sizes):,}); bring the final models to today's products with `alsobought fold-in`, or rebuild them"
        )


def fill(
    rules: SlotRules, sources: np.ndarray, k: int, searches: list[Candidates], limit: int, popular: bool = True
) -> Lists:
    """The lists of some products.

    Args:
        rules: of the slot.
        sources: int32 ``[s]``.
        k: their length.
        searches: the candidates of the slot's model, and those of the content model if there is one.
        limit: maximum number that is fetched for a product whose list is not full.
        popular: whether popular products fill what is still empty.
    """
    lists = rules.start(sources, k)
    for source, search in zip((apply.MODEL, apply.CONTENT), searches, strict=False):
        depth = min(search.first or _FETCH * k, max(len(rules.allowed) - 1, 1))
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
