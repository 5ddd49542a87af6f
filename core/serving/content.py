"""An index of products by brand and categories, or by the words of titles, for a product that was never sold.

The cosine is that of :func:`core.models.content_knn.similarity.features`: values count by inverse document frequency.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.catalog.clean import PLACEHOLDER_BRANDS
from core.models import product_fields
from core.serving.columns import Texts, TextsWriter, numbers, write_numbers

FAN_OUT = 1_000
"""Maximum number of products that are searched per value: the most popular ones, as in ``content_knn``."""
FLOOR = 0.1
"""Minimum cosine at which two products count as similar."""

BRAND, CATEGORY, WORD = "b:", "c:", "w:"
"""What a term starts with, so that a brand and a category of the same name are two terms."""


def brand_terms(products: pa.Table) -> tuple[np.ndarray, pa.Array]:
    """int64 owners and terms of the brands, or null."""
    owner, brand = product_fields.brands(products)
    return owner, pc.binary_join_element_wise(BRAND, brand, "")


def category_terms(products: pa.Table) -> tuple[np.ndarray, pa.Array]:
    """int64 owners and terms of the categories, one entry per listing."""
    owner, category = product_fields.categories(products)
    return owner, pc.binary_join_element_wise(CATEGORY, category, "")


def word_terms(products: pa.Table) -> tuple[np.ndarray, pa.Array]:
    """int64 owners and terms of the words of titles that have at least two characters."""
    lists = [terms_of_title(title) for title in products["title"].to_pylist()]
    owner = np.repeat(np.arange(len(lists)), [len(terms) for terms in lists])
    return owner, pa.array([term for terms in lists for term in terms], pa.string())


def terms_of_fields(brand: str | None, categories: Iterable[str]) -> list[str]:
    """The terms of a described product in the index of brands and categories."""
    name = (brand or "").strip().lower()
    known = [] if not name or name in PLACEHOLDER_BRANDS else [BRAND + name]
    return known + [CATEGORY + category for category in categories]


def terms_of_title(title: str | None) -> list[str]:
    """The terms of a described product in the index of words."""
    return [WORD + word for word in _WORD.findall((title or "").lower())]


_WORD = re.compile(r"[^\W_]{2,}")


class IndexWriter:
    """Collects terms of products part by part, then writes the index.

    Args:
        folder: where the index is written.
        name: its name.
        fields: number of fields; the inverse document frequency of a term counts the products that have its field.
    """

    def __init__(self, folder: Path, name: str, fields: int) -> None:
        self._folder, self._name = folder, name
        self._codes: dict[str, int] = {}
        self._field_of: list[int] = []
        self._field_owners = np.zeros(fields, np.int64)
        self._owners: list[np.ndarray] = []
        self._terms: list[np.ndarray] = []

    def add(self, field: int, first: int, owner: np.ndarray, term: pa.Array) -> None:
        """Add the terms of a field for products from row ``first`` on; ``owner`` counts from there."""
        present = term.is_valid().to_numpy(zero_copy_only=False)
        encoded = term.drop_null().dictionary_encode()
        known = encoded.dictionary.to_pylist()
        for text in known:
            if text not in self._codes:
                self._codes[text] = len(self._codes)
                self._field_of.append(field)
        codes = np.fromiter((self._codes[text] for text in known), np.int64, len(known))
        keys = np.unique(owner[present].astype(np.int64) * max(1, len(known)) + encoded.indices.to_numpy())
        owners = keys // max(1, len(known))
        self._field_owners[field] += len(np.unique(owners))
        self._owners.append((owners + first).astype(np.int32))
        self._terms.append(codes[keys % max(1, len(known))].astype(np.int32))

    def close(self, popularity: np.ndarray) -> None:
        """Write the index of the products whose popularity ``[n]`` this is."""
        texts = sorted(self._codes)
        place = np.empty(len(texts), np.int32)  # code → place among the sorted terms
        place[np.fromiter((self._codes[text] for text in texts), np.int64, len(texts))] = np.arange(len(texts))
        owner = np.concatenate([np.empty(0, np.int32), *self._owners])
        term = place[np.concatenate([np.empty(0, np.int32), *self._terms])]
        frequency = np.bincount(term, minlength=len(texts))
        field = np.zeros(len(texts), np.int64)
        field[place] = self._field_of
        idf = np.log(self._field_owners[field] / np.maximum(frequency, 1)).astype(np.float32)
        useful = idf[term] > 0  # a value that all products have says nothing
        owner, term = owner[useful], term[useful]

        column = TextsWriter(self._folder, self._name)
        column.add_all(texts)
        column.close()
        write_numbers(self._folder, f"{self._name}.idf", idf)
        by_owner = np.argsort(owner, kind="stable")
        self._write_rows("terms", term[by_owner], owner[by_owner], len(popularity))
        length = np.sqrt(np.bincount(owner, idf[term].astype(np.float64) ** 2, minlength=len(popularity)))
        write_numbers(self._folder, f"{self._name}.length", length.astype(np.float32))
        by_term = np.lexsort((owner, -popularity[owner], term))
        owner, term = owner[by_term], term[by_term]
        rank = np.arange(len(term)) - np.searchsorted(term, term)
        self._write_rows("owners", owner[rank < FAN_OUT], term[rank < FAN_OUT], len(texts))

    def _write_rows(self, what: str, values: np.ndarray, rows: np.ndarray, n_rows: int) -> None:
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_rows))])
        write_numbers(self._folder, f"{self._name}.{what}.starts", starts.astype(np.int64))
        write_numbers(self._folder, f"{self._name}.{what}", values.astype(np.int32))


class Index:
    """What an :class:`IndexWriter` wrote, memory-mapped."""

    def __init__(self, folder: Path, name: str) -> None:
        self._texts = Texts(folder, name)
        self._idf = numbers(folder, f"{name}.idf", np.float32)
        self._length = numbers(folder, f"{name}.length", np.float32)
        self._term_starts = numbers(folder, f"{name}.terms.starts", np.int64)
        self._terms = numbers(folder, f"{name}.terms", np.int32)
        self._owner_starts = numbers(folder, f"{name}.owners.starts", np.int64)
        self._owners = numbers(folder, f"{name}.owners", np.int32)

    def similar(self, terms: Iterable[str], popularity: np.ndarray, keep: int) -> tuple[np.ndarray, np.ndarray]:
        """The products most similar to one with these terms.

        Args:
            terms: those of the product; unknown ones are skipped.
            popularity: ``[n]``; among equally similar products the most popular ones come first.
            keep: maximum number of products.

        Returns:
            int64 ``[s]`` nodes and float64 ``[s]`` cosines of at least ``FLOOR``, best first.
        """
        asked = np.array(sorted(set(self._known(terms))), np.int64)
        starts = self._owner_starts
        lists = [self._owners[starts[code] : starts[code + 1]] for code in asked.tolist()]
        nodes = np.unique(np.concatenate(lists)).astype(np.int64) if lists else np.empty(0, np.int64)
        if not len(nodes):
            return nodes, np.empty(0)
        first = self._term_starts[nodes]
        sizes = self._term_starts[nodes + 1] - first
        row = np.repeat(np.arange(len(nodes)), sizes)
        entry = np.arange(len(row)) + np.repeat(first - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes)
        code = self._terms[entry]
        place = np.minimum(np.searchsorted(asked, code), len(asked) - 1)
        squares = self._idf[asked].astype(np.float64) ** 2
        dot = np.bincount(row, np.where(asked[place] == code, squares[place], 0.0), minlength=len(nodes))
        cosine = dot / (self._length[nodes].astype(np.float64) * np.sqrt(squares.sum()))
        best = np.lexsort((nodes, -popularity[nodes], -cosine))
        best = best[cosine[best] >= FLOOR][:keep]
        return nodes[best], cosine[best]

    def _known(self, terms: Iterable[str]) -> Iterator[int]:
        for term in terms:
            code = self._texts.find(term)
            if code >= 0 and self._idf[code] > 0:
                yield code
