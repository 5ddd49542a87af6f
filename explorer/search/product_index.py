"""Search for products by title, brand, id or category that is fast even for millions of products."""

import bisect
import functools
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from explorer.search.search_text import fold, fold_one
from explorer.search.word_index import Match, WordIndex, are_typos, may_be_inside

_MAX_QUERY = 200
_MAX_WORDS = 12
_BLOCK = 1 << 17
_REMEMBERED = 512
_KEY = 24
"""Characters of a title by which titles are found that start with the query."""
_MAX_COUNTED = 1000
"""Looking for weaker matches stops at this number of hits, because nobody reads further."""
_MAX_VERIFIED = 5_000
"""Most products whose texts are read to tell whether two words stand beside each other."""
_MAX_READ = 1_000
"""Reading the texts of so few products is faster than another look into the index."""
_TEXT = ("title", "brand", "product_id")
_LEVEL = "\n"


@dataclass(frozen=True)
class Hits:
    """The result of a search.

    Attributes:
        nodes: int64, best first, at most as many as requested.
        total: number of matching products, or a lower bound.
        more: whether ``total`` is only a lower bound.
        in_text: how many of them have the whole query in title, brand or id; the others need their category for it.
        categories: names of the categories that hold these others, with their numbers of products, the largest first.
        typo: whether the products only match if one typo per word is allowed.
    """

    nodes: np.ndarray
    total: int
    more: bool = False
    in_text: int = 0
    categories: tuple[tuple[str, int], ...] = ()
    typo: bool = False


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
        # The search works in order of popularity, so that hits come out ranked.
        self._order = np.argsort(-self.popularity, kind="stable")
        self._building = threading.Lock()
        self._built: _Search | None = None
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

    def popular(self, count: int) -> np.ndarray:
        """int64 nodes of the most popular products, the most popular first."""
        return self._order[:count]

    def build_search(self) -> "_Search":
        """Build what the search needs, unless it is there. It takes about 15 seconds per million products."""
        with self._building:
            if self._built is None:
                self._built = _Search(self.table, self._order)
            return self._built

    def find(self, query: str, limit: int = 50) -> Hits:
        """Products that match every word of the query in title, brand, id or category; spaces and case do not matter.

        Order: the title or the id is the query; it starts with the query; all words are words of title, brand or id;
        they are the starts of words; they are inside of words, or the spaces are elsewhere ("night stick" also finds
        "Nightstick", and the reverse); some of them are only in the category. If nothing matches at all, one typo per
        word is allowed. The most popular products come first within each of these groups. An empty query matches
        everything.

        Args:
            query: text to search for.
            limit: maximum number of nodes returned, at most 1,000.
        """
        if not query.strip():
            return Hits(self.popular(limit), len(self), in_text=len(self))
        return self._cached_look_up(tuple(fold_one(query[:_MAX_QUERY]).split()[:_MAX_WORDS]), limit)

    def _look_up(self, words: tuple[str, ...], limit: int) -> Hits:
        if not words or not len(self):
            return Hits(np.empty(0, np.int64), 0)
        hits = self.build_search().find(words, limit)
        return Hits(self._order[hits.nodes], hits.total, hits.more, hits.in_text, hits.categories, hits.typo)


class _Search:
    """The search itself; products are numbered by popularity here."""

    def __init__(self, table: pa.Table, order: np.ndarray) -> None:
        self._table, self._order = table, order
        keys: dict[str, list[pa.Array]] = {"title": [], "product_id": []}

        def folded() -> Iterator[pa.Array]:
            for start in range(0, len(order), _BLOCK):
                fields = self._folded(np.arange(start, min(start + _BLOCK, len(order))))
                for name, column in keys.items():
                    column.append(_squashed(fields[_TEXT.index(name)]))
                yield pc.binary_join_element_wise(*fields, pa.scalar(" ", pa.large_string()))

        self._words = WordIndex(folded())
        self._keys = {name: _SortedKeys(column) for name, column in keys.items()}
        paths = _paths(table).dictionary_encode()
        self._paths = paths.dictionary
        self._path_of = paths.indices.to_numpy()[order]
        self._path_words = WordIndex([fold(self._paths)])

    def find(self, words: Sequence[str], limit: int) -> Hits:
        """The hits, numbered by popularity."""
        ranked: dict[int, None] = {}
        hit = np.zeros(len(self._order), bool)

        def add(positions: np.ndarray) -> None:
            ranked.update(dict.fromkeys(positions[:limit].tolist()))
            hit[positions] = True

        def hits(**more: Any) -> Hits:
            return Hits(np.array(list(ranked)[:limit], np.int64), int(hit.sum()), **more)

        for positions in self._starting("".join(words)):
            add(positions)
        rare_first = sorted(words, key=self._words.count)  # which leaves little to look through
        for match in (Match.WHOLE, Match.START, Match.INSIDE):
            add(self._holding(rare_first, match))
            in_text = int(hit.sum())
            if in_text >= _MAX_COUNTED:
                return hits(more=True, in_text=in_text)
        for joined in _joinings(words):
            add(self._holding(sorted(joined, key=self._words.count), Match.START))
        in_text = int(hit.sum())
        by_category = self._with_categories(rare_first, Match.START)
        by_category = by_category[~hit[by_category]]
        add(by_category)
        if ranked:
            return hits(in_text=in_text, categories=self._categories(by_category, words))
        add(self._with_categories(rare_first, Match.TYPO))
        return hits(typo=True)

    def _starting(self, query: str) -> Iterator[np.ndarray]:
        """Products whose title or id is the query, then those whose title or id starts with it; spaces left out."""
        ranges = {name: keys.starting(query[:_KEY]) for name, keys in self._keys.items()}
        if len(query) <= _KEY:
            yield np.union1d(*(equal for equal, _ in ranges.values()))
            yield np.union1d(*(starting for _, starting in ranges.values()))
            return
        for name, (_, starting) in ranges.items():
            fields = self._folded(starting[:_MAX_VERIFIED], (name,))
            squashed = pc.replace_substring(fields[0], " ", "")
            yield starting[:_MAX_VERIFIED][pc.starts_with(squashed, query).to_numpy(zero_copy_only=False)]

    def _holding(self, words: Sequence[str], match: Match) -> np.ndarray:
        """Products that hold every word in title, brand or id, ascending."""
        positions = np.arange(0)
        for number, word in enumerate(words):
            if number and len(positions) <= _MAX_READ:
                return self._reading(positions, words[number:], match)
            holding = self._words.texts(word, match)
            if match is Match.INSIDE:
                holding[self._split(word)] = True
            positions = positions[holding[positions]] if number else np.flatnonzero(holding)
        return positions

    def _with_categories(self, words: Sequence[str], match: Match) -> np.ndarray:
        """Products that hold every word in title, brand, id or category, ascending."""
        paths = [self._path_words.texts(word, match) for word in words]
        if match is Match.START and not any(path.any() for path in paths):
            return np.arange(0)  # these are known already
        positions = np.arange(0)
        for number, (word, path) in enumerate(zip(words, paths, strict=True)):
            if number and len(positions) <= _MAX_READ:
                return self._reading(positions, words[number:], match, (*_TEXT, "categories"))
            holding = self._words.texts(word, match) | path[self._path_of]
            positions = positions[holding[positions]] if number else np.flatnonzero(holding)
        return positions

    def _reading(
        self, positions: np.ndarray, words: Sequence[str], match: Match, columns: Sequence[str] = _TEXT
    ) -> np.ndarray:
        """Those of a few products that hold every word, found by reading their texts."""
        if not len(positions):
            return positions
        separated = pc.binary_join_element_wise(*self._folded(positions, columns), pa.scalar(" \n ", pa.large_string()))
        texts = [f" {text} " for text in separated.to_pylist()]
        holding = np.ones(len(texts), bool)
        for word in words:
            if match is Match.TYPO:
                known = list({other for text in texts for other in text.split()})
                typos = {known[i] for i in np.flatnonzero(are_typos(word, known)).tolist()}
                holding &= [f" {word}" in text or not typos.isdisjoint(text.split()) for text in texts]
            else:
                ways = [f" {word} "] if match is Match.WHOLE else [f" {word}"]
                if match is Match.INSIDE:
                    ways = [word] if may_be_inside(word) else ways
                    ways += [f" {first} {rest}" for first, rest in _halves(word)]
                holding &= [any(way in text for way in ways) for text in texts]
        return positions[holding]

    def _split(self, word: str) -> np.ndarray:
        """Products with the word in two: a word, followed by a word with the rest as its start."""
        candidates = {}
        for first, rest in _halves(word):
            start = self._words.texts(first, Match.WHOLE)
            if start.any():
                start &= self._words.texts(rest, Match.START)
                candidates[f"{first} {rest}"] = np.flatnonzero(start)[:_MAX_VERIFIED]
        positions = np.unique(np.concatenate([np.arange(0), *candidates.values()]))
        if not len(positions):
            return positions
        beside = np.zeros(len(positions), bool)
        for folded in self._folded(positions):
            for both in candidates:
                holding = pc.or_(pc.starts_with(folded, both), pc.match_substring(folded, f" {both}"))
                beside |= holding.to_numpy(zero_copy_only=False)
        return positions[beside]

    def _folded(self, positions: np.ndarray, columns: Sequence[str] = _TEXT) -> list[pa.Array]:
        """Columns of some products, folded."""
        nodes = pa.array(self._order[positions])
        rows = self._table.select(list(columns)).take(nodes)
        texts = [_paths(rows) if name == "categories" else rows[name].combine_chunks() for name in columns]
        folded = fold(pa.concat_arrays([text.cast(pa.large_string()) for text in texts]))  # all at once is faster
        return [folded.slice(i * len(positions), len(positions)) for i in range(len(columns))]

    def _categories(self, others: np.ndarray, words: Sequence[str]) -> tuple[tuple[str, int], ...]:
        """The categories that a query names, with the numbers of these products in them, the largest first."""
        counts = np.bincount(self._path_of[others], minlength=len(self._paths))
        paths = {path: self._paths[path].as_py().split(_LEVEL) for path in np.flatnonzero(counts).tolist()}
        names = list({name for path in paths.values() for name in path})
        folded = {name: f" {text}" for name, text in zip(names, fold(pa.array(names)).to_pylist(), strict=True)}
        named: dict[str, int] = {}
        for path, levels in paths.items():
            # The deepest of the categories that are the first to hold a word of the query.
            depths = [next((i for i, name in enumerate(levels) if f" {word}" in folded[name]), -1) for word in words]
            if max(depths) >= 0:
                name = levels[max(depths)]
                named[name] = named.get(name, 0) + int(counts[path])
        return tuple(sorted(named.items(), key=lambda entry: (-entry[1], entry[0])))


def _paths(table: pa.Table) -> pa.Array:
    """The categories of every product as one text."""
    if "categories" not in table.column_names:
        return pa.array([""] * table.num_rows, pa.large_string())
    lists = table["categories"].combine_chunks()
    joined = pc.binary_join(lists.cast(pa.list_(pa.string())), _LEVEL)
    return pc.fill_null(joined.cast(pa.large_string()), "")


def _halves(word: str) -> list[tuple[str, str]]:
    """The ways to cut a word in two."""
    return [(word[:i], word[i:]) for i in range(1, len(word))]


def _joinings(words: Sequence[str]) -> Iterator[list[str]]:
    """The query with two neighbouring words as one, and with all words as one."""
    for i in range(len(words) - 1):
        yield [*words[:i], words[i] + words[i + 1], *words[i + 2 :]]
    if len(words) > 2:
        yield ["".join(words)]


def _squashed(folded: pa.Array) -> pa.Array:
    """Texts without spaces, cut to the length of a key."""
    return pc.utf8_slice_codeunits(pc.replace_substring(folded, " ", ""), 0, _KEY)


class _SortedKeys:
    """Texts in order, to look up those that start with a text."""

    def __init__(self, blocks: list[pa.Array]) -> None:
        keys = pa.chunked_array(blocks, pa.large_string()).combine_chunks()
        self._order = pc.sort_indices(keys).to_numpy().astype(np.int32)
        self._keys = keys.take(pa.array(self._order))

    def starting(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        """Positions of the texts that are ``text``, and of those that start with it, both ascending."""
        first = self._bisect(text)
        after = self._bisect(text + "\x00", first)
        last = self._bisect(text + "\U0010ffff", first)
        return np.sort(self._order[first:after]), np.sort(self._order[first:last])

    def _bisect(self, text: str, start: int = 0) -> int:
        return bisect.bisect_left(range(len(self._keys)), text, lo=start, key=lambda i: self._keys[i].as_py())
