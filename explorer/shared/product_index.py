"""Search for products by title, brand or id that is fast even for millions of products."""

import bisect
import functools
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_MAX_QUERY = 200
_SEPARATOR = "\n"
_BLOCK = 1 << 17
_REMEMBERED = 512
_MAX_COUNTED = 1000
"""Counting stops at this number of hits, because nobody reads further; so the first block answers frequent words."""


@dataclass(frozen=True)
class Hits:
    """The result of a search.

    Attributes:
        nodes: int64, best first, at most as many as requested.
        total: number of matching products, or a lower bound.
        more: whether ``total`` is only a lower bound.
    """

    nodes: np.ndarray
    total: int
    more: bool = False


class ProductIndex:
    """The products of a category, searchable.

    Args:
        products: table with the columns of ``core.pairs.PRODUCT_COLUMNS``, sorted by product_id; row = node.
        popularity: int ``[n]``, number of pairs; larger is more popular.
    """

    def __init__(self, products: pa.Table, popularity: np.ndarray) -> None:
        self.table = products
        self.popularity = np.asarray(popularity, dtype=np.int64)
        self._ids = products["product_id"].combine_chunks()
        # The searched columns are in order of popularity, so that hits come out ranked and the search may stop early.
        self._order = np.argsort(-self.popularity, kind="stable")
        self._lower_ids = _folded(products["product_id"]).take(pa.array(self._order))
        # All fields are searched as one column. A query cannot contain the separator, so no hit spans two fields.
        self._haystack = pc.binary_join_element_wise(
            _folded(products["title"]),
            _folded(products["brand"]),
            _folded(products["product_id"]),
            pa.scalar(_SEPARATOR, pa.large_string()),
        ).take(pa.array(self._order))
        # A search box keeps its query while people click elsewhere, and every click runs the page again.
        self._cached_look_up = functools.lru_cache(_REMEMBERED)(self._look_up)

    def __len__(self) -> int:
        return self.table.num_rows

    def node(self, product_id: str) -> int | None:
        """Node of a product id, or None if it is unknown."""
        position = bisect.bisect_left(range(len(self)), product_id, key=lambda i: self._ids[i].as_py())
        return position if position < len(self) and self._ids[position].as_py() == product_id else None

    def nodes(self, product_ids: list[str]) -> np.ndarray:
        """int64 nodes of product ids; -1 for an unknown id."""
        nodes = (self.node(product_id) for product_id in product_ids)
        return np.array([-1 if node is None else node for node in nodes], dtype=np.int64)

    def product(self, node: int) -> dict[str, object]:
        """All columns of one product."""
        return self.table.slice(node, 1).to_pylist()[0]

    def find(self, query: str, limit: int = 50) -> Hits:
        """Products that contain every word of the query in title, brand or id.

        Order: the exact id, ids that start with the query, titles that start with it, the rest; the most popular
        products first within each group. An empty query matches everything.

        Args:
            query: text to search for; case is ignored.
            limit: maximum number of nodes returned, at most 1,000.
        """
        text = " ".join(query.split())[:_MAX_QUERY]
        text = " ".join(pc.utf8_lower(pc.utf8_normalize(pa.scalar(text), form="NFKC")).as_py().split())
        return self._cached_look_up(text, limit)

    def _look_up(self, text: str, limit: int) -> Hits:
        if not text:
            return Hits(self._order[:limit], len(self))
        # The longest word is probably the rarest; the other words are only searched for where it occurs.
        words = sorted(text.split(), key=len, reverse=True)
        matches: list[np.ndarray] = []
        total, searched = 0, 0
        for positions in self._search(words):
            matches.append(positions + searched)
            total += len(positions)
            searched += _BLOCK
            if total >= _MAX_COUNTED:
                break
        first = (
            _true(pc.equal(self._lower_ids, text)),
            _true(pc.starts_with(self._lower_ids, text)),
            _true(pc.starts_with(self._haystack, text)),
        )
        # Whatever starts with the query also contains its words, so these are hits wherever the counting stopped.
        ranked = dict.fromkeys(i for positions in (*first, *matches) for i in positions[:limit].tolist())
        nodes = self._order[list(ranked)[:limit]]
        return Hits(nodes, max(total, len(nodes)), searched < len(self) and total >= _MAX_COUNTED)

    def _search(self, words: list[str]) -> Iterator[np.ndarray]:
        """Positions with all words, block by block. A few blocks run in parallel, as Arrow releases the GIL."""
        starts = range(0, len(self), _BLOCK)
        ahead = min(4, len(os.sched_getaffinity(0)))

        def search(start: int) -> np.ndarray:
            block = self._haystack.slice(start, _BLOCK)
            positions = np.arange(len(block))
            for word in words:
                hit = _true(pc.match_substring(block, word))
                positions, block = positions[hit], block.take(pa.array(hit))
            return positions

        with ThreadPoolExecutor(ahead) as pool:
            for i in range(0, len(starts), ahead):
                yield from pool.map(search, starts[i : i + ahead])


def _true(mask: pa.Array) -> np.ndarray:
    """Positions at which a mask is true."""
    return np.flatnonzero(mask.to_numpy(zero_copy_only=False))


def _folded(column: pa.ChunkedArray) -> pa.Array:
    """Lower case, with compatibility characters (full-width letters, ligatures) unified and null as empty text."""
    text = pc.fill_null(column.cast(pa.large_string()), "")
    folded = pc.utf8_lower(pc.utf8_normalize(text, form="NFKC"))
    return pc.replace_substring(folded, _SEPARATOR, " ").combine_chunks()
