"""In which texts a word occurs: whole, at the start of a word, inside a word, or with one typo."""

import bisect
from collections.abc import Iterable, Sequence
from enum import IntEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp
from rapidfuzz import process
from rapidfuzz.distance import OSA

_LAST = b"\xff"
"""Comes after every byte of UTF-8."""
_MIN_INSIDE = 3
"""Fewer ASCII characters occur inside nearly every word."""
_MIN_WITH_TYPO = 3
_MAX_INSIDE = 20_000


class Match(IntEnum):
    """How a word of a query matches a word of a text, best first."""

    WHOLE = 0
    START = 1
    INSIDE = 2
    TYPO = 3


class WordIndex:
    """An inverted index: the sorted words of all texts, and for each word the texts that hold it.

    The words stand in one string of bytes, which makes a search inside of them fast, and the texts of words with the
    same start are next to each other. 2 million product titles take about 300 MB.

    Args:
        blocks: folded texts (``search_text.fold``), large_string, in blocks of any size.
    """

    def __init__(self, blocks: Iterable[pa.Array]) -> None:
        words, counts = [], []
        for block in blocks:
            split = pc.split_pattern(block, " ")
            counts.append(pc.list_value_length(split).to_numpy())
            words.append(split.flatten().dictionary_encode())
        counts = [np.empty(0, np.int64), *counts]
        self.n_texts = sum(map(len, counts))
        encoded = pa.chunked_array(words, pa.dictionary(pa.int32(), pa.large_string())).unify_dictionaries()
        unsorted = encoded.chunk(0).dictionary if words else pa.array([], pa.large_string())
        codes = np.concatenate([np.empty(0, np.int32), *(chunk.indices.to_numpy() for chunk in encoded.chunks)])
        del words, encoded
        order = pc.sort_indices(unsorted).to_numpy()
        vocabulary = unsorted.take(pa.array(order))
        rank = np.empty(len(order), np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        indptr = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
        by_text = sp.csr_matrix(
            (np.ones(len(codes), bool), rank[codes], indptr), (self.n_texts, len(order)), dtype=bool
        )
        by_word = by_text.tocsc()
        self._texts, self._indptr = by_word.indices, by_word.indptr
        self._words = "".join(f"{word}\n" for word in vocabulary.to_pylist()).encode()
        lengths = pc.binary_length(vocabulary).to_numpy()
        self._starts = np.concatenate([[0], np.cumsum(lengths + 1)])
        self._characters = pc.utf8_length(vocabulary).to_numpy().astype(np.int32)
        backwards = pc.binary_reverse(vocabulary.cast(pa.large_binary()))
        self._by_end = pc.sort_indices(backwards).to_numpy().astype(np.int32)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def count(self, word: str) -> int:
        """How many times words with this start occur."""
        first, last = self._starting(word.encode())
        return int(self._indptr[last] - self._indptr[first])

    def texts(self, word: str, match: Match) -> np.ndarray:
        """Which texts hold a word that matches in this way or better; a typo leaves out words with ``word`` inside.

        Args:
            word: a folded word.
            match: how it matches.

        Returns:
            bool ``[n_texts]``.
        """
        holding = np.zeros(self.n_texts, bool)
        first, last = self._starting(word.encode())
        if match is Match.WHOLE:
            last = first + int(first < last and self._word(first) == word.encode())
        holding[self._texts[self._indptr[first] : self._indptr[last]]] = True
        if match is Match.INSIDE or match is Match.TYPO:
            codes = self._with_inside(word) if match is Match.INSIDE else self._with_typo(word)
            holding[self._texts[_ranges(self._indptr[codes], self._indptr[codes + 1])]] = True
        return holding

    def _word(self, code: int) -> bytes:
        return self._words[self._starts[code] : self._starts[code + 1] - 1]

    def _starting(self, start: bytes) -> tuple[int, int]:
        """The range of the words that start with these bytes."""
        codes = range(len(self))
        first = bisect.bisect_left(codes, start, key=self._word)
        return first, bisect.bisect_left(codes, start + _LAST, lo=first, key=self._word)

    def _ending(self, end: bytes) -> np.ndarray:
        """The words that end with these bytes."""
        places, end = range(len(self)), end[::-1]

        def backwards(place: int) -> bytes:
            return self._word(self._by_end[place])[::-1]

        first = bisect.bisect_left(places, end, key=backwards)
        return self._by_end[first : bisect.bisect_left(places, end + _LAST, lo=first, key=backwards)]

    def _with_inside(self, word: str) -> np.ndarray:
        if not may_be_inside(word):
            return np.empty(0, np.int64)
        wanted, places = word.encode(), list[int]()
        place = self._words.find(wanted)
        while place >= 0 and len(places) < _MAX_INSIDE:
            places.append(place)
            place = self._words.find(wanted, place + 1)
        return np.unique(np.searchsorted(self._starts, np.array(places, np.int64), side="right") - 1)

    def _with_typo(self, word: str) -> np.ndarray:
        if len(word) < _MIN_WITH_TYPO:
            return np.empty(0, np.int64)
        # One edit leaves the first half or what follows the character after it as it is.
        half = len(word) // 2
        first, last = self._starting(word[:half].encode())
        near = np.concatenate([np.arange(first, last), self._ending(word[half + 1 :].encode())])
        near = near[np.abs(self._characters[near] - len(word)) <= 1]
        return near[are_typos(word, [self._word(code).decode() for code in near.tolist()])]


def may_be_inside(word: str) -> bool:
    """Whether a word is long enough to be looked for inside of words; two letters are inside nearly every word."""
    return len(word) >= _MIN_INSIDE or not word.isascii()


def are_typos(word: str, others: Sequence[str]) -> np.ndarray:
    """Which words are at an edit distance of one: a character more, less or another, or two neighbours swapped.

    Args:
        word: a folded word; one of fewer than 3 characters has no typos.
        others: words.

    Returns:
        bool ``[len(others)]``.
    """
    if len(word) < _MIN_WITH_TYPO or not others:
        return np.zeros(len(others), bool)
    return process.cdist([word], others, scorer=OSA.distance, score_cutoff=1, dtype=np.uint8)[0] == 1


def _ranges(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """All numbers of several ranges, one range after the other."""
    lengths = last - first
    return np.repeat(first - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())
