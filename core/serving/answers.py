"""Lists for what a request names: a product, several products, or a description of a product.

Baskets and customers fuse the stored lists of their products, so no model has to be in memory. An entry's vote is its
score relative to the best of its list, divided by 10 + rank: the scores are what the model learned of each pair, and
the rank keeps products whose scores all lie near each other from outvoting the others. On 9,311 later baskets of the
category ``journey`` this finds more of the rest of the basket than 1 / (60 + rank) does: recall@10 is 0.080 instead of
0.074 for ``blend``, 0.104 instead of 0.098 for ``next_purchase`` and 0.087 instead of 0.072 for ``rp3beta``, but 0.085
instead of 0.092 for ``cooccurrence`` and 0.068 instead of 0.069 for ``skipgram_sessions``. Entries that only fill a
list (source ``popular``) have no vote, because the same few products would win in every basket of products without
lists; they fill the fused list again.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from core.recommendations.form import SIMILAR, SOURCES, Recommendations
from core.serving import content
from core.serving.columns import Rows
from core.serving.prepared import Products
from core.serving.rules import Rules

RANK_CONSTANT = 10
RECENCY = 0.7
"""How much less an event of a customer counts than the next one; ``core.customers.config`` says how it was chosen."""
HISTORY = 50
"""Maximum number of a customer's latest products that count, as in ``core.customers.config``."""
DEPTH = 100
"""Maximum number of entries of each list that are fused."""
SIMILAR_PRODUCTS = 50
"""Number of similar products whose lists are fused for a new product."""
POWER = 3.0
"""Power of the cosine that a similar product's list counts by, as in ``content_knn``."""

_CONTENT, _POPULAR = SOURCES.index("content"), SOURCES.index("popular")


@dataclass(frozen=True)
class SlotRows:
    """The stored lists of one slot, row by row: nodes (-1 is an empty place), scores and places in ``SOURCES``."""

    nodes: Rows
    scores: Rows
    sources: Rows


@dataclass(frozen=True)
class Shop:
    """One version of a category's lists, ready for answers. It never changes, so a request keeps the one it began with.

    Attributes:
        category: its name.
        version: name of the version.
        created: seconds since the epoch at which the version was stored.
        lists: arrays by slot, memory-mapped; its table of products is empty.
        rows: the same lists row by row.
        products: the products.
    """

    category: str
    version: str
    created: float
    lists: Recommendations
    rows: dict[str, SlotRows]
    products: Products


@dataclass(frozen=True)
class Ranked:
    """A list, best first.

    Attributes:
        nodes: products.
        scores: comparable within the list; NaN for entries that no model scored.
        sources: places in ``SOURCES``.
        because: for each entry the product that contributed most to its score (the first of several), or -1; None
            where there is only one.
        left_out: if there is one, popular products other than these may fill the list.
    """

    nodes: list[int]
    scores: list[float]
    sources: list[int]
    because: list[int] | None = None
    left_out: Collection[int] | None = None

    def take(self, places: Sequence[int]) -> "Ranked":
        """The entries at some places."""
        return Ranked(
            [self.nodes[place] for place in places],
            [self.scores[place] for place in places],
            [self.sources[place] for place in places],
            None if self.because is None else [self.because[place] for place in places],
        )


def of_product(shop: Shop, slot: str, node: int) -> Ranked:
    """The stored list of a product."""
    rows = shop.rows[slot]
    nodes = rows.nodes.row(node)
    size = nodes.index(-1) if -1 in nodes else len(nodes)
    return Ranked(nodes[:size], rows.scores.row(node)[:size], rows.sources.row(node)[:size])


def of_products(shop: Shop, slot: str, nodes: Sequence[int], recency: float = 1.0) -> Ranked:
    """What goes with several products: score = sum of recency ** p · relative score / (10 + rank) over their lists.

    Args:
        shop: the lists.
        slot: which lists are fused.
        nodes: distinct products; where ``recency`` is below 1, the latest first. They are not recommended themselves.
        recency: how much less the list of the product at place p counts than that at p - 1.
    """
    return _fused(shop, slot, nodes, [recency**place for place in range(len(nodes))], own=True)


def of_description(shop: Shop, slot: str, brand: str | None, categories: Sequence[str], title: str | None) -> Ranked:
    """A list for a product that is not among the products, by those that are similar in brand and categories.

    Where no product shares the brand or a category, the words of titles count instead. The similar products themselves
    are the list of the slot ``similar``; for the others their lists are fused, each with the weight cosine ** 3.
    """
    products = shop.products
    terms = content.terms_of_fields(brand, categories)
    nodes, cosines = products.fields.similar(terms, products.popularity, SIMILAR_PRODUCTS)
    if not len(nodes):
        terms = content.terms_of_title(title)
        nodes, cosines = products.words.similar(terms, products.popularity, SIMILAR_PRODUCTS)
    if slot != SIMILAR:
        return _fused(shop, slot, nodes.tolist(), (cosines**POWER).tolist(), own=False, least=_CONTENT)
    return Ranked(nodes.tolist(), cosines.tolist(), [_CONTENT] * len(nodes), left_out=())


def _fused(shop: Shop, slot: str, nodes: Sequence[int], weights: Sequence[float], own: bool, least: int = 0) -> Ranked:
    """Fuse the lists of products; ``own`` leaves the products themselves out. Loops in Python take half the time of
    NumPy's calls for the hundred entries of a usual basket."""
    rows = shop.rows[slot]
    left_out = frozenset(nodes if own else ())
    scores: dict[int, float] = {}
    largest: dict[int, float] = {}
    because: dict[int, int] = {}
    origin: dict[int, int] = {}
    for node, weight in zip(nodes, weights, strict=True):
        origins = rows.sources.row(node)
        relative = _relative(rows.scores.row(node)[:DEPTH])
        for place, listed in enumerate(rows.nodes.row(node)[:DEPTH]):
            if listed < 0:
                break
            if origins[place] == _POPULAR or listed in left_out:
                continue
            vote = weight * relative[place] / (RANK_CONSTANT + 1.0 + place)
            scores[listed] = scores.get(listed, 0.0) + vote
            origin[listed] = min(origin.get(listed, _POPULAR), max(origins[place], least))
            if vote > largest.get(listed, 0.0):
                largest[listed], because[listed] = vote, node
    order = sorted(scores, key=lambda listed: (-scores[listed], listed))
    votes, origins = [scores[listed] for listed in order], [origin[listed] for listed in order]
    return Ranked(order, votes, origins, [because[listed] for listed in order], left_out)


_LEAST = 1e-6


def _relative(scores: list[float]) -> list[float]:
    """Scores as shares of the best one of their list; 1 for all where none is positive.

    An entry without a score, e.g. a pinned one, has the share of the one before it.
    """
    best = max((score for score in scores if score > 0), default=0.0)
    shares, last = [], 1.0
    for score in scores:
        if best and not math.isnan(score):
            last = max(score / best, _LEAST)
        shares.append(last)
    return shares


def chosen(shop: Shop, ranked: Ranked, rules: Rules, price: float, k: int) -> Ranked:
    """The first ``k`` entries that fulfil the rules; see :meth:`Rules.kept`."""
    kept = list(rules.kept(ranked.nodes, shop.products, price, k))
    if len(kept) < k and ranked.left_out is not None:
        ranked = _filled(shop, ranked, ranked.left_out)
        kept = list(rules.kept(ranked.nodes, shop.products, price, k))
    return ranked.take(kept)


def _filled(shop: Shop, ranked: Ranked, own: Collection[int]) -> Ranked:
    """The list, followed by the popular products that are not in it."""
    left_out = {*ranked.nodes, *own}
    more = [node for node in shop.products.popular.tolist() if node not in left_out]
    empty: list[float] = [math.nan] * len(more)
    because = None if ranked.because is None else ranked.because + [-1] * len(more)
    return Ranked(ranked.nodes + more, ranked.scores + empty, ranked.sources + [_POPULAR] * len(more), because)
