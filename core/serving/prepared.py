"""What is prepared once per version of a category's lists, so that answers need no table in memory.

Beside the arrays of lists, which the store keeps memory-mapped, a server needs each product's id, title, brand, price
and categories. The store keeps them in Parquet, which a reader must decode into memory. Here they become plain files in
a folder that all processes of the machine map.
"""

import contextlib
import fcntl
import json
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.errors import InputError
from core.recommendations.form import SLOTS, SOURCES, Recommendations
from core.recommendations.served import served, served_asset
from core.serving import content
from core.serving.columns import Texts, TextsWriter, numbers, write_numbers
from core.store import Store
from core.store.artefacts import check_artefact

FORMAT = "1"
"""Raised whenever the prepared files change."""
SEPARATOR = "\x1f"
"""Stands between the categories of a product; no name contains it, because it is taken out of them."""
POPULAR = 1_000
"""Number of most popular products that are kept to fill lists."""

_COLUMNS = ["product_id", "title", "brand", "price", "categories"]
_BATCH = 50_000
_DONE = "prepared.json"


class Card(msgspec.Struct, omit_defaults=True):
    """What an answer says of a product."""

    product: str
    title: str | None = None
    brand: str | None = None


class Products:
    """The products of one version, memory-mapped; a product's row is its node.

    Attributes:
        ids, brands: columns; an unknown brand is empty.
        cards: each product's id, and its title and brand if known, as the members of a JSON object without braces.
        prices: float32 ``[n]``; NaN where unknown.
        popularity: int32 ``[n]``: in how many lists a product is.
        popular: int32: the most popular products, best first.
        fields, words: the indexes by brand and categories, and by the words of titles.
    """

    def __init__(self, folder: Path) -> None:
        self.ids, self.brands = Texts(folder, "id"), Texts(folder, "brand")
        self.cards = Texts(folder, "card", is_large=True)
        self._categories = Texts(folder, "categories")
        self.prices = numbers(folder, "price", np.float32)
        self.popularity = numbers(folder, "popularity", np.int32)
        self.popular = numbers(folder, "popular", np.int32)
        self.fields, self.words = content.Index(folder, "fields"), content.Index(folder, "words")

    def __len__(self) -> int:
        return len(self.ids)

    def categories(self, node: int) -> list[str]:
        """The categories of a product."""
        text = self._categories[node]
        return text.split(SEPARATOR) if text else []


def folder_of(root: Path, category: str, version: str) -> Path:
    """Where the prepared files of a version are; the names of versions are unique, also among stores."""
    return root / category / f"{version}.{FORMAT}"


def is_prepared(folder: Path) -> bool:
    """Whether a version's files are complete."""
    return (folder / _DONE).exists()


def prepare(store: Store, category: str, root: Path, version: str) -> Path:
    """Check a version's files byte for byte and prepare them, unless another process has done so.

    Memory is bounded by a batch of products and the distinct words of titles. The folders of versions that are neither
    this one nor the newest one before it are removed; who has mapped their files keeps them.

    Args:
        store: where the lists are.
        category: whose lists.
        root: folder of all prepared files.
        version: the version that is wanted.

    Raises:
        FileNotFoundError: there are no lists.
        InputError: they are damaged, or another version has replaced them.
    """
    target = folder_of(root, category, version)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.parent / "lock"):
        if is_prepared(target):
            return target
        asset = served_asset(store, category)
        checked = check_artefact(store.folder(asset, category), asset, category)
        found = served(store, category, with_products=False)
        table = store.file(asset, category, "products")
        if not version == checked.version == found.version == table.parent.name:
            raise InputError(f"{asset} of {category}: the version {version} was replaced while it was prepared")
        staged = target.parent / f".{uuid.uuid4().hex[:8]}.tmp"
        for left in target.parent.glob(".*.tmp"):  # of a process that was killed: this one has the lock
            shutil.rmtree(left, ignore_errors=True)
        staged.mkdir()
        try:
            _write(staged, found.recommendations, table)
            shutil.rmtree(target, ignore_errors=True)
            staged.rename(target)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        versions = sorted(path for path in target.parent.iterdir() if path.is_dir() and path != target)
        for old in versions[:-1]:
            shutil.rmtree(old, ignore_errors=True)
    return target


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write(folder: Path, lists: Recommendations, table: Path) -> None:
    with pq.ParquetFile(table) as file:
        n = file.metadata.num_rows
        popularity = _check(lists, n)
        ids, cards, brands, categories = (TextsWriter(folder, name) for name in ("id", "card", "brand", "categories"))
        fields = content.IndexWriter(folder, "fields", 2)
        words = content.IndexWriter(folder, "words", 1)
        prices, last, first = [np.empty(0, np.float32)], "", 0
        for batch in file.iter_batches(_BATCH, columns=_COLUMNS):
            products = pa.Table.from_batches([batch])
            names = products["product_id"].combine_chunks().cast(pa.large_string())
            last = _check_ascending(names, last, first)
            ids.add(names)
            cards.add(_cards(products))
            brands.add(products["brand"].combine_chunks())
            categories.add(_joined(products["categories"].combine_chunks()))
            price = products["price"].combine_chunks().cast(pa.float32())
            prices.append(price.to_numpy(zero_copy_only=False).astype(np.float32))
            fields.add(0, first, *content.brand_terms(products))
            fields.add(1, first, *content.category_terms(products))
            words.add(0, first, *content.word_terms(products))
            first += len(names)
    for column in (ids, cards, brands, categories):
        column.close()
    write_numbers(folder, "price", np.concatenate(prices))
    write_numbers(folder, "popularity", popularity)
    popular = np.argsort(-popularity, kind="stable")[:POPULAR]
    write_numbers(folder, "popular", popular[popularity[popular] > 0].astype(np.int32))
    fields.close(popularity)
    words.close(popularity)
    (folder / _DONE).write_text(json.dumps({"format": FORMAT, "products": n}))


def _cards(products: pa.Table) -> pa.Array:
    encode = msgspec.json.Encoder().encode
    rows = zip(*(products[name].to_pylist() for name in ("product_id", "title", "brand")), strict=True)
    return pa.array([encode(Card(*row))[1:-1] for row in rows], pa.large_binary()).cast(pa.large_string())


def _joined(lists: pa.Array) -> pa.Array:
    plain = lists.cast(pa.list_(pa.string()))
    values = pc.replace_substring(plain.flatten(), SEPARATOR, " ").fill_null("")
    lengths = pc.fill_null(pc.list_value_length(plain), 0).to_numpy()
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    return pc.binary_join(pa.ListArray.from_arrays(offsets, values), SEPARATOR)


def _check_ascending(ids: pa.Array, last: str, first: int) -> str:
    """Raise InputError unless the ids go up and are larger than ``last``, as lookups need; returns the last one."""
    fits = not ids.null_count and (not len(ids) or first == 0 or last < ids[0].as_py())
    if not fits or (len(ids) > 1 and not pc.all(pc.less(ids[:-1], ids[1:])).as_py()):
        raise InputError(f"the ids of the products do not ascend near row {first:,}; materialize the lists again")
    return ids[-1].as_py() if len(ids) else last


def _check(lists: Recommendations, n: int) -> np.ndarray:
    """Compare the arrays with the products; returns in how many lists of the first slot each product is."""
    popularity = np.zeros(n, np.int64)
    if not lists.slots or set(lists.neighbours) - set(SLOTS):
        raise InputError("the artefact has lists for no known slot; materialize the lists again")
    for number, slot in enumerate(lists.slots):
        if slot not in lists.scores or slot not in lists.sources:
            raise InputError(f"the lists of {slot} have no scores or sources; materialize the lists again")
        nodes, scores, sources = lists.neighbours[slot], lists.scores[slot], lists.sources[slot]
        if not nodes.shape == scores.shape == sources.shape or nodes.ndim != 2 or len(nodes) != n:
            raise InputError(f"the lists of {slot} do not fit the {n:,} products; materialize the lists again")
        for start in range(0, n, _BATCH):
            part = np.asarray(nodes[start : start + _BATCH])
            known = part.size == 0 or (part.min() >= -1 and part.max() < n)
            if not known or np.any(sources[start : start + _BATCH] >= len(SOURCES)):
                raise InputError(f"a list of {slot} names a product that is not there; materialize the lists again")
            if number == 0:
                popularity += np.bincount(part[part >= 0], minlength=n)
    return popularity.astype(np.int32)
