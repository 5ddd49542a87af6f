"""The three tables a catalogue consists of, and builders that fill them row by row in bounded memory."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.arrays import run_starts
from core.catalog import clean
from core.catalog.containers import UnreadableError
from core.catalog.field_notes import FieldNotes
from core.catalog.numbers import NumberColumn
from core.relationships import KINDS, ONCE, REPEATS
from core.typing import AnyArray, BoolArray, Float32Array, Int8Array, Int32Array, Int64Array

PRODUCTS = pa.schema(
    [
        ("product_id", pa.string()),
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
        ("place", pa.int32()),  # of product2 in the list of product1, from 1; null where the source has no lists
    ]
)
"""The schema of a table of relationships; its metadata also says what repeated rows mean (``core.relationships``)."""
QUARANTINE = pa.schema([("file", pa.string()), ("line", pa.int64()), ("reason", pa.string()), ("excerpt", pa.string())])

MAX_ID_BYTES = 1000
"""Longest product id, in UTF-8; what is longer is some other text in the wrong column."""

_CHUNK_ROWS = 1 << 14
_BATCH_IDS = 1 << 19
_BATCH_BYTES = 64 << 20  # the offsets within a batch are int32
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
        orders: table of schema ``ORDERS``, order lines as they stand in the source; None if it holds none.
        info: JSON-able: ``source``, ``bytes``, ``lines``, ``bad_lines`` and ``repeated_products`` (the two parts of
            the quarantine; a bad record over several lines is one row there and counts with all its lines),
            ``self_pairs`` (rows that pair a product with itself, left out), ``records_over_lines`` (good ones over
            several lines), ``columns`` (of each table: which column was ``read`` as what, which are ``unread``),
            ``fields`` (what was wrong with single values, see ``core.catalog.field_notes``),
            ``unknown_relationships`` (name → rows), ``products``, ``relationships``, ``fingerprint``, ``seconds``.
    """

    products: pa.Table
    relationships: pa.Table
    quarantine: pa.Table
    info: dict[str, Any]
    orders: pa.Table | None = None


class IdList(NamedTuple):
    """A list of product ids: UTF-8 with a line feed between them (no id holds one), and how many they are."""

    text: bytes
    size: int


def check_id(value: Any) -> str:
    """The product id without surrounding white space.

    Raises:
        BadRecordError: the value is not a string, or is empty, longer than :data:`MAX_ID_BYTES` or not printable.
    """
    if type(value) is not str:
        raise BadRecordError(f"product id is not text but {type(value).__name__}")
    text = value.strip()
    if not text:
        raise BadRecordError("product id is empty")
    if 4 * len(text) > MAX_ID_BYTES and len(text.encode("utf-8", "surrogatepass")) > MAX_ID_BYTES:
        raise BadRecordError(f"product id is longer than {MAX_ID_BYTES:,} bytes")
    if not text.isprintable():
        raise BadRecordError("product id has unprintable characters")
    return text


def check_ids(ids: list[Any]) -> IdList:
    """Like :func:`check_id` for the ids of a list, all in one go, as there may be a hundred in a line."""
    try:
        joined = "\n".join(ids)
    except TypeError:
        joined = " "
    if joined.isascii() and " " not in joined:
        text = joined.encode()
        # Fewer unprintable bytes than line feeds is impossible, and as many means that there are no others.
        printable = len(text.translate(None, _CONTROLS)) == len(text) - len(ids) + 1
        short = len(text) <= MAX_ID_BYTES or max(map(len, ids)) <= MAX_ID_BYTES
        if printable and short and "" not in ids:
            return IdList(text, len(ids))
    return IdList("\n".join(map(check_id, ids)).encode(), len(ids))


_NUMBER = r"^[0-9]+$"
_FLOAT = r"^[0-9]+\.0*$|^[0-9](\.[0-9]+)?[eE]\+[0-9]+$|^[0-9]\.[0-9]+[eE]-?[0-9]+$"
_EXPONENT = r"^[0-9]+[eE][0-9]+$"


def refuse_float_ids(ids: pa.Array, columns: str) -> None:
    """Refuse columns of ids that a program wrote as floating-point numbers: what they were before cannot be known.

    All ids decide together. ``1000.0`` and ``1.2E+05`` are refused where they are at least as many as the ids that
    are not numbers; ``1E5``, which may be a real id, where such ids are half of all.

    Args:
        ids: string ``[n]``, distinct.
        columns: their columns, for the message.

    Raises:
        UnreadableError: the ids are numbers of this kind; names one of them.
    """

    def which(pattern: str) -> BoolArray:
        matches: BoolArray = pc.match_substring_regex(ids, pattern).to_numpy(zero_copy_only=False)
        return matches

    floats = which(_FLOAT)
    exponents = which(_EXPONENT)
    wrong = int(np.count_nonzero(floats)) + int(np.count_nonzero(exponents))
    if not wrong:
        return
    texts = len(ids) - wrong - int(np.count_nonzero(which(_NUMBER)))
    if 2 * wrong < len(ids) and not (floats.any() and np.count_nonzero(floats) >= texts):
        return
    example = ids[int(np.argmax(floats if floats.any() else exponents))].as_py()
    raise UnreadableError(
        f"{columns} such as {example!r} are floating-point numbers ({wrong:,} of {len(ids):,} ids); write "
        "product ids as text or whole numbers (pandas turns whole numbers into floats when values are missing, and "
        "spreadsheets shorten long ones)"
    )


class ProductRows:
    """Builds the products table; raw field values are cleaned on the way in.

    A product may come several times. Its first row stays where it is and takes from the later ones whatever it does
    not have itself; categories of all of them are united, in order of appearance. Memory grows with the rows added.
    """

    def __init__(self) -> None:
        self._rows: list[tuple[Any, ...]] = []
        self._chunks: list[pa.RecordBatch] = []
        self._added = self._repeated = 0
        self._notes = FieldNotes()
        self._prices, self._ranks = NumberColumn(), NumberColumn(whole=True)
        noted = (partial(self._notes.add, column) for column in PRODUCTS.names[1:])
        self._title, self._brand, self._price, self._categories, self._rank, self._image = noted

    def add(
        self,
        product_id: str,
        title: Any,
        brand: Any,
        price: Any,
        categories: Any,
        sales_rank: Any,
        image_url: Any,
        repeated: bool = False,
    ) -> None:
        """Add a row of a product; all but ``product_id`` are raw values, or None if missing.

        Args:
            repeated: whether the product was added before.
        """
        # Where a number's text leaves open what it means, its column will tell.
        if type(price) is str:
            price = self._prices.add(self._added, (clean.price_number(price, self._price),))
        elif price is not None:
            price = clean.clean_price(price, self._price)
        if sales_rank is not None and type(sales_rank) is not int:
            sales_rank = self._ranks.add(self._added, clean.rank_numbers(sales_rank, self._rank))
        elif sales_rank is not None:
            sales_rank = clean.clean_rank(sales_rank, self._rank)
        self._rows.append(
            (
                product_id,
                None if title is None else clean.clean_text(title, self._title),
                None if brand is None else clean.clean_brand(brand, self._brand),
                price,
                [] if categories is None else clean.clean_categories(categories, self._categories),
                sales_rank,
                None if image_url is None else clean.clean_image(image_url, self._image),
            )
        )
        self._added += 1
        self._repeated += repeated
        if len(self._rows) == _CHUNK_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            columns = zip(*self._rows, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, PRODUCTS, strict=True)]
            self._chunks.append(pa.record_batch(arrays, schema=PRODUCTS))
            self._rows = []

    def owners(self) -> pa.ChunkedArray:
        """The product of each row added, for :meth:`ListedPairs.table`."""
        self._flush()
        return pa.Table.from_batches(self._chunks, PRODUCTS)["product_id"]

    def notes(self) -> dict[str, Any]:
        """What was wrong with single values; see ``core.catalog.field_notes``."""
        return self._notes.facts()

    def table(self) -> pa.Table:
        """The products, in the order in which they first appeared."""
        self._flush()
        table = pa.Table.from_batches(self._chunks, PRODUCTS)
        for name, numbers in (("price", self._prices), ("sales_rank", self._ranks)):
            place = PRODUCTS.get_field_index(name)
            table = table.set_column(place, PRODUCTS.field(place), numbers.decided(table[name]))
        return _merged(table) if self._repeated else table


def _merged(rows: pa.Table) -> pa.Table:
    """One row per product, from rows of which some are of the same one."""
    encoded = rows["product_id"].combine_chunks().dictionary_encode()
    product = encoded.indices.to_numpy()  # numbered by first appearance
    count = len(encoded.dictionary)
    first = np.unique(product, return_index=True)[1]
    columns = []
    for field in PRODUCTS:
        column = rows[field.name]
        if field.name == "categories":
            columns.append(_united(column.combine_chunks(), product, first))
            continue
        # Written from the last row to the first, so that the first that has a value is the one to stay.
        filled = np.flatnonzero(column.is_valid().to_numpy())[::-1]
        chosen = np.full(count, -1, np.int64)
        chosen[product[filled]] = filled
        columns.append(column.take(pa.array(chosen, mask=chosen < 0)))
    return pa.table(columns, schema=PRODUCTS)


def _united(lists: pa.ListArray, product: Int32Array, first: Int64Array) -> pa.Array:
    later = np.setdiff1d(np.arange(len(product)), first)
    later = later[lists.value_lengths().to_numpy()[later] > 0]
    labels: dict[int, dict[str, None]] = {}
    for row, mine in zip(later.tolist(), product[later].tolist(), strict=True):
        known = labels.setdefault(mine, dict.fromkeys(lists[int(first[mine])].as_py()))
        known.update(dict.fromkeys(lists[row].as_py()))
    # The united lists are put behind all others and taken from there.
    place = first.copy()
    place[list(labels)] = len(lists) + np.arange(len(labels))
    united = pa.array([list(known) for known in labels.values()], lists.type)
    return pa.chunked_array([lists, united]).take(pa.array(place)).combine_chunks()


class ListedPairs:
    """Builds the relationships table from lists: four bytes for each listed product, nine for each list.

    Arrow's dictionary encoding gives the ids their int32 codes, a batch at a time; a Python dict of all ids costs
    several times as much, nearly all of it cache misses.
    """

    def __init__(self) -> None:
        self._batch: list[bytes] = []
        self._batch_ids = self._batch_bytes = 0
        self._listed: list[pa.DictionaryArray] = []
        self._owners = array("i")
        self._kinds = array("b")
        self._lengths = array("i")

    def add(self, owner: int, kind: int, listed: IdList) -> None:
        """Add one list: ``owner`` counts the owners given to :meth:`table`, ``kind`` is a position in ``KINDS``."""
        self._batch.append(listed.text)
        self._batch_ids += listed.size
        self._owners.append(owner)
        self._kinds.append(kind)
        self._lengths.append(listed.size)
        self._batch_bytes += len(listed.text) + 1
        if self._batch_ids >= _BATCH_IDS or self._batch_bytes >= _BATCH_BYTES:
            self._flush()

    def _flush(self) -> None:
        if not self._batch:
            return
        text = b"\n".join(self._batch) + b"\n"
        ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
        offsets = np.zeros(len(ends) + 1, np.int32)
        offsets[1:] = ends - np.arange(len(ends))  # where each id ends once the line feeds are gone
        content = pa.py_buffer(text.translate(None, b"\n"))
        ids = pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), content)
        self._listed.append(ids.dictionary_encode())
        self._batch, self._batch_ids, self._batch_bytes = [], 0, 0

    def table(self, owners: pa.ChunkedArray) -> pa.Table:
        """The relationships of ``owners``, string: the ids of all products that have lists.

        A product that owns several lists of a kind, because it came several times, has them united: what an earlier
        one names already is left out, and the places of what a later one adds follow those of the earlier one. A list
        that names a product twice is left as it is, and each of its entries has its own place.
        """
        self._flush()
        lengths = np.asarray(self._lengths, np.int32)
        owners_of_lists, kinds_of_lists = np.asarray(self._owners, np.int32), np.asarray(self._kinds, np.int8)
        rows = np.repeat(owners_of_lists, lengths)
        codes, dictionary = shared_codes([*owners.dictionary_encode().chunks, *self._listed])
        owner_codes, product2 = codes[: len(owners)], codes[len(owners) :]
        kinds = np.repeat(kinds_of_lists, lengths)
        product1 = owner_codes[rows]
        if len(dictionary) and np.bincount(owner_codes, minlength=1).max() > 1:
            keep = _first_listings(owner_codes, rows, product1, product2, kinds, len(dictionary))
            product1, product2, kinds = product1[keep], product2[keep], kinds[keep]
            kept, ends = np.r_[0, np.cumsum(keep)], np.cumsum(lengths)
            lengths = kept[ends] - kept[ends - lengths]
        place = _places(owner_codes[owners_of_lists].astype(np.int64) * len(KINDS) + kinds_of_lists, lengths)
        return relationships_table(dictionary, product1, product2, kinds, KINDS, None, place=place)


def _places(lists: Int64Array, lengths: AnyArray) -> Int32Array:
    """int32 ``[sum of lengths]``: the place of each listing, from 1; lists with the same number continue each other."""
    order = np.argsort(lists, kind="stable")
    before = np.cumsum(lengths[order]) - lengths[order]
    starts = np.flatnonzero(run_starts(lists[order]))
    offset = np.empty(len(lists), np.int64)
    offset[order] = before - np.repeat(before[starts], np.diff(np.r_[starts, len(lists)]))
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    places: Int32Array = (within + np.repeat(offset, lengths) + 1).astype(np.int32)
    return places


def _first_listings(
    owner_codes: Int32Array, rows: Int32Array, product1: Int32Array, product2: Int32Array, kinds: Int8Array, ids: int
) -> BoolArray:
    """bool ``[m]``: listings of a product that no earlier row of the same product has named.

    A list that names a product twice by itself is left as it is.
    """
    doubtful = np.flatnonzero((np.bincount(owner_codes) > 1)[product1])
    key = (product1[doubtful].astype(np.int64) * ids + product2[doubtful]) * len(KINDS) + kinds[doubtful]
    _, first, listing = np.unique(key, return_index=True, return_inverse=True)
    keep = np.ones(len(rows), bool)
    keep[doubtful] = rows[doubtful] == rows[doubtful[first]][listing]
    return keep


def shared_codes(chunks: list[pa.DictionaryArray]) -> tuple[Int32Array, pa.Array]:
    """Codes of all chunks over one common dictionary: int32 ``[sum of lengths]`` and string ``[distinct values]``."""
    if not chunks:
        return np.empty(0, np.int32), pa.array([], pa.string())
    unified = pa.chunked_array(chunks).unify_dictionaries().combine_chunks()
    return unified.indices.to_numpy(), unified.dictionary


def relationships_table(
    dictionary: pa.Array,
    product1: Int32Array,
    product2: Int32Array,
    relationship: Int8Array,
    names: Iterable[str],
    weight: Float32Array | None,
    repeats: bytes = ONCE,
    place: Int32Array | None = None,
) -> pa.Table:
    """A table of schema ``RELATIONSHIPS`` over one shared dictionary of ids.

    Args:
        dictionary: string ``[n_ids]``.
        product1, product2: int32 ``[m]`` positions in ``dictionary``.
        relationship: int8 ``[m]`` positions in ``names``.
        names: names of the relationships.
        weight: float32 ``[m]`` or None (all null).
        repeats: what repeated rows mean, ``ADD`` or ``ONCE`` of ``core.relationships``.
        place: int32 ``[m]``, from 1, 0 where there is none; or None (all null).
    """
    kinds = pa.array(list(names), pa.string())
    return pa.table(
        [
            pa.DictionaryArray.from_arrays(pa.array(product1, pa.int32()), dictionary),
            pa.DictionaryArray.from_arrays(pa.array(product2, pa.int32()), dictionary),
            pa.DictionaryArray.from_arrays(pa.array(relationship, pa.int8()), kinds),
            pa.nulls(len(product1), pa.float32()) if weight is None else pa.array(weight, pa.float32()),
            pa.nulls(len(product1), pa.int32()) if place is None else pa.array(place, pa.int32(), mask=place == 0),
        ],
        schema=RELATIONSHIPS.with_metadata({REPEATS: repeats}),
    )
