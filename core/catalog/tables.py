"""The three tables a catalogue consists of, and builders that fill them row by row in bounded memory.

Belongs here: schemas, the interning of product ids, column builders. Does not belong here: reading any format.
"""

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from core.catalog import clean
from core.errors import InputError

PRODUCTS = pa.schema(
    [
        pa.field("product_id", pa.string(), nullable=False),
        ("title", pa.string()),
        ("brand", pa.string()),
        ("price", pa.float32()),  # in the currency of the source, not negative
        ("categories", pa.list_(pa.string())),  # empty when none, never null
        ("sales_rank", pa.int64()),  # 1 is the best seller
        ("image_url", pa.string()),
    ]
)
RELATIONSHIPS = pa.schema(
    [
        ("product1", pa.dictionary(pa.int32(), pa.string())),  # the product that has the list
        ("product2", pa.dictionary(pa.int32(), pa.string())),  # the product in it
        ("relationship", pa.dictionary(pa.int8(), pa.string())),
        ("weight", pa.float32()),  # null unless a pairs table gives one
    ]
)
QUARANTINE = pa.schema([("file", pa.string()), ("line", pa.int64()), ("reason", pa.string()), ("excerpt", pa.string())])

KINDS = ("bought_together", "also_bought", "also_viewed")
"""The relationships of the article; a team's own pairs table may name others."""

_CHUNK_ROWS = 1 << 14
_HOPELESS = 10_000
_BATCH_IDS = 1 << 13  # small enough for its strings to lie in the processor's cache still
_CONTROLS = bytes(range(0x20)) + b"\x7f"


class BadRecordError(ValueError):
    """A record that goes to quarantine; the message is the reason."""


@dataclass(frozen=True)
class Catalog:
    """What a source holds.

    Attributes:
        products: table of schema ``PRODUCTS``, one row for every product that has metadata, in the source's order.
        relationships: table of schema ``RELATIONSHIPS``, directed, as listed (self pairs and repeats included).
        quarantine: table of schema ``QUARANTINE``, in order of file and line.
        info: JSON-able: ``source``, ``bytes``, ``lines``, ``bad_lines`` and ``repeated_products`` (the two parts of
            the quarantine), ``products``, ``relationships``, ``fingerprint``, ``seconds``.
    """

    products: pa.Table
    relationships: pa.Table
    quarantine: pa.Table
    info: dict[str, Any]


def check_ids(ids: list[Any]) -> list[str]:
    """The ids without surrounding white space.

    Raises:
        BadRecordError: one is no string, empty or not printable.
    """
    try:
        joined = "".join(ids)  # all checks in one go: there may be a hundred ids in a line
    except TypeError:
        kind = next(type(item).__name__ for item in ids if type(item) is not str)
        raise BadRecordError(f"a product id is no string but {kind}") from None
    if not joined.isascii() or " " in joined:
        ids = [item.strip() for item in ids]
        joined = "".join(ids)
    # For ASCII the byte table is four times as fast as isprintable.
    if len(joined.encode().translate(None, _CONTROLS)) < len(joined) if joined.isascii() else not joined.isprintable():
        raise BadRecordError("a product id has unprintable characters")
    if "" in ids:
        raise BadRecordError("a product id is empty")
    return ids


class ProductRows:
    """Builds the products table; raw field values are cleaned on the way in."""

    def __init__(self) -> None:
        self._rows: list[tuple[Any, ...]] = []
        self._chunks: list[pa.RecordBatch] = []

    def add(self, product_id: str, fields: Mapping[str, Any]) -> None:
        """Add a product; ``fields`` has raw values under the names of ``PRODUCTS``, any of them may be missing."""
        get = fields.get
        price, rank, image = get("price"), get("sales_rank"), get("image_url")
        self._rows.append(
            (
                product_id,
                clean.clean_text(get("title")),
                clean.clean_brand(get("brand")),
                None if price is None else clean.clean_price(price),
                clean.clean_categories(get("categories")),
                None if rank is None else clean.clean_rank(rank),
                None if image is None else clean.clean_image(image),
            )
        )
        if len(self._rows) == _CHUNK_ROWS:
            self._flush()

    def __len__(self) -> int:
        return len(self._rows) + _CHUNK_ROWS * len(self._chunks)

    def _flush(self) -> None:
        if self._rows:
            columns = zip(*self._rows, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, PRODUCTS, strict=True)]
            self._chunks.append(pa.record_batch(arrays, schema=PRODUCTS))
            self._rows = []

    def table(self) -> pa.Table:
        self._flush()
        return pa.Table.from_batches(self._chunks, PRODUCTS)


class ListedPairs:
    """Builds the relationships table from lists: four bytes for each listed product, nine for each list.

    Arrow's dictionary encoding gives the ids their int32 codes, a batch at a time; a Python dict of all ids costs
    ten times as much, nearly all of it cache misses.
    """

    def __init__(self) -> None:
        self._batch: list[str] = []
        self._listed: list[pa.DictionaryArray] = []
        self._owners = array("i")
        self._kinds = array("b")
        self._lengths = array("i")

    def add(self, owner: int, kind: int, listed: list[str]) -> None:
        """Add one list: ``owner`` counts the owners given to :meth:`table`, ``kind`` is a position in ``KINDS``."""
        self._batch += listed
        self._owners.append(owner)
        self._kinds.append(kind)
        self._lengths.append(len(listed))
        if len(self._batch) >= _BATCH_IDS:
            self._flush()

    def _flush(self) -> None:
        self._listed.append(pa.array(self._batch, pa.string()).dictionary_encode())
        self._batch = []

    def table(self, owners: pa.ChunkedArray) -> pa.Table:
        """The relationships of ``owners``, the ids of all products that have lists (string, distinct)."""
        self._flush()
        lengths = np.asarray(self._lengths, np.int32)
        rows = np.repeat(np.asarray(self._owners, np.int32), lengths)
        codes, dictionary = shared_codes([*owners.dictionary_encode().chunks, *self._listed])
        owner_codes, product2 = codes[: len(owners)], codes[len(owners) :]
        kinds = np.repeat(np.asarray(self._kinds, np.int8), lengths)
        return relationships_table(dictionary, owner_codes[rows], product2, kinds, KINDS, None)


def shared_codes(chunks: list[pa.DictionaryArray]) -> tuple[np.ndarray, pa.Array]:
    """Codes of all chunks over one common dictionary: int32 ``[sum of lengths]`` and string ``[distinct values]``."""
    if not chunks:
        return np.empty(0, np.int32), pa.array([], pa.string())
    unified = pa.chunked_array(chunks).unify_dictionaries().combine_chunks()
    return unified.indices.to_numpy(), unified.dictionary


def relationships_table(
    dictionary: pa.Array,
    product1: np.ndarray,
    product2: np.ndarray,
    relationship: np.ndarray,
    names: Iterable[str],
    weight: np.ndarray | None,
) -> pa.Table:
    """A table of schema ``RELATIONSHIPS`` over one shared dictionary of ids.

    Args:
        dictionary: string ``[n_ids]``.
        product1, product2: int32 ``[m]`` positions in ``dictionary``.
        relationship: int8 ``[m]`` positions in ``names``.
        names: names of the relationships.
        weight: float32 ``[m]`` or None (all null).
    """
    kinds = pa.array(list(names), pa.string())
    return pa.table(
        [
            pa.DictionaryArray.from_arrays(pa.array(product1, pa.int32()), dictionary),
            pa.DictionaryArray.from_arrays(pa.array(product2, pa.int32()), dictionary),
            pa.DictionaryArray.from_arrays(pa.array(relationship, pa.int8()), kinds),
            pa.nulls(len(product1), pa.float32()) if weight is None else pa.array(weight, pa.float32()),
        ],
        schema=RELATIONSHIPS,
    )


class Quarantine:
    """Collects what could not be read."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, int, str, str]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, file: str, line: int, reason: str, raw: str | bytes) -> None:
        self._rows.append((file, line, reason, clean.excerpt(raw)))

    def first_of(self, file: str) -> tuple[int, str, str]:
        """Line, reason and excerpt of the first row of ``file``."""
        return min(row[1:] for row in self._rows if row[0] == file)

    def stop_if_hopeless(self, name: str, lines: int, useless: int, max_bad_share: float) -> None:
        """Give a file up that is mostly unusable, before its quarantine fills the memory.

        Raises:
            InputError: more than ``_HOPELESS`` of the lines so far, and most of them, are of no use.
        """
        if useless > _HOPELESS and useless > lines * max(0.5, max_bad_share):
            line, reason, text = self.first_of(name)
            raise InputError(
                f"{name}: {useless:,} of the first {lines:,} lines are of no use; the first is line {line}: {reason} "
                f"({text[:80]!r}). This is probably not the file it should be (reviews, for instance, repeat each "
                "product); correct the category's source in categories.yaml"
            )

    def table(self) -> pa.Table:
        rows = sorted(self._rows)
        columns = zip(*rows, strict=True) if rows else [()] * len(QUARANTINE)
        return pa.table([pa.array(c, f.type) for c, f in zip(columns, QUARANTINE, strict=True)], schema=QUARANTINE)
