"""Finding products by title, brand or id, fast also among millions."""

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
_ENOUGH = 1000
"""Counting stops here: nobody reads further, and a frequent word is answered from the first block."""


@dataclass(frozen=True)
class Hits:
    """Result of a search.

    Attributes:
        nodes: int64, best first, at most as many as asked for.
        total: number of products that match, or some that do.
        more: ``total`` is not all of them.
    """

    nodes: np.ndarray
    total: int
    more: bool = False


class ProductIndex:
    """The products of a category, searchable.

    Args:
        products: table with the columns of ``core.pairs.PRODUCT_COLUMNS``, sorted by product_id; row = node.
        popularity: int ``[n]``, larger is more popular (number of pairs).
    """

    def __init__(self, products: pa.Table, popularity: np.ndarray) -> None:
        self.table = products
        self.popularity = np.asarray(popularity, dtype=np.int64)
        self._ids = products["product_id"].combine_chunks()
        # What is searched stands in order of popularity: hits come out ranked, and the search may stop early.
        self._order = np.argsort(-self.popularity, kind="stable")
        self._lower_ids = _folded(products["product_id"]).take(pa.array(self._order))
        # One column to look in. The separator cannot stand in a query, so no hit spans two fields.
        self._haystack = pc.binary_join_element_wise(
            _folded(products["title"]),
            _folded(products["brand"]),
            _folded(products["product_id"]),
            pa.scalar(_SEPARATOR, pa.large_string()),
        ).take(pa.array(self._order))
        # A search box keeps its query while people click elsewhere, and every click runs the page again.
        self._found = functools.lru_cache(_REMEMBERED)(self._look)

    def __len__(self) -> int:
        return self.table.num_rows

    def node(self, product_id: str) -> int | None:
        """Node of a product id, or None."""
        place = bisect.bisect_left(range(len(self)), product_id, key=lambda i: self._ids[i].as_py())
        return place if place < len(self) and self._ids[place].as_py() == product_id else None

    def nodes(self, product_ids: list[str]) -> np.ndarray:
        """int64 nodes of product ids; -1 for unknown ones."""
        found = (self.node(product_id) for product_id in product_ids)
        return np.array([-1 if node is None else node for node in found], dtype=np.int64)

    def product(self, node: int) -> dict[str, object]:
        """All columns of one product."""
        return self.table.slice(node, 1).to_pylist()[0]

    def find(self, query: str, limit: int = 50) -> Hits:
        """Products that contain every word of the query in title, brand or id.

        Order: the exact id, ids that start with the query, titles that start with it, the rest; within each the
        most popular first. An empty query matches everything.

        Args:
            query: what was typed; case does not matter.
            limit: most nodes returned, at most 1,000.
        """
        text = " ".join(query.split())[:_MAX_QUERY]
        text = " ".join(pc.utf8_lower(pc.utf8_normalize(pa.scalar(text), form="NFKC")).as_py().split())
        return self._found(text, limit)

    def _look(self, text: str, limit: int) -> Hits:
        if not text:
            return Hits(self._order[:limit], len(self))
        # The longest word is likely to be the rarest; the others are looked for only where it was found.
        words = sorted(text.split(), key=len, reverse=True)
        found: list[np.ndarray] = []
        total, searched = 0, 0
        for places in self._search(words):
            found.append(places + searched)
            total += len(places)
            searched += _BLOCK
            if total >= _ENOUGH:
                break
        first = (
            _true(pc.equal(self._lower_ids, text)),
            _true(pc.starts_with(self._lower_ids, text)),
            _true(pc.starts_with(self._haystack, text)),
        )
        # Whatever starts with the query also contains its words: these are hits, wherever the counting stopped.
        ranked = dict.fromkeys(place for places in (*first, *found) for place in places[:limit].tolist())
        nodes = self._order[list(ranked)[:limit]]
        return Hits(nodes, max(total, len(nodes)), searched < len(self) and total >= _ENOUGH)

    def _search(self, words: list[str]) -> Iterator[np.ndarray]:
        """Places with all words, block by block; some blocks ahead at once, for Arrow searches without the GIL."""
        starts = range(0, len(self), _BLOCK)
        ahead = min(4, len(os.sched_getaffinity(0)))

        def search(start: int) -> np.ndarray:
            block = self._haystack.slice(start, _BLOCK)
            places = np.arange(len(block))
            for word in words:
                hit = _true(pc.match_substring(block, word))
                places, block = places[hit], block.take(pa.array(hit))
            return places

        with ThreadPoolExecutor(ahead) as pool:
            for i in range(0, len(starts), ahead):
                yield from pool.map(search, starts[i : i + ahead])


def _true(mask: pa.Array) -> np.ndarray:
    """Places at which a mask is true."""
    return np.flatnonzero(mask.to_numpy(zero_copy_only=False))


def _folded(column: pa.ChunkedArray) -> pa.Array:
    """Lower case, compatibility characters unified (full-width letters, ligatures), null as empty text."""
    text = pc.fill_null(column.cast(pa.large_string()), "")
    folded = pc.utf8_lower(pc.utf8_normalize(text, form="NFKC"))
    return pc.replace_substring(folded, _SEPARATOR, " ").combine_chunks()
